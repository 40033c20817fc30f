"""What may happen in the catalogue, decided: pure functions and transition tables, one module per concept."""

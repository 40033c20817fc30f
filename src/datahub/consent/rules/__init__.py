"""What may happen to consents, and what they let through, decided: pure functions and tables, a module per concept."""

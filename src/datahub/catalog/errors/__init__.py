"""What the catalogue refuses, one module per concept."""

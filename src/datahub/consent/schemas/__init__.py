"""REST messages about consent, one module per concept."""

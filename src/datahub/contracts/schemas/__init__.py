"""REST messages of contracts, one module per concept."""

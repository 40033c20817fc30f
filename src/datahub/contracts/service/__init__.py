"""The verbs of contracts, one module per concept."""

"""The verbs of the catalogue, one module per concept."""

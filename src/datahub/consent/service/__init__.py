"""The verbs of consent, one module per concept."""

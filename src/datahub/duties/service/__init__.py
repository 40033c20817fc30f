"""The verbs on duties."""

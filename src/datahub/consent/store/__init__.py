"""Queries on consent, one module per concept."""

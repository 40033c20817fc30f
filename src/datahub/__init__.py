"""Datahub: a trusted data exchange for a region."""

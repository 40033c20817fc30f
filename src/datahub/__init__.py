"""Datahub: a trusted data exchange for a region."""

# The one place of the version: the wheel takes it from here, and so does a program that must start fast.
__version__ = "0.1.0"

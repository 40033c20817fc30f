"""Decisions about duties. Pure."""

"""REST messages about duties."""

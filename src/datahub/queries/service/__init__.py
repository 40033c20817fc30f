"""The verbs on queries: open one, settle it, look back."""

"""Bytes out: tables and files streamed to whoever may have them now."""

"""Bytes out: tables and files streamed to whoever may have them now.

One delivery: decide (and have decision and log entry committed), open, send block by block, record how it ended. If the
log cannot be written, nothing is sent. RFC 9110 (representations, ranges), RFC 9530 (digests), RFC 6266 (file names).
"""

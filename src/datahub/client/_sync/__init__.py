# Made from _async/__init__.py by tests/client/unasync.py; change it there.
"""The client, waiting. `_sync` is made from it by `python -m tests.client.unasync`."""

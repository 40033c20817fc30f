"""The client, written once: awaiting. `_sync` is made from it by `python -m tests.client.unasync`."""

"""The same world as the data plane's tests: one agreed table, real tokens."""

from tests.dataplane.conftest import sqlite_world, world

__all__ = ["sqlite_world", "world"]

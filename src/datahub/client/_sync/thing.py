# Made from _async/thing.py by tests/client/unasync.py; change it there.
"""What all things of the exchange have in common here: what it said of them, and the way back to it."""

from collections.abc import Mapping
from typing import Any

from datahub.client._sync.transport import Transport


class Thing:
    """Something with an id; `data` is what the exchange said of it last."""

    def __init__(self, transport: Transport, said: Mapping[str, Any]) -> None:
        """Take what the exchange said of it."""
        self._transport = transport
        self.data = said

    @property
    def id(self) -> str:
        """Return its id."""
        return str(self.data["id"])


class Things:
    """The exchange's things of one kind."""

    def __init__(self, transport: Transport) -> None:
        """Take the way to the exchange."""
        self._transport = transport

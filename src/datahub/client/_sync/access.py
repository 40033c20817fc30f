# Made from _async/access.py by tests/client/unasync.py; change it there.
"""Asking for access, and what was agreed."""

from collections.abc import Iterator
from typing import Any

from datahub.client import cards, wire
from datahub.client._sync.thing import Thing, Things


class Request(Thing):
    """An access request and where it stands."""

    @property
    def status(self) -> str:
        """Return what people call its state: submitted, returned, approved, rejected, withdrawn, expired."""
        return str(self.data["status"])

    @property
    def agreement_id(self) -> str | None:
        """Return the agreement it ended in, if it did."""
        found = self.data.get("agreementId")
        return str(found) if found else None

    def refresh(self) -> "Request":
        """Read it again."""
        self.data = self._transport.json("GET", wire.path("access-requests", self.id))
        return self

    def move(self, move: str, **more: Any) -> "Request":
        """Make a move: approve, return, reject, counter, accept, withdraw. Raises Conflict when it is not its time."""
        address = wire.path("access-requests", self.id, "transitions")
        self.data = self._transport.json("POST", address, body={"move": move, **more})
        return self

    def approve(self, **more: Any) -> "Request":
        """Say yes, as the provider."""
        return self.move("approve", **more)

    def reject(self, reason: str) -> "Request":
        """Say no, as the provider, and why."""
        return self.move("reject", reason=reason)

    def accept(self) -> "Request":
        """Say yes to the terms that the provider returned and that this object shows."""
        return self.move("accept", agreesTo=self.data["policyHash"])

    def withdraw(self, reason: str | None = None) -> "Request":
        """Take it back, as the consumer."""
        return self.move("withdraw", **({"reason": reason} if reason else {}))

    def __repr__(self) -> str:
        """Show id and status."""
        return f"Request({self.id!r}, status={self.status!r})"

    def _repr_html_(self) -> str:
        facts = {
            "purpose": self.data.get("purpose"),
            "agreement": self.agreement_id,
            "due": self.data.get("dueAt"),
        }
        return cards.card(f"Access request: {self.status}", self.id, facts)


class Requests(Things):
    """The access requests of and to the caller's organisation."""

    def list(
        self,
        *,
        state: str | None = None,
        dataset: str | None = None,
        role: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Request]:
        """Give the requests that match, newest first; `role`: provider or consumer."""
        params = {"state": state, "dataset": dataset, "role": role}
        for item in self._transport.pages(wire.path("access-requests"), params, limit):
            yield Request(self._transport, item)

    def get(self, request_id: str) -> Request:
        """Return one request. Raises NotFound."""
        return Request(self._transport, self._transport.json("GET", wire.path("access-requests", request_id)))


class Agreement(Thing):
    """What two organisations agreed, frozen and signed."""

    @property
    def state(self) -> str:
        """Return its state."""
        return str(self.data["state"])

    def text(self, lang: str = "en") -> str:
        """Return the agreement in plain language, `nl` or `en`."""
        address = wire.path("agreements", self.id, "text")
        return (self._transport.call("GET", address, params={"lang": lang})).text

    def move(self, move: str, **more: Any) -> "Agreement":
        """Make a move: end, and as the provider suspend, resume, revoke. It bites at the next read."""
        address = wire.path("agreements", self.id, "transitions")
        self.data = self._transport.json("POST", address, body={"move": move, **more})
        return self

    def __repr__(self) -> str:
        """Show id and state."""
        return f"Agreement({self.id!r}, state={self.state!r})"

    def _repr_html_(self) -> str:
        facts = {
            "purpose": self.data.get("purpose"),
            "valid from": self.data.get("validFrom"),
            "valid until": self.data.get("validUntil"),
        }
        return cards.card(f"Agreement: {self.state}", self.id, facts)


class Agreements(Things):
    """The agreements of the caller's organisation."""

    def list(
        self,
        *,
        state: str | None = None,
        dataset: str | None = None,
        role: str | None = None,
        limit: int | None = None,
    ) -> Iterator[Agreement]:
        """Give the agreements that match, newest first; `role`: provider or consumer."""
        params = {"state": state, "dataset": dataset, "role": role}
        for item in self._transport.pages(wire.path("agreements"), params, limit):
            yield Agreement(self._transport, item)

    def get(self, agreement_id: str) -> Agreement:
        """Return one agreement. Raises NotFound."""
        return Agreement(self._transport, self._transport.json("GET", wire.path("agreements", agreement_id)))

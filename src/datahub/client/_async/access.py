"""Asking for access, and what was agreed."""

from collections.abc import AsyncIterator
from typing import Any

from datahub.client import cards, wire
from datahub.client._async.thing import AsyncThing, AsyncThings


class AsyncRequest(AsyncThing):
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

    async def refresh(self) -> "AsyncRequest":
        """Read it again."""
        self.data = await self._transport.json("GET", wire.path("access-requests", self.id))
        return self

    async def move(self, move: str, **more: Any) -> "AsyncRequest":
        """Make a move: approve, return, reject, counter, accept, withdraw. Raises Conflict when it is not its time."""
        address = wire.path("access-requests", self.id, "transitions")
        self.data = await self._transport.json("POST", address, body={"move": move, **more})
        return self

    async def approve(self, **more: Any) -> "AsyncRequest":
        """Say yes, as the provider."""
        return await self.move("approve", **more)

    async def reject(self, reason: str) -> "AsyncRequest":
        """Say no, as the provider, and why."""
        return await self.move("reject", reason=reason)

    async def accept(self) -> "AsyncRequest":
        """Say yes to the terms that the provider returned and that this object shows."""
        return await self.move("accept", agreesTo=self.data["policyHash"])

    async def withdraw(self, reason: str | None = None) -> "AsyncRequest":
        """Take it back, as the consumer."""
        return await self.move("withdraw", **({"reason": reason} if reason else {}))

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


class AsyncRequests(AsyncThings):
    """The access requests of and to the caller's organisation."""

    async def list(
        self,
        *,
        state: str | None = None,
        dataset: str | None = None,
        role: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[AsyncRequest]:
        """Give the requests that match, newest first; `role`: provider or consumer."""
        params = {"state": state, "dataset": dataset, "role": role}
        async for item in self._transport.pages(wire.path("access-requests"), params, limit):
            yield AsyncRequest(self._transport, item)

    async def get(self, request_id: str) -> AsyncRequest:
        """Return one request. Raises NotFound."""
        return AsyncRequest(
            self._transport, await self._transport.json("GET", wire.path("access-requests", request_id))
        )


class AsyncAgreement(AsyncThing):
    """What two organisations agreed, frozen and signed."""

    @property
    def state(self) -> str:
        """Return its state."""
        return str(self.data["state"])

    async def text(self, lang: str = "en") -> str:
        """Return the agreement in plain language, `nl` or `en`."""
        address = wire.path("agreements", self.id, "text")
        return (await self._transport.call("GET", address, params={"lang": lang})).text

    async def move(self, move: str, **more: Any) -> "AsyncAgreement":
        """Make a move: end, and as the provider suspend, resume, revoke. It bites at the next read."""
        address = wire.path("agreements", self.id, "transitions")
        self.data = await self._transport.json("POST", address, body={"move": move, **more})
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


class AsyncAgreements(AsyncThings):
    """The agreements of the caller's organisation."""

    async def list(
        self,
        *,
        state: str | None = None,
        dataset: str | None = None,
        role: str | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[AsyncAgreement]:
        """Give the agreements that match, newest first; `role`: provider or consumer."""
        params = {"state": state, "dataset": dataset, "role": role}
        async for item in self._transport.pages(wire.path("agreements"), params, limit):
            yield AsyncAgreement(self._transport, item)

    async def get(self, agreement_id: str) -> AsyncAgreement:
        """Return one agreement. Raises NotFound."""
        return AsyncAgreement(
            self._transport, await self._transport.json("GET", wire.path("agreements", agreement_id))
        )

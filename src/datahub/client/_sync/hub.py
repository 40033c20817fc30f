# Made from _async/hub.py by tests/client/unasync.py; change it there.
"""The facade: an exchange, and what a client does with it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from datahub.client import cards, wire
from datahub.client._sync import files
from datahub.client._sync.access import Agreements, Requests
from datahub.client._sync.catalogue import Datasets
from datahub.client._sync.thing import Things
from datahub.client._sync.transport import Transport
from datahub.client._sync.waiting import pause
from datahub.client.credentials import AccessToken
from datahub.client.errors import Conflict
from datahub.client.profiles import Profile, load

PROOF_TRIES = 10


class Hub:
    """An exchange, called as one client.

    Without arguments it takes the profile `default` or the DATAHUB_* variables; without credential it sees what
    everybody may see. Use it as a context manager, or close it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        profile: str | Profile | None = None,
        client_id: str | None = None,
        secret: str | None = None,
        private_key: str | None = None,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: wire.Retries | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        """Say which exchange and who calls. `private_key`: a private JWK as JSON. Raises NotConfigured."""
        found = profile if isinstance(profile, Profile) else load(profile)
        if client_id or token:
            found = replace(found, client_id="", secret="", private_key="", token="")
        said: dict[str, Any] = {
            "url": url,
            "client_id": client_id,
            "secret": secret,
            "private_key": private_key,
            "token": token,
        }
        found = replace(found, **{name: value for name, value in said.items() if value is not None})
        self._transport = Transport(found, timeout_s=timeout_s, retries=retries, http=http)
        self.datasets = Datasets(self._transport)
        self.requests = Requests(self._transport)
        self.agreements = Agreements(self._transport)
        self.log = Log(self._transport)
        self.decisions = Decisions(self._transport)

    def __enter__(self) -> Self:
        """Begin; nothing is sent."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def profile(self) -> Profile:
        """Return who calls what."""
        return self._transport.profile

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Call any address of the exchange, with a token; for what this facade has no word for."""
        return self._transport.call(method, path, params=params, body=body, headers=headers)

    def items(
        self, path: str, params: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Give the items of any list of the API, page after page."""
        return self._transport.pages(path, wire.clean(params or {}), limit)

    def send_file(
        self,
        path: str,
        file: Path,
        media_type: str,
        *,
        params: Mapping[str, Any] | None = None,
        progress: files.Progress = None,
    ) -> Mapping[str, Any]:
        """Send a file as the body of one POST to any address, while it is read; return the JSON that comes back."""
        return files.upload(self._transport, path, file, media_type, params or {}, progress)

    def ask_token(self, scope: str | None = None) -> AccessToken:
        """Return a fresh access token; it is bound to this profile's key where the exchange binds it (DPoP)."""
        return self._transport.ask_token(scope)

    def metadata(self) -> Mapping[str, Any]:
        """Return what the authorization server says of itself (RFC 8414)."""
        return self._transport.metadata()

    def __repr__(self) -> str:
        """Show where and who, no secret."""
        return f"{type(self).__name__}({self.profile!r})"


class Log(Things):
    """The access log, as far as it concerns the caller's organisation. Reading it is logged too."""

    def entries(
        self,
        *,
        dataset: str | None = None,
        outcome: str | None = None,
        action: str | None = None,
        reason: str | None = None,
        order: str | None = None,
        limit: int | None = None,
        **filters: str,
    ) -> Iterator[Mapping[str, Any]]:
        """Give the entries that match, newest first unless told; `reason`: why you look.

        `dataset`: a reference or an id. Raises NotFound when there is no such dataset.
        """
        if dataset and "/" in dataset:
            dataset = (Datasets(self._transport).get(dataset)).id
        params = {
            "dataset": dataset,
            "outcome": outcome,
            "action": action,
            "reason": reason,
            "order": order,
            **filters,
        }
        for entry in self._transport.pages(wire.path("log-entries"), params, limit):
            yield entry

    def entry(self, entry_id: str) -> Mapping[str, Any]:
        """Return one entry. Raises NotFound."""
        found: Mapping[str, Any] = self._transport.json("GET", wire.path("log-entries", entry_id))
        return found

    def proof(self, entry_id: str) -> str:
        """Return the receipt that the entry is in the log (C2SP tlog-proof), to be kept and verified offline.

        Waits for the log's next signature, a second or two after the entry. Raises Conflict when none comes.
        """
        address = wire.path("log-entries", entry_id, "proof")
        for _ in range(PROOF_TRIES):
            try:
                return (self._transport.call("GET", address)).text
            except Conflict as unsigned:
                if unsigned.retry_after is None:
                    raise
                pause(unsigned.retry_after)
        return (self._transport.call("GET", address)).text

    def follow(
        self, *, after: str | None = None, seconds: int | None = None, **filters: str | None
    ) -> Iterator[Mapping[str, Any]]:
        """Give entries as they get their place in the log; a stream that ends is taken up where it ended.

        `after`: the `place` of an entry seen before; from now on without it. `seconds`: end after so long.
        """
        address = wire.path("log-entries", "stream")
        while True:
            headers = {"Last-Event-ID": after} if after else {}
            params = {**filters, "seconds": seconds}
            with self._transport.stream("GET", address, params=params, headers=headers) as answer:
                data = ""
                for line in answer.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "id":
                        after = value
                    elif name == "data":
                        data = value
                    elif not line and data:
                        yield {**json.loads(data), "place": after}
                        data = ""
            if seconds is not None:
                return

    def save(self, path: str, target: Path, params: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        """Write what an address below /v1 gives to a file, while it comes in; return how many bytes."""
        size = 0
        address = wire.path(path)
        with self._transport.stream("GET", address, params=params, headers=headers) as answer:
            file = target.open("wb")
            with file:
                for block in answer.iter_bytes():
                    size += file.write(block)
        return size

    def statistics(self, group_by: str, **filters: str) -> Iterator[Mapping[str, Any]]:
        """Give usage per dataset, consumer or purpose."""
        return self._transport.pages(wire.path("log-statistics"), {"groupBy": group_by, **filters})


class Decision(dict[str, Any]):
    """One decision: `isPermit`, `code`, `explanation`, and what the caller may know of its facts."""

    def _repr_html_(self) -> str:
        said = self.get("explanation") or {}
        view = said.get("requester") or said.get("provider") or {}
        word = "Permitted" if self.get("isPermit") else "Denied"
        facts = {"dataset": self.get("datasetId"), "agreement": self.get("agreementId"), "at": self.get("at")}
        return cards.card(f"{word}: {self.get('code')}", str(view.get("en", "")), facts)


class Decisions(Things):
    """Decisions that concern the caller's organisation."""

    def __getitem__(self, decision_id: str) -> Decision:
        """Return a decision as `get` does."""
        return self.get(decision_id)

    def get(self, decision_id: str) -> Decision:
        """Return a decision with its explanation. Raises NotFound."""
        return Decision(self._transport.json("GET", wire.path("decisions", decision_id)))

    def replay(self, decision_id: str) -> Mapping[str, Any]:
        """Have the exchange decide again, with the same policy and facts."""
        found: Mapping[str, Any] = self._transport.json("GET", wire.path("decisions", decision_id, "replay"))
        return found

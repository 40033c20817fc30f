# Made from _async/datasets.py by tests/client/unasync.py; change it there.
"""Datasets: find, publish, ask for, read."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from datahub.client import cards, tables, wire
from datahub.client._sync.access import Request
from datahub.client._sync.files import download, upload
from datahub.client._sync.stretches import FROM_BYTES, upload_in_stretches
from datahub.client._sync.thing import Thing
from datahub.client.errors import (
    Forbidden,
    Invalid,
    NotAuthenticated,
    NotFound,
    PolicyDenied,
    Refused,
    nearest,
)
from datahub.client.explanation import PERMIT, Explanation

Progress = Any  # called with (bytes so far, bytes in all or None)
RIGHTS = {"open": "PUBLIC"}


class Dataset(Thing):
    """A dataset of the catalogue."""

    @property
    def ref(self) -> str:
        """Return organisation and dataset by their short names."""
        return str(self.data["ref"])

    @property
    def title(self) -> str:
        """Return its title, in English where there is one."""
        return cards.words(self.data["title"])

    @property
    def state(self) -> str:
        """Return its state: draft, published, deprecated, withdrawn."""
        return str(self.data["state"])

    def refresh(self) -> "Dataset":
        """Read it again."""
        self.data = self._transport.json("GET", wire.path("datasets", self.id))
        return self

    def versions(self) -> list[Mapping[str, Any]]:
        """Return its versions, newest first."""
        return [each for each in self._transport.pages(wire.path("datasets", self.id, "versions"), {})]

    def offers(self) -> list[Mapping[str, Any]]:
        """Return the offers that the caller may see."""
        return [each for each in self._transport.pages(wire.path("datasets", self.id, "offers"), {})]

    def request_access(
        self,
        purpose: str | None = None,
        *,
        offer: str | None = None,
        answers: Mapping[str, Any] | None = None,
        until: str | None = None,
        comment: str | None = None,
    ) -> Request:
        """Apply under an offer: the one named, or the only one. Read `offers()` first: you agree to its policy as it stands.

        Raises NotFound when there is no open offer, ValueError when there are several to choose from.
        """
        found = [each for each in self.offers() if each["state"] == "open" and offer in (None, each["id"])]
        if not found:
            raise NotFound(
                404, {"title": "No open offer", "detail": f"{self.ref} has no open offer to ask under."}
            )
        if len(found) > 1:
            said = "; ".join(f"{each['id']}: {cards.words(each['title'])}" for each in found)
            raise ValueError(f"{self.ref} has several open offers; name one with offer=…: {said}")
        body = wire.clean(
            {
                "offerId": found[0]["id"],
                "agreesTo": found[0]["policyHash"],
                "purpose": purpose,
                "answers": answers,
                "wishedUntil": until,
                "comment": comment,
            }
        )
        said_back = self._transport.json("POST", wire.path("access-requests"), body=body)
        return Request(self._transport, said_back)

    def upload(
        self, source: Any, *, filename: str | None = None, note: str | None = None, progress: Progress = None
    ) -> Mapping[str, Any]:
        """Add a version from a path, bytes or a data frame of pandas, polars or pyarrow; return what was stored.

        A version is added whole or not at all. A large file goes in stretches: when the line breaks, or this program is
        killed, the same call goes on where it was. Raises Invalid with every fault, up to the exchange's limit.
        """
        content, media_type = tables.body_of(source)
        if filename is None and isinstance(content, Path) and self.data["kind"] == "files":
            filename = content.name
        params = wire.clean({"filename": filename, "note": note})
        address = wire.path("datasets", self.id, "versions")
        is_large = isinstance(content, Path) and content.stat().st_size >= FROM_BYTES
        send: Any = upload_in_stretches if is_large else upload
        stored: Mapping[str, Any] = send(self._transport, address, content, media_type, params, progress)
        return stored

    def move(self, move: str, reason: str | None = None) -> "Dataset":
        """Make a move: publish, deprecate, restore, withdraw."""
        body = wire.clean({"move": move, "reason": reason})
        self.data = self._transport.json("POST", wire.path("datasets", self.id, "transitions"), body=body)
        return self

    def offer(
        self,
        template: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        title: str | None = None,
        policy: Mapping[str, Any] | None = None,
        is_open: bool = True,
        **more: Any,
    ) -> Mapping[str, Any]:
        """Put terms on it: a template with its parameters, or an ODRL policy; open at once unless told otherwise."""
        body = wire.clean({"template": template, "parameters": parameters, "policy": policy, **more})
        body["title"] = {"en": title or (template or "Terms").replace("-", " ").capitalize()}
        address = wire.path("datasets", self.id, "offers")
        made: Mapping[str, Any] = self._transport.json("POST", address, body=body)
        if is_open and made["state"] == "draft":
            moved = f"{address}/{made['id']}/transitions"
            made = self._transport.json("POST", moved, body={"move": "open"})
        return made

    def check_terms(
        self,
        template: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        policy: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """Return how terms would be understood, `text` in plain language; nothing is kept. Raises Invalid."""
        body = wire.clean({"template": template, "parameters": parameters, "policy": policy})
        address = wire.path("datasets", self.id, "offers")
        understood: Mapping[str, Any] = self._transport.json(
            "POST", address, params={"validateOnly": "true"}, body={"title": {"en": "Terms"}, **body}
        )
        return understood

    def read(
        self,
        *,
        form: str | None = "arrow",
        file: str | None = None,
        columns: Sequence[str] | None = None,
        filters: Sequence[str] = (),
        limit: int | None = None,
        version: int | None = None,
        agreement: str | None = None,
        purpose: str | None = None,
    ) -> IO[bytes]:
        """Fetch the table (csv, jsonl, parquet, arrow) into a file in memory or on disk, complete; the caller closes it.

        Of a dataset of files: `file`, or the only one, with `form=None`.
        `filters`: `column:operator:value`, all must hold; the exchange applies them, or refuses. `limit`: at most so
        many rows of what is left.
        Raises PolicyDenied, NotFound, Invalid, TransferBroken.
        """
        details, denied = self._claim(purpose, agreement)
        params = {
            "format": form,
            "file": file,
            "fields": ",".join(columns) if columns else None,
            "filter": list(filters) or None,
            "limit": limit,
            "agreement": agreement,
        }
        more = ("versions", str(version)) if version else ()
        address = wire.path("datasets", self.id, *more, "data")
        into = tables.spool()
        try:
            with self._transport.stream("GET", address, params=params, details=details) as answer:
                for block in answer.iter_bytes():
                    into.write(block)
        except PolicyDenied as no:
            into.close()
            raise nearest(no, denied) from None
        except BaseException:
            into.close()
            raise
        into.seek(0)
        return into

    def authorization_details(
        self, purpose: str | None = None, agreement: str | None = None
    ) -> list[dict[str, Any]]:
        """Return what a token for this dataset must name (RFC 9396); empty for a caller without credential."""
        return (self._claim(purpose, agreement))[0]

    def _claim(
        self, purpose: str | None, agreement: str | None
    ) -> tuple[list[dict[str, Any]], Refused | None]:
        """Return what a token must name, and why none is given that names this dataset, if none is."""
        profile = self._transport.profile
        if profile.token or not profile.client_id:
            return [], None
        detail = wire.clean(
            {"type": "dataset", "identifier": self.id, "purpose": purpose, "agreement": agreement}
        )
        if purpose or agreement:
            return [detail], None
        try:
            self._transport.token([detail])
        except (PolicyDenied, Invalid) as denied:
            return [], denied  # what is open to everybody is open to this caller too; the read says why not
        return [detail], None

    def to_arrow(self, **how: Any) -> Any:
        """Return the table as a pyarrow.Table; arguments as of `read`."""
        return tables.table(self.read(**how))

    def to_pandas(self, **how: Any) -> Any:
        """Return the table as a pandas.DataFrame; arguments as of `read`."""
        tables.library("pandas")
        return (self.to_arrow(**how)).to_pandas()

    def to_polars(self, **how: Any) -> Any:
        """Return the table as a polars.DataFrame; arguments as of `read`."""
        polars = tables.library("polars")
        return polars.from_arrow(self.to_arrow(**how))

    def to_duckdb(self, **how: Any) -> Any:
        """Return the table as a relation in a DuckDB of its own; arguments as of `read`."""
        duckdb = tables.library("duckdb")
        return duckdb.connect().from_arrow(self.to_arrow(**how))

    def iter_batches(self, **how: Any) -> Iterator[Any]:
        """Give the table as pyarrow.RecordBatch after pyarrow.RecordBatch, once the stream came whole."""
        for batch in tables.batches(self.read(**how)):
            yield batch

    def download(
        self,
        to: str | Path,
        *,
        file: str | None = None,
        format: str | None = None,  # noqa: A002 — the API's word
        version: int | None = None,
        progress: Progress = None,
        parts: int = 1,
        **how: Any,
    ) -> Path:
        """Fetch to a file, going on where an earlier try broke off; the digest is checked where the exchange gives one.

        `parts`: so many connections at once, which helps on a line so long that one does not fill it.
        Raises TransferBroken, PolicyDenied, NotFound.
        """
        details, denied = self._claim(how.get("purpose"), how.get("agreement"))
        more = ("versions", str(version)) if version else ()
        params = wire.clean({"file": file, "format": format, "agreement": how.get("agreement")})
        address = wire.path("datasets", self.id, *more, "data")
        try:
            return download(self._transport, address, Path(to), params, details, progress, parts)
        except PolicyDenied as no:
            raise nearest(no, denied) from None

    def explain(self, purpose: str | None = None) -> Explanation:
        """Tell whether the caller could read it now, and if not why and what would change that. Reads no data."""
        address = wire.path("datasets", self.id, "data")
        details, denied = self._claim(purpose, None)
        if isinstance(denied, PolicyDenied) and self.data["accessRights"] not in RIGHTS.values():
            return Explanation.of(denied)
        try:
            if details:
                self._transport.ask_token(details=details)
            else:
                with contextlib.suppress(NotAuthenticated, Forbidden):
                    self._transport.call("HEAD", address)
                    return PERMIT
                # An answer to HEAD has no words: the same question again for those.
                self._transport.call("GET", address, headers={"Range": "bytes=0-0"})
        except (NotAuthenticated, Forbidden, Invalid) as no:
            return Explanation.of(nearest(no, denied))
        return PERMIT

    def __repr__(self) -> str:
        """Show reference and state."""
        return f"Dataset({self.ref!r}, state={self.state!r})"

    def _repr_html_(self) -> str:
        columns = ", ".join(f"{each['name']} ({each['type']})" for each in self.data.get("columns") or ())
        facts = {
            "state": self.state,
            "version": self.data.get("lastVersion"),
            "rights": self.data.get("accessRights"),
            "licence": self.data.get("licence"),
            "columns": columns,
        }
        return cards.card(self.title, f"{self.ref} — {cards.words(self.data.get('description'))}", facts)

"""REST messages about the access log, and its lines as CSV and JSON Lines.

CSV: RFC 4180, UTF-8, CRLF, header line. JSON Lines: one entry per line, LF.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from typing import Any, Self

import orjson
from pydantic import Field

from datahub.audit.erasure import Done
from datahub.audit.models import Decision, Entry, Hold, Log, Outcome
from datahub.audit.receipts import Opening
from datahub.kernel.rest import Line, Schema, SchemaIn, Text, UtcInstant
from datahub.kernel.settings import Settings


class Order(StrEnum):
    """In which order entries come: by when they were written."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Safety(StrEnum):
    """Whether cells that a spreadsheet would run as a formula are made harmless."""

    SPREADSHEET = "spreadsheet"


class EntryOut(Schema):
    """One line of the access log."""

    id: str
    at: UtcInstant
    action: str = Field(description="<thing>.<verb>, e.g. dataset.publish or data.read")
    outcome: Outcome
    code: str = Field(description="Stable, for programs: `ok`, or why it was refused.")
    trace_id: str
    actor_client_id: str | None = None
    actor_participant_id: str | None = None
    actor_person_id: str | None = Field(
        default=None, description="Shown to the person's own organisation only."
    )
    thing_id: str | None = Field(default=None, description="What a change changed.")
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str | None = None
    dataset_version: int | None = None
    columns: list[str] | None = None
    agreement_id: str | None = None
    offer_id: str | None = None
    offer_version: int | None = None
    policy_hash: str | None = None
    purpose: str | None = None
    decision_id: str | None = None
    of_entry_id: str | None = Field(default=None, description="The attempt that this delivery belongs to.")
    rows: int | None = None
    bytes: int | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, entry: Entry, *, shows_person: bool) -> Self:
        """Shape a row."""
        hidden = {"subjects"} if shows_person else {"subjects", "actor_person_id"}
        return cls.model_validate(entry.model_dump(exclude=hidden))


class DecisionOut(Schema):
    """One decision on one attempt, explained to whoever reads it."""

    id: str
    at: UtcInstant
    is_permit: bool
    code: str
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str
    agreement_id: str | None = None
    policy_hash: str | None = None
    explanation: dict[str, Any] = Field(
        description="By reader: `requester` for the side that asked, `provider` for the side whose data it is, both "
        "and the `facts` for the exchange's auditors."
    )

    @classmethod
    def of(cls, decision: Decision, explanation: Mapping[str, Any]) -> Self:
        """Shape a row and what of its explanation may be read."""
        row = decision.model_dump(exclude={"facts", "for_requester", "for_provider"})
        return cls.model_validate({**row, "explanation": dict(explanation)})


class UseOut(Schema):
    """Decisions and deliveries of one group; a grouping that does not apply to an entry is absent."""

    dataset: str | None = None
    provider: str | None = None
    consumer: str | None = None
    agreement: str | None = None
    purpose: str | None = None
    day: str | None = Field(default=None, description="A day in UTC, YYYY-MM-DD.")
    permitted: int
    denied: int
    finished: int
    aborted: int
    rows: int
    bytes: int

    @classmethod
    def of(cls, row: Any) -> Self:
        """Shape a row of counts; PostgreSQL sums big integers into decimals."""
        values = dict(row._mapping)  # noqa: SLF001 — SQLAlchemy's public name for a row as a mapping
        counts = {n: int(values[n]) for n in ("permitted", "denied", "finished", "aborted", "rows", "bytes")}
        return cls.model_validate({n: v or None for n, v in values.items()} | counts)


COLUMNS = tuple(EntryOut.model_fields)


def json_lines(entries: Sequence[EntryOut]) -> bytes:
    """Write entries as JSON Lines, without the fields that do not apply."""
    return b"".join(
        orjson.dumps(e.model_dump(mode="json", by_alias=True, exclude_none=True)) + b"\n" for e in entries
    )


def csv_header() -> bytes:
    """Write the header line."""
    names = [EntryOut.model_fields[name].alias or name for name in COLUMNS]
    return ",".join(names).encode() + b"\r\n"


def csv_lines(entries: Sequence[EntryOut], safety: Safety | None) -> bytes:
    """Write entries as CSV; lists and details are JSON in their cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for entry in entries:
        values = entry.model_dump(mode="json")
        cells = [_cell(values[name]) for name in COLUMNS]
        writer.writerow([_harmless(cell) for cell in cells] if safety else cells)
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(value)


def _harmless(cell: str) -> str:
    # OWASP, CSV injection: what starts like a formula is given an apostrophe.
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


class DisclosureOut(Schema):
    """One field of an entry, with the salt that its digest was made with."""

    salt: str
    name: str
    value: Any


class OpeningOut(Schema):
    """What opens a leaf: digest of a field = SHA-256 over base64url of the JCS array [salt, name, value]."""

    log: str = Field(description="The log's origin.")
    leaf_index: int
    leaf: str = Field(description="The leaf's bytes: JCS JSON, whose `c` is the commitment.")
    disclosures: list[DisclosureOut] = Field(description="The fields you may see.")
    digests: list[str] = Field(description="The digests of the others, or of what was erased.")

    @classmethod
    def of(cls, opening: Opening) -> Self:
        """Shape what opens a leaf."""
        shown = [
            DisclosureOut(salt=salt, name=name, value=value) for salt, name, value in opening.disclosures
        ]
        return cls(
            log=opening.log,
            leaf_index=opening.leaf_index,
            leaf=opening.leaf,
            disclosures=shown,
            digests=opening.digests,
        )


class ErasureIn(SchemaIn):
    """What to erase of one entry, and on which legal basis."""

    fields: list[Line] | None = Field(
        default=None, min_length=1, description="Which; all of the record when absent."
    )
    basis: Text = Field(description="Why it is erased, e.g. GDPR art. 17(1)(d); it is kept.")


class ShredIn(SchemaIn):
    """Whose key to destroy, and on which legal basis."""

    subject: Line = Field(description="How the exchange refers to the person; it is not kept.")
    basis: Text


class ErasureOut(Schema):
    """An erasure that was done: the entry of the log that tells of it, and how many records it touched."""

    entry_id: str
    count: int

    @classmethod
    def of(cls, done: Done) -> Self:
        """Shape what was done."""
        return cls.model_validate(asdict(done))


class HoldIn(SchemaIn):
    """A legal hold: what must not be erased. What is absent is not asked; a hold that names nothing keeps all."""

    reason: Text
    entry_id: Line | None = None
    dataset_id: Line | None = None
    participant_id: Line | None = None


class HoldOut(Schema):
    """A legal hold."""

    id: str
    reason: str
    placed_at: UtcInstant
    released_at: UtcInstant | None = None
    entry_id: str | None = None
    dataset_id: str | None = None
    participant_id: str | None = None

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """Shape a row."""
        return cls.model_validate(hold.model_dump())


class HoldsOut(Schema):
    """All legal holds, newest first."""

    items: list[HoldOut]


def retention_policy(settings: Settings, log: Log | None) -> str:
    """Write how long what is kept (C2SP tlog-tiles, Pruning)."""
    below = log.pruned_below if log else 0
    return (
        f"origin {log.origin if log else ''}\n"
        f"minimum-index {below}\n"
        f"records-days {settings.log_records_days}\n"
        f"leaves-days {settings.log_leaves_days}\n"
        "\n"
        f"Readable records are erased {settings.log_records_days} days after they were written; earlier on a legal\n"
        "ground, later under a legal hold. Entry bundles and level-0 tiles of which all leaves are older than\n"
        f"{settings.log_leaves_days} days, and whose records are erased, are pruned: minimum-index is the first leaf\n"
        "that is sure to be served. Tiles of level 1 and above, and checkpoints, are never pruned. A receipt taken\n"
        "before stays valid. Each erasure and pruning is itself an entry of the log.\n"
    )

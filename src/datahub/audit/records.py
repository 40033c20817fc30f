"""Records as their leaves commit to them, many at a time: each field as the bytes that are hashed.

The same as `leaves`, at a fraction of the price: what many records share is made once. A field's disclosure is
`["<salt>","<name>",<value>]`; up to the end of the salt it has 45 bytes, which base64 turns into 60 characters whatever
follows, so the rest (its tail) can be kept in base64url, and is the same for all lines of one permit.
"""

from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256, shake_256
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import orjson
from sqlmodel import Session

from datahub.audit import leaves
from datahub.audit.rows import (
    DECISION_JSON,
    ENTRY_JSON,
    FORM_OF_DECISION,
    FORM_OF_ENTRY,
    OWN_OF_DECISION,
    OWN_OF_ENTRY,
    Row,
)

_PLACES = {name: place for place, name in enumerate(leaves.NAMES)}
_SALT_CHARS, _DIGEST_CHARS, _QUAD = 43, 43, 44
_PREFIX_BYTES, _PREFIX_CHARS = 45, 60
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
# Forms known at once; a process that meets more of them forgets and begins anew.
_KNOWN = 8192

Tail = tuple[int, bytes]
"""A field's place in `leaves.FIELDS`, and what follows its salt in the disclosure, in base64url."""


class Record(NamedTuple):
    """What a leaf is made of: the fields to commit to, and what it shows."""

    tails: Sequence[Tail]
    kind: bytes
    second: int
    provider_id: str | None
    consumer_id: str | None
    subjects: Sequence[str]


class EntryForm:
    """What the records of entries with equal columns share; `cells` are `FORM_OF_ENTRY`, JSON as text."""

    __slots__ = ("_event", "cells", "consumer_id", "kind", "provider_id", "shared", "subjects")

    def __init__(self, cells: Row) -> None:
        """Write the fields that are the form's alone, and the event around what is the line's own."""
        named = dict(zip(FORM_OF_ENTRY, cells, strict=True))
        for name in ENTRY_JSON:
            named[name] = orjson.loads(named[name]) if isinstance(named[name], str) else named[name]
        fields = leaves.fields_of(named | _NOTHING_OWN)
        self.cells = cells
        self.kind = leaves.kind(named["action"], named["outcome"]).encode()
        self.provider_id: str | None = named["provider_id"]
        self.consumer_id: str | None = named["consumer_id"]
        self.subjects: Sequence[str] = named["subjects"] or ()
        self.shared = [_tail(name, _json(value)) for name, value in fields.items() if name != "event"]
        self._event = _written_around(fields["event"], ("at", "id", "trace_id"))

    def record(self, own: Row, decision: Tail | None) -> Record:
        """Return the record of one entry; `own` are `OWN_OF_ENTRY` with the instant as RFC 3339 text in UTC."""
        entry_id, at, trace_id, _, of_entry_id = own
        first, second, third, last = self._event
        event = b"".join((
            first, b'"', at.encode(), b'"', second, b'"', entry_id.encode(), b'"', third, orjson.dumps(trace_id), last,
        ))  # fmt: skip
        tails = [_tail("event", event), *self.shared]
        if decision is not None:
            tails.append(decision)
        if of_entry_id is not None:
            tails.append(_tail("ofEntry", b'"' + of_entry_id.encode() + b'"'))
        return Record(
            tails, self.kind, _second_of(at[:19]), self.provider_id, self.consumer_id, self.subjects
        )


class DecisionForm:
    """What the records of decisions with equal columns share; `cells` are `FORM_OF_DECISION`, JSON as text."""

    __slots__ = ("_parts", "cells")

    def __init__(self, cells: Row) -> None:
        """Write the decision around what is the line's own."""
        named = dict(zip(FORM_OF_DECISION, cells, strict=True))
        named = {
            name: orjson.loads(value) if name in DECISION_JSON and isinstance(value, str) else value
            for name, value in named.items()
            if value is not None
        }
        named["is_permit"] = bool(named["is_permit"])
        self.cells = cells
        self._parts = _written_around(named | {"at": None, "facts": None, "id": None}, ("at", "facts", "id"))

    def tail(self, decision_id: str, at: str, facts: bytes) -> Tail:
        """Return the field of an entry with this decision; `facts` is JSON with its names in order."""
        first, second, third, last = self._parts
        quoted = b'"' + decision_id.encode() + b'"'
        return _tail("decision", b"".join((
            b'{"decision":', first, b'"', at.encode(), b'"', second, facts, third, quoted, last, b',"decision_id":', quoted, b"}",
        )))  # fmt: skip


_NOTHING_OWN: dict[str, Any] = {
    "id": "",
    "at": "",
    "trace_id": "",
    "decision_id": None,
    "of_entry_id": None,
}


def _written_around(values: Mapping[str, Any], own: Sequence[str]) -> list[bytes]:
    """Return the JSON of an object, its names in order, in the parts between the values that are a line's own."""
    parts, part = list[bytes](), b"{"
    for name in sorted(values):
        part += (b"" if part.endswith(b"{") and not parts else b",") + _json(name) + b":"
        if name in own:
            parts.append(part)
            part = b""
        else:
            part += _json(values[name])
    return [*parts, part + b"}"]


def of_entries(session: Session, ids: Sequence[str]) -> dict[str, Record]:
    """Return the records of these entries, by id, past the object mapper; those that are gone are not among them."""
    if not ids:
        return {}
    return {row[0]: _record(row) for row in _rows(session, _OF_ENTRIES, orjson.dumps(ids).decode())}


class Placed(NamedTuple):
    """A leaf's place, what opens it, and the record in the tables; None: it is gone."""

    leaf_index: int
    entry_id: str
    key: bytes | None
    is_opened_in_part: bool
    record: Record | None


def of_leaves(session: Session, log: int, first: int, end: int) -> Iterator[Placed]:
    """Give the leaves of a log from `first` up to `end`, in their order, each with its record."""
    for index, entry_id, key, is_opened_in_part, *row in _rows(session, _OF_LEAVES, log, first, end):
        record = None if row[0] is None else _record(tuple(row))
        yield Placed(index, entry_id, None if key is None else bytes(key), bool(is_opened_in_part), record)


def _rows(session: Session, sql: Mapping[str, str], *given: Any) -> Sequence[Row]:
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    found: Sequence[Row] = driver.execute(sql[connection.dialect.name], given).fetchall()
    return found


def _record(row: Row) -> Record:
    decision = row[_ENTRY_CELLS:]
    return record_of(tuple(row[:_ENTRY_CELLS]), None if decision[0] is None else tuple(decision))


_ENTRY_CELLS = len(OWN_OF_ENTRY) + len(FORM_OF_ENTRY)


def _selected(dialect: str) -> str:
    """Return the columns of entry `e` and decision `d`, JSON as the text that it is."""
    as_text = "::text" if dialect == "postgresql" else ""
    columns = [
        f'{row}."{name}"{as_text if name in json_names else ""}'
        for row, names, json_names in (
            ("e", (*OWN_OF_ENTRY, *FORM_OF_ENTRY), ENTRY_JSON),
            ("d", (*OWN_OF_DECISION, *FORM_OF_DECISION), DECISION_JSON),
        )
        for name in names
    ]
    return ", ".join(columns)


_WITH_DECISION = "left join decision d on d.id = e.decision_id"
_OF_ENTRIES = {
    dialect: f"select {_selected(dialect)} from log_entry e {_WITH_DECISION} where e.id in ({given})"  # noqa: S608 — marks
    for dialect, given in (
        ("sqlite", "select value from json_each(?)"),
        ("postgresql", "select json_array_elements_text(%s::json)"),
    )
}
_OF_LEAVES = {
    dialect: f"select l.leaf_index, l.entry_id, l.key, l.opening is not null, {_selected(dialect)} "  # noqa: S608 — marks
    f"from log_leaf l left join log_entry e on e.id = l.entry_id {_WITH_DECISION} "
    f"where l.log = {mark} and l.leaf_index >= {mark} and l.leaf_index < {mark} order by l.leaf_index"
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}


F = TypeVar("F")


class _Known(Generic[F]):
    """Forms by their cells, each made once."""

    def __init__(self, make: Callable[[Row], F]) -> None:
        self._make = make
        self._made: dict[Row, F] = {}

    def __call__(self, cells: Row) -> F:
        made = self._made.get(cells)
        if made is None:
            if len(self._made) >= _KNOWN:
                self._made.clear()
            made = self._made[cells] = self._make(cells)
        return made


entry_form: _Known[EntryForm] = _Known(EntryForm)
decision_form: _Known[DecisionForm] = _Known(DecisionForm)


def record_of(entry: Row, decision: Row | None) -> Record:
    """Return the record of rows as the database gives them: own columns first, JSON as text.

    `decision` None: the entry has none, or it is gone.
    """
    entry_id, at, trace_id, decision_id, of_entry_id = entry[: len(OWN_OF_ENTRY)]
    decided: Tail | None = None
    if decision is not None:
        own_id, decided_at, facts = decision[: len(OWN_OF_DECISION)]
        form = decision_form(decision[len(OWN_OF_DECISION) :])
        decided = form.tail(own_id, rfc3339_text(decided_at), in_order(facts))
    elif decision_id is not None:
        decided = _tail("decision", b'{"decision_id":"' + decision_id.encode() + b'"}')
    own = (entry_id, rfc3339_text(at), trace_id, decision_id, of_entry_id)
    return entry_form(entry[len(OWN_OF_ENTRY) :]).record(own, decided)


def in_order(text: str) -> bytes:
    """Return JSON with its names in order, as leaves commit to it."""
    return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)


def rfc3339_text(at: datetime | str) -> str:
    """Return an instant, as any database or the spool gives it, as `kernel.clock.rfc3339` writes it."""
    if isinstance(at, datetime):
        return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    fraction = at[19:26]
    rest = at[19 + len(fraction) :] if fraction.startswith(".") else at[19:]
    if rest not in _UTC:
        return rfc3339_text(datetime.fromisoformat(at))
    return f"{at[:10]}T{at[11:19]}{fraction if fraction.startswith('.') and fraction != '.000000' else ''}Z"


_UTC = frozenset({"", "Z", "+00:00"})
_seconds: dict[str, int] = {}


def _second_of(at: str) -> int:
    """Return POSIX seconds of `2026-01-01T00:00:00`; entries come in crowds of one second."""
    known = _seconds.get(at)
    if known is None:
        if len(_seconds) >= _KNOWN:
            _seconds.clear()
        known = _seconds[at] = int(datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp())
    return known


def commitments(keys: Sequence[bytes], records: Sequence[Record]) -> Iterator[tuple[bytes, bytes]]:
    """Give each record's nonce, and the commitment to its fields in base64url, under its key."""
    nonces, prefixes = _salted(keys, records)
    at, digests = 0, list[bytes]()
    for record in records:
        for _, tail in record.tails:
            digests.append(sha256(prefixes[at : at + _PREFIX_CHARS] + tail).digest())
            at += _PREFIX_CHARS
    shown = _in_base64(b"".join(digests))
    at, whole = 0, list[bytes]()
    for record in records:
        end = at + _QUAD * len(record.tails)
        own = [shown[start : start + _DIGEST_CHARS] for start in range(at, end, _QUAD)]
        own.sort()
        whole.append(sha256(b'["' + b'","'.join(own) + b'"]').digest())
        at = end
    committed = _in_base64(b"".join(whole))
    for number, nonce in enumerate(nonces):
        yield nonce, committed[number * _QUAD : number * _QUAD + _DIGEST_CHARS]


def encoded(
    records: Sequence[Record],
    keys: Sequence[bytes],
    subject_keys: Mapping[str, bytes],
    organisation_key: leaves.OrganisationKey,
) -> list[bytes]:
    """Return the leaf of each record under its key; it is what `leaves.leaf` makes."""
    made = []
    for record, (nonce, committed) in zip(records, commitments(keys, records), strict=True):
        _, kind, second, provider_id, consumer_id, subjects = record
        parts = [b'{"c":"', committed]
        if consumer_id is not None:
            parts += (b'","ct":"', organisation_key.tag(consumer_id, nonce))
        parts += (b'","k":"', kind, b'","n":"', _text(nonce))
        if provider_id is not None:
            parts += (b'","pt":"', organisation_key.tag(provider_id, nonce))
        tags = sorted(leaves.tag(subject_keys[each], nonce) for each in subjects if each in subject_keys)
        parts.append(b'","st":%b' % orjson.dumps(tags) if tags else b'"')
        parts.append(b',"t":%d,"v":%d}' % (second, leaves.VERSION))
        made.append(b"".join(parts))
    return made


def _salted(keys: Sequence[bytes], records: Sequence[Record]) -> tuple[list[bytes], bytes]:
    """Return the nonces, and of each field of each record the first 60 characters of its disclosure in base64url."""
    length = leaves.NONCE_BYTES + leaves.SALT_BYTES * len(leaves.NAMES)
    streams = [shake_256(key).digest(length) for key in keys]
    salts = np.frombuffer(b"".join(streams), np.uint8).reshape(len(keys), length)[:, leaves.NONCE_BYTES :]
    starts = [0]
    wanted: list[int] = []
    for number, record in enumerate(records):
        base = number * len(leaves.NAMES)
        wanted += [base + place for place, _ in record.tails]
        starts.append(len(wanted))
    assert all(first < last for first, last in pairwise(starts))  # noqa: S101 — every record has its event
    chosen = salts.reshape(-1, leaves.SALT_BYTES)[wanted]
    shown = np.frombuffer(_in_base64(chosen.tobytes()), np.uint8).reshape(-1, _QUAD)
    prefixes = np.empty((len(wanted), _PREFIX_BYTES), np.uint8)
    prefixes[:, :2] = (ord("["), ord('"'))
    prefixes[:, 2:] = shown[:, :_SALT_CHARS]
    return [each[: leaves.NONCE_BYTES] for each in streams], _url_safe(prefixes.tobytes())


def _in_base64(digests: bytes) -> bytes:
    """Return values of 32 bytes in base64url, each in 44 characters of which the last stands for nothing."""
    padded = np.zeros((len(digests) // 32, 33), np.uint8)
    padded[:, :32] = np.frombuffer(digests, np.uint8).reshape(-1, 32)
    return _url_safe(padded.tobytes())


def _url_safe(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(_URL_SAFE)


def _text(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).rstrip(b"=").translate(_URL_SAFE)


def _tail(name: str, value: bytes) -> Tail:
    return _PLACES[name], _text(b'","' + name.encode() + b'",' + value + b"]")


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)

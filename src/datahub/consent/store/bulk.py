"""Consents by the thousand: raw SQL, one dialect each, because rows made one by one are ten times too slow.

SQLite takes many rows per prepared statement; PostgreSQL takes them by COPY.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection
from sqlmodel import Session

from datahub.consent.models import ConsentState

_RECORD = (
    "id", "topic_no", "subject", "state", "until_s", "is_explicit", "rule_number", "is_persons_own", "last_at",
    "last_event", "epoch",
)  # fmt: skip
_EVENT = (
    "record_id", "number", "move", "state", "at", "recorded_at", "until", "is_explicit", "rule_number",
    "language", "collector", "channel", "is_conditional", "source_id", "by_client_id", "digest",
)  # fmt: skip
# PostgreSQL's types of what is no text.
_TYPES = {
    **dict.fromkeys(("topic_no", "rule_number", "last_event", "number"), "int4"),
    **dict.fromkeys(("until_s", "epoch"), "int8"),
    **dict.fromkeys(("is_explicit", "is_persons_own", "is_conditional"), "bool"),
    **dict.fromkeys(("last_at", "at", "recorded_at", "until"), "timestamptz"),
    **dict.fromkeys(("subject", "digest"), "bytea"),
}
_DETAIL = ("record_id", "number", "evidence", "relation")
_CHANGED = _RECORD[3:]
# Fewer than SQLite's smallest limit of parameters (32766 since 3.32).
_ASKED = 20_000
_READ_AT_ONCE = 100_000

Values = tuple[Any, ...]
_STATES = tuple(ConsentState)
_STATE = " ".join(["case state", *(f"when '{state}' then {at}" for at, state in enumerate(_STATES)), "end"])
# All that makes a kind in one number: three numbers a person go into arrays, by the million.
_KIND = f"rule_number * 16 + ({_STATE}) * 2 + cast(is_explicit as integer)"
_UNTIL = "coalesce(until_s, 0)"
# As PostgreSQL's binary COPY has a row: before each value its length, and before them all their number.
_COPIED = np.dtype(
    [
        ("", ">i2"),
        ("", ">i4"),
        ("subject", "V16"),
        ("", ">i4"),
        ("kind", ">i8"),
        ("", ">i4"),
        ("until", ">i8"),
    ]
)
_COPY_HEAD, _COPY_END = 19, 2


class Kind(NamedTuple):
    """What many decisions have in common: their state, the version of the rule they are on, whether they are explicit."""

    state: ConsentState
    rule_number: int
    is_explicit: bool

    @classmethod
    def of(cls, number: int) -> "Kind":
        """Return what a number in `Decided.kinds` stands for."""
        rule_number, rest = divmod(number, 16)
        return cls(_STATES[rest // 2], rule_number, bool(rest % 2))


class Decided(NamedTuple):
    """Decisions of many people: 16 bytes of digest each, the number of each one's `Kind`, and its end, 0 for none."""

    subjects: bytes
    kinds: npt.NDArray[np.int64]
    until_s: npt.NDArray[np.int64]


@dataclass
class Rows:
    """What a chunk of an import writes, each row in the order of the table's columns above, its values in a `Form`."""

    new: list[Values] = field(default_factory=list)
    changed: list[Values] = field(default_factory=list)
    events: list[Values] = field(default_factory=list)
    details: list[Values] = field(default_factory=list)


class Kept(NamedTuple):
    """Where one consent stands, as `ConsentRecord` has it."""

    id: str
    subject: bytes
    state: str
    until_s: int | None
    is_explicit: bool
    rule_number: int
    is_persons_own: bool
    last_at: datetime
    last_event: int


@dataclass(frozen=True)
class Form:
    """What values are in rows, so that the driver of a database takes them as they are.

    Python's SQLite driver asks the registry of its adapters for bytes, for yes and no, value by value, which takes as long
    as to write them. psycopg writes PostgreSQL's own binary form, which neither side has to read as text.
    `instant`: takes an instant, or None, and how RFC 3339 has it, or an empty text.
    """

    instant: Callable[[datetime | None, str], Any]
    flag: Callable[[bool], Any]
    blob: Callable[[bytes], Any]

    @classmethod
    def of(cls, session: Session) -> "Form":
        """Return the form of the database that a session is on."""
        return _SQLITE if session.connection().dialect.name == "sqlite" else _POSTGRESQL


def _text_of_instant(_: datetime | None, written: str) -> str | None:
    """Return an instant as SQLAlchemy writes it in SQLite, in UTC."""
    return f"{written[:10]} {written[11:-1]}" if written else None


_SQLITE = Form(_text_of_instant, int, bytearray)
_POSTGRESQL = Form(lambda at, _: at, bool, bytes)


def records_of_many(session: Session, wanted: Mapping[int, Sequence[bytes]]) -> dict[tuple[int, bytes], Kept]:
    """Return the consents of many people on some topics, as they are now; the topics are locked by the caller."""
    connection = session.connection()
    names = ", ".join(f"r.{name}" for name in Kept._fields)
    found: dict[tuple[int, bytes], Kept] = {}
    for topic_no, subjects in wanted.items():
        for start in range(0, len(subjects), _ASKED):
            asked = subjects[start : start + _ASKED]
            if connection.dialect.name == "sqlite":
                marks = ", ".join("?" * len(asked))
                sql = f"select {names} from consent_record r where r.topic_no = ? and r.subject in ({marks})"  # noqa: S608 — our own names
                rows = connection.exec_driver_sql(sql, (topic_no, *map(bytearray, asked)))
                kept = map(_kept_in_sqlite, rows)
            else:
                rows = connection.exec_driver_sql(
                    _EACH.format(names), (len(asked) - 1, topic_no, b"".join(asked))
                )
                kept = map(Kept._make, rows)
            found |= {(topic_no, row.subject): row for row in kept}
    return found


# By `offset 0` the database looks up one person after the other: without statistics, as in the middle of a first import,
# it would read all that is there for each few people. The digests go as one value: an array costs seven times as much.
_EACH = (
    "select {} from generate_series(0, %s) i cross join lateral (select * from consent_record "
    "where topic_no = %s and subject = substring(%b::bytea from i * 16 + 1 for 16) offset 0) r"
)


def _kept_in_sqlite(row: Sequence[Any]) -> Kept:
    *start, is_persons_own, last_at, last_event = row
    id_, subject, state, until_s, is_explicit, rule_number = start
    at = datetime.fromisoformat(last_at).replace(tzinfo=UTC)
    return Kept(
        id_, subject, state, until_s, bool(is_explicit), rule_number, bool(is_persons_own), at, last_event
    )


def decisions_on(
    session: Session, topic_no: int, since: int, only: Sequence[bytes] | None = None
) -> Iterator[Decided]:
    """Give what stands on a topic with an epoch above `since`, in batches; `only`: of these people."""
    session.flush()
    connection = session.connection()
    read = _decided_in_sqlite if connection.dialect.name == "sqlite" else _decided_in_postgresql
    for some in [None] if only is None else [only[at : at + _ASKED] for at in range(0, len(only), _ASKED)]:
        yield from read(connection.connection.driver_connection, topic_no, since, some)


def _decided_in_sqlite(
    driver: Any, topic_no: int, since: int, only: Sequence[bytes] | None
) -> Iterator[Decided]:
    theirs = "is not null" if only is None else f"in ({', '.join('?' * len(only))})"
    sql = (
        f"select subject, {_KIND}, {_UNTIL} from consent_record "  # noqa: S608 — our own names
        f"where topic_no = ? and epoch > ? and subject {theirs}"
    )
    cursor = driver.execute(sql, (topic_no, since, *(only or ())))
    while rows := cursor.fetchmany(_READ_AT_ONCE):
        subjects, kinds, until_s = zip(*rows, strict=True)
        yield Decided(b"".join(subjects), np.array(kinds, np.int64), np.array(until_s, np.int64))


def _decided_in_postgresql(
    driver: Any, topic_no: int, since: int, only: Sequence[bytes] | None
) -> Iterator[Decided]:
    theirs = "is not null" if only is None else "= any(%s)"
    sql = (
        f"copy (select subject, ({_KIND})::int8, {_UNTIL}::int8 from consent_record "  # noqa: S608 — our own names
        f"where topic_no = %s and epoch > %s and subject {theirs}) to stdout (format binary)"
    )
    with driver.cursor() as cursor:
        asked = (topic_no, since) if only is None else (topic_no, since, [*only])
        with cursor.copy(sql, asked) as copy:
            block, most = bytearray(), _READ_AT_ONCE * _COPIED.itemsize
            is_begun = False
            for part in copy:
                block += part
                if not is_begun and len(block) >= _COPY_HEAD:
                    del block[:_COPY_HEAD]
                    is_begun = True
                if len(block) > most + _COPY_END:
                    yield _copied(block[:most])
                    del block[:most]
            if len(block) > _COPY_END:
                yield _copied(block[:-_COPY_END])


def _copied(block: bytearray) -> Decided:
    rows = np.frombuffer(block, _COPIED)
    return Decided(rows["subject"].tobytes(), rows["kind"].astype(np.int64), rows["until"].astype(np.int64))


def write(session: Session, rows: Rows) -> None:
    """Write the rows of a chunk in the session's transaction; the topics' epochs, stepped before, let readers know."""
    connection = session.connection()
    put = _put_in_sqlite if connection.dialect.name == "sqlite" else _put_in_postgresql
    put(connection, "consent_record", _RECORD, rows.new)
    put(connection, "consent_event", _EVENT, rows.events)
    put(connection, "consent_detail", _DETAIL, rows.details)
    change = _change_in_sqlite if connection.dialect.name == "sqlite" else _change_in_postgresql
    change(connection, rows.changed)


def _put_in_sqlite(connection: Connection, table: str, names: Sequence[str], rows: list[Values]) -> None:
    if rows:
        marks = ", ".join("?" * len(names))
        sql = f"insert into {table} ({', '.join(names)}) values ({marks})"  # noqa: S608 — our own names
        connection.exec_driver_sql(sql, rows)


def _change_in_sqlite(connection: Connection, rows: list[Values]) -> None:
    if rows:
        sets = ", ".join(f"{name} = ?" for name in _CHANGED)
        sql = f"update consent_record set {sets} where id = ?"  # noqa: S608 — our own names
        connection.exec_driver_sql(sql, [(*row[3:], row[0]) for row in rows])


def _put_in_postgresql(
    connection: Connection, table: str, names: Sequence[str], rows: Iterable[Values]
) -> None:
    driver: Any = connection.connection.driver_connection
    sql = f"copy {table} ({', '.join(names)}) from stdin (format binary)"
    with driver.cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types([_TYPES.get(name, "text") for name in names])
        for row in rows:
            copy.write_row(row)


def _change_in_postgresql(connection: Connection, rows: list[Values]) -> None:
    if not rows:
        return
    connection.exec_driver_sql("create temporary table consent_changed (like consent_record) on commit drop")
    _put_in_postgresql(connection, "consent_changed", _RECORD, rows)
    sets = ", ".join(f"{name} = c.{name}" for name in _CHANGED)
    connection.exec_driver_sql(
        f"update consent_record r set {sets} from consent_changed c where r.id = c.id"  # noqa: S608 — our own names
    )

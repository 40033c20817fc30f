"""Consents by the thousand: raw SQL, one dialect each, because rows made one by one are ten times too slow.

SQLite takes many rows per prepared statement; PostgreSQL takes them by COPY.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy import select as columns_of
from sqlmodel import Session, col

from datahub.consent.models import ConsentRecord

_RECORD = (
    "id", "topic_no", "subject", "state", "until_s", "is_explicit", "rule_number", "is_persons_own", "last_at",
    "last_event", "epoch",
)  # fmt: skip
_EVENT = (
    "record_id", "number", "move", "state", "at", "recorded_at", "until", "is_explicit", "rule_number",
    "language", "collector", "channel", "is_conditional", "source_id", "by_client_id", "digest",
)  # fmt: skip
_DETAIL = ("record_id", "number", "evidence", "relation")
_CHANGED = _RECORD[3:]
_INSTANTS: Mapping[str, Sequence[int]] = {
    "consent_record": [_RECORD.index("last_at")],
    "consent_event": [_EVENT.index(name) for name in ("at", "recorded_at", "until")],
}
# Fewer than SQLite's smallest limit of parameters (32766 since 3.32).
_ASKED = 20_000
_READ_AT_ONCE = 100_000

Values = tuple[Any, ...]
Decided = tuple[bytes, str, int, bool, int | None]
"""Whose decision, its state, the version of the rule it is on, whether it was explicit, and its end in Unix seconds."""


@dataclass
class Rows:
    """What a chunk of an import writes, each row in the order of the table's columns above."""

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


def records_of_many(session: Session, wanted: Mapping[int, Sequence[bytes]]) -> dict[tuple[int, bytes], Kept]:
    """Return the consents of many people on some topics, as they are now; the topics are locked by the caller."""
    found: dict[tuple[int, bytes], Kept] = {}
    columns = [col(getattr(ConsentRecord, name)) for name in Kept._fields]
    for topic_no, subjects in wanted.items():
        for start in range(0, len(subjects), _ASKED):
            statement = columns_of(*columns).where(
                col(ConsentRecord.topic_no) == topic_no,
                col(ConsentRecord.subject).in_(subjects[start : start + _ASKED]),
            )
            found |= {(topic_no, row.subject): row for row in map(Kept._make, session.execute(statement))}
    return found


def decisions_on(
    session: Session, topic_no: int, since: int, only: Sequence[bytes] | None = None
) -> Iterator[Sequence[Any]]:
    """Give, as rows of `Decided`, what stands on a topic with an epoch above `since`, in batches; `only`: of these people."""
    found = columns_of(
        col(ConsentRecord.subject),
        col(ConsentRecord.state),
        col(ConsentRecord.rule_number),
        col(ConsentRecord.is_explicit),
        col(ConsentRecord.until_s),
    ).where(
        col(ConsentRecord.topic_no) == topic_no,
        col(ConsentRecord.epoch) > since,
        col(ConsentRecord.subject).is_not(None),
    )
    parts = (
        [found]
        if only is None
        else [
            found.where(col(ConsentRecord.subject).in_(only[start : start + _ASKED]))
            for start in range(0, len(only), _ASKED)
        ]
    )
    for part in parts:
        rows = session.execute(part.execution_options(yield_per=_READ_AT_ONCE))
        yield from rows.partitions()


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
        connection.exec_driver_sql(sql, _for_sqlite(rows, _INSTANTS.get(table, ())))


def _change_in_sqlite(connection: Connection, rows: list[Values]) -> None:
    if rows:
        sets = ", ".join(f"{name} = ?" for name in _CHANGED)
        sql = f"update consent_record set {sets} where id = ?"  # noqa: S608 — our own names
        plain = _for_sqlite(rows, _INSTANTS["consent_record"])
        connection.exec_driver_sql(sql, [(*row[3:], row[0]) for row in plain])


def _for_sqlite(rows: Sequence[Values], instants: Sequence[int]) -> list[Values]:
    """Return rows with their instants as texts; looking at every value would take as long as the database does."""
    found = []
    for row in rows:
        values = list(row)
        for at in instants:
            values[at] = _sqlite_instant(values[at])
        found.append(tuple(values))
    return found


@lru_cache(maxsize=1 << 16)
def _sqlite_instant(value: datetime | None) -> str | None:
    if value is None:
        return None
    return (
        value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    )  # as SQLAlchemy writes it


def _put_in_postgresql(
    connection: Connection, table: str, names: Sequence[str], rows: Iterable[Values]
) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"copy {table} ({', '.join(names)}) from stdin") as copy:
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

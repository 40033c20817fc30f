"""Consents by the thousand: raw SQL, one dialect each, because rows made one by one are ten times too slow.

SQLite takes many rows per prepared statement; PostgreSQL takes them by COPY.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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
# Fewer than SQLite's smallest limit of parameters (32766 since 3.32).
_ASKED = 20_000
_READ_AT_ONCE = 100_000

Values = tuple[Any, ...]
Decided = tuple[bytes, str, int, bool, int | None]
"""Whose decision, its state, the version of the rule it is on, whether it was explicit, and its end in Unix seconds."""


@dataclass
class Rows:
    """What a chunk of an import writes, each row in the order of the table's columns above, instants as `instant` has them."""

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


def instant(written: str) -> str | None:
    """Return an instant that is written as RFC 3339 in UTC, or an empty text, as both databases read it in rows.

    The zone of our connections is UTC; that of SQLite's texts too, which SQLAlchemy writes in this way.
    """
    return f"{written[:10]} {written[11:-1]}" if written else None


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
                rows = connection.exec_driver_sql(sql, (topic_no, *asked))
                kept = map(_kept_in_sqlite, rows)
            else:
                rows = connection.exec_driver_sql(_EACH.format(names), ([*asked], topic_no))
                kept = map(Kept._make, rows)
            found |= {(topic_no, row.subject): row for row in kept}
    return found


# By `offset 0` the database looks up one person after the other: without statistics, as in the middle of a first import,
# it would read all that is there for each few people.
_EACH = (
    "select {} from unnest(%s::bytea[]) as w (subject) cross join lateral "
    "(select * from consent_record where topic_no = %s and subject = w.subject offset 0) r"
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

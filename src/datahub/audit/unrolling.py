"""What the spool holds, unrolled: rows of entries and decisions put where they are searched, by the shortest way.

The sequencer does it each round, and whoever reads the log does first, in the reader's own transaction, so that nobody
sees less than was acknowledged.
"""

import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlmodel import Session

from datahub.audit import spool
from datahub.audit.leaves import KEY_BYTES
from datahub.audit.records import (
    DecisionForm,
    EntryForm,
    Record,
    decision_form,
    entry_form,
    in_order,
    rfc3339_text,
)
from datahub.audit.rows import (
    FORM_OF_DECISION,
    FORM_OF_ENTRY,
    NOW_AS_JSON,
    OWN_OF_DECISION,
    OWN_OF_ENTRY,
    Row,
    unpack,
)

# Rows read at once when not all are wanted: enough to pay for the statement.
ROWS = 50
_KNOWN = 8192  # forms, as in `records`

Own = Sequence[Any]
"""What is a line's own, `OWN_OF_ENTRY`; the instant in ISO 8601, as the spool has it."""


class _SpooledForm:
    """A form of the spool: its cells for the tables, and what is hashed of them."""

    __slots__ = ("_facts", "_facts_in_order", "copied_decision", "copied_entry", "decision", "entry")

    def __init__(self, packed: bytes) -> None:
        entry, decision, facts = orjson.loads(packed)
        self.entry: EntryForm = entry_form(tuple(entry))
        self.copied_entry = "".join(["\t" + _copied(cell) for cell in entry]) + "\n"
        self.decision: DecisionForm | None = None
        if decision is not None:
            self.decision = decision_form(tuple(decision))
            self.copied_decision = "".join(["\t" + _copied(cell) for cell in decision]) + "\n"
            self._facts = facts
            whole = f"{facts[0]}{NOW_AS_JSON}{facts[1]}" if facts[1] else facts[0]
            self._facts_in_order = in_order(whole).split(NOW_AS_JSON.encode(), 1)

    def facts(self, at: str) -> str:
        """Return the facts of a line's decision as JSON text, as the table holds it."""
        before, after = self._facts
        return f"{before}{at}{after}" if after else before

    def record(self, own: Own) -> Record:
        """Return the record of a line; `own` are `OWN_OF_ENTRY` as the spool holds them."""
        entry_id, at, trace_id, decision_id, of_entry_id = own
        moment = rfc3339_text(at)
        decided = None
        if self.decision is not None:
            facts = at.encode().join(self._facts_in_order)
            decided = self.decision.tail(decision_id, moment, facts)
        return self.entry.record((entry_id, moment, trace_id, decision_id, of_entry_id), decided)


_forms: dict[bytes, _SpooledForm] = {}


def _form(packed: bytes) -> _SpooledForm:
    form = _forms.get(packed)
    if form is None:
        if len(_forms) >= _KNOWN:
            _forms.clear()
        form = _forms[packed] = _SpooledForm(packed)
    return form


@dataclass(frozen=True)
class Spooled:
    """Rows of the spool: the id of each, and its lines, each a form and `OWN_OF_ENTRY`."""

    batches: Sequence[tuple[str, Sequence[tuple[_SpooledForm, Own]]]] = ()

    @property
    def ids(self) -> list[str]:
        """The rows' ids."""
        return [batch_id for batch_id, _ in self.batches]

    @property
    def lines(self) -> list[tuple[_SpooledForm, Own]]:
        """All lines, in the order in which they were written."""
        return [line for _, lines in self.batches for line in lines]

    def records(self) -> list[Record]:
        """Return what the leaves of all lines are made of, in their order."""
        return [form.record(own) for form, own in self.lines]


def read(
    session: Session, lines: int | None = None, *, but: Collection[str] = (), is_locked: bool = False
) -> Spooled:
    """Return the oldest rows of the spool, `but` some: all, or as many as are needed to have so many lines."""
    connection = session.connection()
    batches, count, last = [], 0, ""
    while lines is None or count < lines:
        found = connection.exec_driver_sql(
            *_asked(connection.dialect.name, last, but, lines, is_locked=is_locked)
        )
        rows = found.all()
        for batch_id, packed in rows:
            told, packed_forms = unpack(bytes(packed))
            forms = [_form(each) for each in packed_forms]
            batches.append((batch_id, [(forms[line[0]], line[1:]) for line in told]))
            count += len(told)
            if lines is not None and count >= lines:
                break
        if lines is None or len(rows) < ROWS:
            break
        last = rows[-1][0]
    return Spooled(batches)


def _asked(
    dialect: str, after: str, but: Collection[str], lines: int | None, *, is_locked: bool
) -> tuple[str, tuple[Any, ...]]:
    """Return the query for rows of the spool in their order, and its values."""
    most = "" if lines is None else f" limit {ROWS}"
    lock = " for update" if is_locked and dialect == "postgresql" else ""
    asked = f"select id, lines from log_spool where {_OTHERS[dialect]} order by id{most}{lock}"  # noqa: S608 — a number
    return asked, (after, _json([*but]) if dialect == "sqlite" else [*but])


_OTHERS = {
    "sqlite": f"id > ? and id not in (select value from json_each(?)) and not {spool.IS_UNROLLED}",  # noqa: S608 — our own text
    "postgresql": "id > %s and id <> all(%s)",
}


def is_still_there(session: Session, spooled: Spooled) -> bool:
    """Tell whether nobody else unrolled any of this meanwhile; until the session's end, nobody else does."""
    connection = session.connection()
    if connection.dialect.name == "sqlite":  # the session may hold the database's lock alone
        last_ids = [lines[-1][1][0] for _, lines in spooled.batches]
        return connection.exec_driver_sql(_UNROLLED_AMONG, (_json(last_ids),)).first() is None
    locked = "select id from log_spool where id = any(%s) for update"
    return len(connection.exec_driver_sql(locked, (spooled.ids,)).all()) == len(spooled.batches)


_UNROLLED_AMONG = f"select 1 from (select value as last_id from json_each(?)) where {spool.IS_UNROLLED}"  # noqa: S608 — our own text


def unpacked(session: Session, spooled: Spooled, *, is_left: bool = False) -> None:
    """Put the entries and decisions where they are searched, and take the rows off the spool, unless they are left."""
    driver: Any = session.connection().connection.driver_connection
    _put_all(driver, spooled)
    if not is_left:
        spool.remove(driver, spooled.ids)


def _put_all(driver: Any, spooled: Spooled) -> None:
    if isinstance(driver, sqlite3.Connection):
        _put_on_sqlite(driver, spooled)
        return
    with driver.cursor() as cursor:
        with cursor.copy(_COPY["log_entry"]) as copy:
            copy.write("".join(_entry_copies(spooled)))
        with cursor.copy(_COPY["decision"]) as copy:
            copy.write("".join(_decision_copies(spooled)))


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join([f'"{name}"' for name in columns])


def _named(table: str, columns: Sequence[str]) -> str:
    return f"{table} ({_quoted(columns)})"


_COLUMNS: Mapping[str, Sequence[str]] = {
    "log_entry": (*OWN_OF_ENTRY, *FORM_OF_ENTRY),
    "decision": (*OWN_OF_DECISION, *FORM_OF_DECISION),
}
_COPY = {table: f"copy {_named(table, columns)} from stdin" for table, columns in _COLUMNS.items()}


def _put_on_sqlite(driver: Any, spooled: Spooled) -> None:
    """Insert entries, then decisions, by one statement each.

    With the triggers each statement costs more than its row does, and in between another thread could run. What lines
    share is put in a table of this connection's own first, and joined to what is each line's own.
    """
    numbers: dict[_SpooledForm, int] = {}
    entries, decisions = list[Row](), list[Row]()
    for form, (entry_id, at, trace_id, decision_id, of_entry_id) in spooled.lines:
        number = numbers.setdefault(form, len(numbers))
        stored = _stored(at)
        entries.append((number, entry_id, stored, trace_id, decision_id, of_entry_id))
        if form.decision is not None:
            decisions.append((number, decision_id, stored, form.facts(at)))
    of_entries = [(number, *form.entry.cells) for form, number in numbers.items()]
    of_decisions = [(number, *form.decision.cells) for form, number in numbers.items() if form.decision]
    _JOINS["log_entry"].put(driver, of_entries, entries)
    _JOINS["decision"].put(driver, of_decisions, decisions)


class _Join:
    """Statements for SQLite that insert rows made of a form and of what is their own."""

    def __init__(self, table: str, own: Sequence[str], shared: Sequence[str]) -> None:
        columns, named = _quoted(shared), f"form_of_{table}"
        self._prepare = (
            f"create temp table if not exists {named} (number integer primary key, {columns})",
            f"delete from temp.{named}",  # noqa: S608 — our own names, as below
        )
        self._put_forms = (
            f"insert into temp.{named} select {_from_json(range(1 + len(shared)))} from json_each(?)"  # noqa: S608
        )
        self._put = (
            f"insert into {table} ({_quoted(own)}, {columns}) select {_from_json(range(1, 1 + len(own)))}, {columns} "  # noqa: S608
            f"from json_each(?) cross join temp.{named} where number = value->>0"
        )

    def put(self, driver: Any, forms: Sequence[Row], rows: Sequence[Row]) -> None:
        """Insert rows: each the number of its form, then its own cells; texts and whole numbers."""
        if not rows:
            return
        for statement in self._prepare:
            driver.execute(statement)
        driver.execute(self._put_forms, (_json(forms),))
        driver.execute(self._put, (_json(rows),))


def _from_json(places: Iterable[int]) -> str:
    return ", ".join([f"value->>{place}" for place in places])


def _json(rows: Any) -> str:
    return orjson.dumps(rows).decode()


_JOINS = {
    "log_entry": _Join("log_entry", OWN_OF_ENTRY, FORM_OF_ENTRY),
    "decision": _Join("decision", OWN_OF_DECISION, FORM_OF_DECISION),
}


def _entry_copies(spooled: Spooled) -> Iterator[str]:
    for form, (entry_id, at, trace_id, decision_id, of_entry_id) in spooled.lines:
        decision, of_entry = decision_id or r"\N", of_entry_id or r"\N"
        yield f"{entry_id}\t{at}\t{_copied(trace_id)}\t{decision}\t{of_entry}{form.copied_entry}"


def _decision_copies(spooled: Spooled) -> Iterator[str]:
    for form, (_, at, _, decision_id, _) in spooled.lines:
        if form.decision is not None:
            yield f"{decision_id}\t{at}\t{_copied(form.facts(at))}{form.copied_decision}"


def unroll(session: Session) -> int:
    """Turn what is in the spool into entries and decisions, in the session's transaction; return how many entries.

    Whoever reads the log calls it first.
    """
    spooled = read(session, is_locked=True)
    if not spooled.batches:
        return 0
    unpacked(session, spooled)
    batches = [(batch_id, " ".join([own[0] for _, own in lines])) for batch_id, lines in spooled.batches]
    put_rows(session, "log_pending", ("id", "entry_ids"), batches)
    return len(spooled.lines)


def put_rows(session: Session, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Insert rows of texts and whole numbers by one statement, in the session's transaction."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        from_json = _from_json(range(len(columns)))
        put = f"insert into {_named(table, columns)} select {from_json} from json_each(?)"  # noqa: S608 — our own names
        driver.execute(put, (_json(rows),))
    else:
        _copy(driver, table, columns, rows)


def put_places(session: Session, log: int, first: int, names: Sequence[str], entry_keys: bytes) -> None:
    """Insert where leaves are, from index `first`, and their entries' keys, which are given one after the other."""
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.execute(_PUT_PLACES, (log, first, entry_keys, _json(names)))
    else:
        rows = [
            (name, log, first + at, entry_keys[at * KEY_BYTES : (at + 1) * KEY_BYTES])
            for at, name in enumerate(names)
        ]
        _copy(driver, "log_leaf", ("entry_id", "log", "leaf_index", "key"), rows)


_PUT_PLACES = f"""
    insert into log_leaf (entry_id, log, leaf_index, key)
    select value, ?, ? + key, substr(?, 1 + {KEY_BYTES} * key, {KEY_BYTES}) from json_each(?)
"""  # noqa: S608 — a number


def _copy(driver: Any, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    lines = ["\t".join([_copied(cell) for cell in row]) + "\n" for row in rows]
    with driver.cursor() as cursor, cursor.copy(f"copy {_named(table, columns)} from stdin") as copy:
        copy.write("".join(lines))


def _stored(at: str) -> str:
    """Return an instant in the very form in which the object mapper stores it, so that they compare."""
    return f"{at[:10]} {at[11:26]}" if len(at) == _WITH_FRACTION else f"{at[:10]} {at[11:19]}.000000"


_WITH_FRACTION = len("2026-01-01T00:00:00.000000+00:00")


def _copied(cell: Any) -> str:
    """Return a cell in the text form of COPY."""
    if cell is None:
        return r"\N"
    if isinstance(cell, bytes):
        return rf"\\x{cell.hex()}"
    if isinstance(cell, str):
        return cell if _PLAIN(cell) else cell.translate(_ESCAPED)
    return str(cell)


_PLAIN = re.compile(r"[^\\\t\n\r]*").fullmatch
_ESCAPED: Mapping[int, str] = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})

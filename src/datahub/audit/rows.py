"""Lines of the log as plain rows, and what many lines have in common, for the journal.

The object mapper costs more than the commit itself once a process logs thousands of reads a second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, String, inspect

from datahub.audit.models import NOTHING_MORE, About, Decision, Entry, Outcome
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id

ENTRY_COLUMNS: tuple[str, ...] = tuple(inspect(Entry).columns.keys())
DECISION_COLUMNS: tuple[str, ...] = tuple(inspect(Decision).columns.keys())
ENTRY_JSON, DECISION_JSON = (
    frozenset(column.key for column in inspect(table).columns if isinstance(column.type, JSON))
    for table in (Entry, Decision)
)
# What is each line's own, in this order; all other columns are its form's.
OWN_OF_ENTRY = ("id", "at", "trace_id", "decision_id", "of_entry_id")
OWN_OF_DECISION = ("id", "at", "facts")
FORM_OF_ENTRY = tuple(name for name in ENTRY_COLUMNS if name not in OWN_OF_ENTRY)
FORM_OF_DECISION = tuple(name for name in DECISION_COLUMNS if name not in OWN_OF_DECISION)
# Stands in a decision's facts where each line has its own instant.
NOW = "\x00now\x00"
NOW_AS_JSON = orjson.dumps(NOW).decode()[1:-1]

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What the lines of one permit have in common, as JSON: columns of the entry, of the decision, and its facts.

    The facts are a text in two parts; the line's own instant goes in between. Made once, used for many lines.
    """

    packed: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the journal: its form, and what is its own."""

    form: Form
    id: str
    at: datetime
    trace_id: str
    decision_id: str | None = None
    of_entry_id: str | None = None


def entry_values(
    actor: Actor,
    now: datetime,
    trace_id: str,
    action: str,
    about: About = NOTHING_MORE,
    *,
    outcome: Outcome = Outcome.DONE,
    code: str = "ok",
) -> dict[str, Any]:
    """Return the columns of one new entry."""
    return {
        "id": new_id(),
        "at": now,
        "action": action,
        "outcome": outcome.value,
        "code": code,
        "trace_id": trace_id,
        "actor_client_id": actor.client_id,
        "actor_participant_id": actor.participant_id,
        "actor_person_id": actor.person_id,
        "thing_id": about.thing_id,
        "provider_id": about.provider_id,
        "consumer_id": about.consumer_id,
        "dataset_id": about.dataset_id,
        "dataset_version": about.dataset_version,
        "columns": list(about.columns) if about.columns is not None else None,
        "agreement_id": about.agreement_id,
        "offer_id": about.offer_id,
        "offer_version": about.offer_version,
        "policy_hash": about.policy_hash,
        "purpose": about.purpose,
        "decision_id": about.decision_id,
        "of_entry_id": about.of_entry_id,
        "rows": about.rows,
        "bytes": about.bytes,
        "details": dict(about.details),
        "subjects": list(about.subjects) or None,
    }


def form_of(entry: Mapping[str, Any], decision: Decision | None = None) -> Form:
    """Return the form of the lines that differ from these columns in their own ones only.

    A fact that is `NOW` stands for each line's instant. Raises ValueError for what the tables cannot hold.
    """
    for name, most in _LONGEST:
        value = entry[name]
        if value is not None and len(value) > most:
            msg = "a line of the log cannot hold this"
            raise ValueError(msg)
    of_entry = [_cell(entry[name]) for name in FORM_OF_ENTRY]
    if decision is None:
        return Form(orjson.dumps([of_entry, None, None]))
    of_decision = [_cell(getattr(decision, name)) for name in FORM_OF_DECISION]
    before, _, after = orjson.dumps(decision.facts).decode().partition(NOW_AS_JSON)
    return Form(orjson.dumps([of_entry, of_decision, [before, after]]))


_LONGEST: Sequence[tuple[str, int]] = [
    (column.key, column.type.length)
    for column in inspect(Entry).columns
    if isinstance(column.type, String) and column.type.length is not None
]


def line_of(values: Mapping[str, Any], decision: Decision | None = None) -> Line:
    """Return one line that shares its form with no other; `values` are `entry_values`."""
    return Line(form_of(values, decision), *(values[name] for name in OWN_OF_ENTRY))


def pack(lines: Sequence[Line]) -> bytes:
    """Return lines as the spool holds them: per line its form's number and what is its own, then the forms, once each.

    Each form is a line of text, so that who reads many finds one that it knows by its bytes.
    """
    numbers: dict[int, int] = {}
    forms, told = list[bytes](), list[Row]()
    for line in lines:
        number = numbers.get(id(line.form))
        if number is None:
            number = numbers[id(line.form)] = len(forms)
            forms.append(line.form.packed)
        told.append((number, line.id, line.at, line.trace_id, line.decision_id, line.of_entry_id))
    return b"\n".join((orjson.dumps(told), *forms))


def unpack(packed: bytes) -> tuple[list[Row], list[bytes]]:
    """Return what `pack` was given: per line its form's number and what is its own, instants in ISO 8601; the forms."""
    told, *forms = packed.split(b"\n")
    lines = orjson.loads(told)
    if not forms:  # as it was packed by versions before this one
        older, lines = lines
        forms = [orjson.dumps(each) for each in older]
    return lines, forms


def _cell(value: Any) -> Any:
    if value is None or type(value) is str:  # nearly all are, and asking an ABC is dear
        return value
    if isinstance(value, (Mapping, list)):
        return orjson.dumps(value).decode()
    return value.astimezone(UTC) if isinstance(value, datetime) else value

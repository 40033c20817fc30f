"""What is known at the moment of a decision. Whatever is left out is unknown, and unknown permits nothing.

State of the World and Evaluation Request of the W3C Formal Semantics draft, in one frozen value.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from datahub.policy.registry import AGE, COLUMN, Operand, compact

_HERE: Final = ZoneInfo("Europe/Amsterdam")
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NOTHING: Mapping[str, object] = {}
_SETS: Final = (
    "target",
    "recipient",
    "groups",
    "roles",
    "frameworks",
    "contracts",
    "credentials",
    "events",
    "joined_with",
    "columns",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one attempt. Sets may be given as any iterable or one text; None means unknown, empty means none.

    `now` and other instants are aware. `recipient` holds every name of the receiving organisation (participant id, DID,
    KvK, …). `counts` holds what was used before this attempt per counter (`reads`, `dh:rowsPerDay`, …). `duties` maps a
    duty's key (`duties_of`) or action to `fulfilled` or `violated`. `agreed` says that the legal text was accepted.
    `row` is one row by column name; without it, conditions on rows and columns are left to the plan.
    """

    action: str = "use"
    now: datetime | None = None
    target: Iterable[str] | None = None
    recipient: Iterable[str] | None = None
    groups: Iterable[str] | None = None
    roles: Iterable[str] | None = None
    membership: str | bool | None = None
    purpose: str | None = None
    location: str | None = None
    connector: str | None = None
    application: str | None = None
    query: str | None = None
    frameworks: Iterable[str] | None = None
    contracts: Iterable[str] | None = None
    credentials: Iterable[str] | None = None
    events: Iterable[str] | None = None
    joined_with: Iterable[str] | None = None
    columns: Iterable[str] | None = None
    agreed_at: datetime | None = None
    published_at: datetime | None = None
    first_used_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    duties: Mapping[str, str] = field(default_factory=dict)
    agreed: bool = False
    row: Mapping[str, object] | None = None
    column: str | None = None
    consent: bool | None = None
    more: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make sets of what was given as text or list; put instants in UTC, refuse those without a zone.

        In one zone, Python subtracts clock readings: across a change of the clock an hour would be lost.
        """
        for name in _SETS:
            given = getattr(self, name)
            if given is not None and type(given) is not frozenset:
                object.__setattr__(self, name, frozenset((given,) if isinstance(given, str) else given))
        for name in ("now", "agreed_at", "published_at", "first_used_at"):
            moment = getattr(self, name)
            if moment is None or moment.tzinfo is UTC:
                continue
            if moment.tzinfo is None:
                message = f"Facts.{name} needs a time zone"
                raise ValueError(message)
            object.__setattr__(self, name, moment.astimezone(UTC))


def _since(facts: Facts, anchor: datetime | None) -> object:
    return facts.now - anchor if facts.now is not None and anchor is not None else None


def names_of_recipient(facts: Facts) -> object:
    """Return every name and group of the recipient; None when it is unknown."""
    if facts.recipient is None:
        return None
    return frozenset(facts.recipient).union(facts.groups or ())


def _membership(facts: Facts) -> object:
    if isinstance(facts.membership, bool):
        return "active" if facts.membership else "inactive"
    return facts.membership


def _term(value: object) -> object:
    return compact(value) if isinstance(value, str) else value


_DERIVED: Mapping[str, Callable[[Facts], object]] = {
    "elapsed": lambda facts: _since(facts, facts.agreed_at),
    "delay": lambda facts: _since(facts, facts.published_at),
    "since_first_use": lambda facts: _since(facts, facts.first_used_at),
    "day": lambda facts: facts.now and _DAYS[facts.now.astimezone(_HERE).weekday()],
    "hour": lambda facts: facts.now and facts.now.astimezone(_HERE).hour,
    "purpose": lambda facts: _term(facts.purpose),
    "location": lambda facts: _term(facts.location),
    "membership": _membership,
    "recipient": lambda facts: facts.recipient,
    "now": lambda facts: facts.now,
}


def source(operand: Operand) -> Callable[[Facts], object]:
    """Return the function that finds this operand's fact; it gives None for unknown."""
    name, fact = operand.name, operand.fact
    if fact in _DERIVED:
        return _DERIVED[fact]
    if fact == "counts":
        short = "reads" if name == "count" else name.removeprefix("dh:")
        return lambda facts: _attempt(facts.counts.get(short, facts.counts.get(name)))
    if fact == "row":
        if name.startswith(AGE):
            column = name.removeprefix(AGE)
            return lambda facts: _age(facts, column)
        column = name.removeprefix(COLUMN)
        return lambda facts: (facts.row or _NOTHING).get(column)
    if fact == "more":
        return lambda facts: facts.more.get(name)
    return lambda facts: getattr(facts, fact)


def _attempt(used: int | None) -> object:
    """Count this attempt too: a limit of 10 lets the tenth through, not the eleventh."""
    return None if used is None else used + 1


def _age(facts: Facts, column: str) -> object:
    moment = (facts.row or _NOTHING).get(column)
    if facts.now is None or not isinstance(moment, datetime):
        return None
    return facts.now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))

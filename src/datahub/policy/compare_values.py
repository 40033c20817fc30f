"""How one fact compares with the constants of one constraint: the meaning of the twelve operators, sort by sort.

ODRL 2.2 §2.5.2. True, False, or None when the fact's type does not fit: a wrong type never permits. The SQL back end
gives the same answers; the differential tests hold the two together.
"""

import operator as relation
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from typing import Any, Final, TypeAlias

from datahub.policy.model import Atom, Operator, Value
from datahub.policy.registry import LEVELS, Operand, compact
from datahub.policy.values import is_unresolved, sort_for
from datahub.policy.vocabulary import Taxonomy, taxonomies

Compare: TypeAlias = Callable[[object], bool | None]

_ORDER: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: relation.eq,
    Operator.NEQ: relation.ne,
    Operator.GT: relation.gt,
    Operator.GTEQ: relation.ge,
    Operator.LT: relation.lt,
    Operator.LTEQ: relation.le,
}
_ORDERED = frozenset({Operator.GT, Operator.GTEQ, Operator.LT, Operator.LTEQ})
_TREE = frozenset({Operator.IS_A, Operator.IS_PART_OF, Operator.HAS_PART})


def comparison(operand: Operand, atom: Atom) -> Compare:
    """Return the test of one fact against the atom's constants."""
    sort = sort_for(operand, atom.right)
    if any(is_unresolved(value) for value in atom.right) or (sort == "event" and atom.operator in _ORDERED):
        return _never_known
    if sort in {"labels", "party", "event"}:
        return _membership(atom)
    if sort in {"purpose", "region", "language"}:
        return _taxonomic(atom, taxonomies()[sort])
    if sort == "level":
        return _level(atom, LEVELS[operand.name])
    return _scalar(atom, sort)


def _never_known(_seen: object) -> None:
    """Compare with something that is not there: a constant to be filled in, the order of two events."""


def _scalar(atom: Atom, sort: str) -> Compare:
    fit, wanted = _FITS[sort], atom.right
    if sort in {"number", "counter"}:
        return _numeric(atom)
    return _applied(atom.operator, fit, wanted)


def _applied(operator: Operator, fit: Callable[[object], object], wanted: tuple[Value, ...]) -> Compare:
    """Compare a single-valued fact; the set operators see it as the set with one member."""
    ordered = _ORDER.get(operator)
    if ordered is not None:
        constant = wanted[0]

        def compare(seen: object) -> bool | None:
            value = fit(seen)
            return None if value is None else ordered(value, constant)

        return compare
    several, decide = frozenset(wanted), _SETS[operator]

    def within(seen: object) -> bool | None:
        value = fit(seen)
        return None if value is None else decide(frozenset({value}), several)

    return within


def _all_of(seen: Collection[object], wanted: frozenset[object]) -> bool:
    return wanted <= frozenset(seen)


def _any_of(seen: Collection[object], wanted: frozenset[object]) -> bool:
    return not wanted.isdisjoint(seen)


def _none_of(seen: Collection[object], wanted: frozenset[object]) -> bool:
    return wanted.isdisjoint(seen)


_SETS: Final[Mapping[Operator, Callable[[Collection[object], frozenset[object]], bool]]] = {
    Operator.IS_ALL_OF: _all_of,
    Operator.IS_ANY_OF: _any_of,
    Operator.IS_NONE_OF: _none_of,
}


def _as_text(seen: object) -> object:
    return seen if isinstance(seen, str) else None


def _as_boolean(seen: object) -> object:
    return seen if isinstance(seen, bool) else None


def _as_duration(seen: object) -> object:
    return seen if isinstance(seen, timedelta) else None


def _as_instant(seen: object) -> object:
    """An instant; a moment without a zone, as a table may hold, is read as UTC."""
    if not isinstance(seen, datetime):
        return None
    return seen if seen.tzinfo else seen.replace(tzinfo=UTC)


def _as_date(seen: object) -> object:
    return seen if isinstance(seen, date) and not isinstance(seen, datetime) else None


def _as_number(seen: object) -> object:
    """A number; not-a-number is unknown."""
    if isinstance(seen, bool) or not isinstance(seen, int | float | Decimal) or isnan(seen):
        return None
    return seen


_FITS: Final[Mapping[str, Callable[[object], object]]] = {
    "text": _as_text,
    "boolean": _as_boolean,
    "instant": _as_instant,
    "date": _as_date,
    "duration": _as_duration,
    "number": _as_number,
    "counter": _as_number,
}


def _numeric(atom: Atom) -> Compare:
    """Compare numbers as SQL does: whole numbers exactly, anything else as double precision."""
    exact = _applied(atom.operator, _as_number, atom.right)
    doubles = tuple(float(value) for value in atom.right if isinstance(value, int | Decimal))
    rounded = _applied(atom.operator, _as_double, doubles)  # type: ignore[arg-type]
    whole = all(isinstance(value, int) for value in atom.right)

    def compare(seen: object) -> bool | None:
        return exact(seen) if whole and isinstance(seen, int) else rounded(seen)

    return compare


def _as_double(seen: object) -> object:
    value = _as_number(seen)
    return float(value) if isinstance(value, int | float | Decimal) else None


def _level(atom: Atom, scale: tuple[str, ...]) -> Compare:
    """Compare by place on the scale, lowest first."""
    places = {name: place for place, name in enumerate(scale)}
    wanted = tuple(places[str(value)] for value in atom.right)

    def place(seen: object) -> object:
        return places.get(compact(seen)) if isinstance(seen, str) else None

    return _applied(atom.operator, place, wanted)


def _membership(atom: Atom) -> Compare:
    """Compare a fact with several values (roles, the names of an organisation): equal means that it is among them."""
    several = frozenset(atom.right)
    decide = {Operator.NEQ: _none_of, Operator.IS_NONE_OF: _none_of, Operator.IS_ALL_OF: _all_of}.get(
        atom.operator, _any_of
    )

    def compare(seen: object) -> bool | None:
        values = frozenset({seen}) if isinstance(seen, str) else seen
        if not isinstance(values, frozenset | set | list | tuple):
            return None
        return decide(values, several)

    return compare


def _taxonomic(atom: Atom, known: Taxonomy) -> Compare:
    """Compare a concept: `isA` and `isPartOf` look upward, `hasPart` downward, the rest compares exactly."""
    if atom.operator not in _TREE:
        return _applied(atom.operator, _as_text, atom.right)
    wanted = tuple(str(value) for value in atom.right)
    down = atom.operator is Operator.HAS_PART

    def compare(seen: object) -> bool | None:
        if not isinstance(seen, str):
            return None
        found = [known.falls_under(*((each, seen) if down else (seen, each))) for each in wanted]
        if True in found:
            return True
        return None if None in found or (down and seen not in known) else False

    return compare

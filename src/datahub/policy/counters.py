"""The counters a policy speaks of: what each counts, over which window, and up to where.

A window is a fixed stretch of UTC, counted from 1970-01-01: a counter starts anew at a moment everybody can work out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from datahub.policy.model import Operator, Policy, atoms
from datahub.policy.registry import PERIODS, operand


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter: `name` as facts have it (`reads`, `rowsPerDay`); `most` is None where it is not a plain upper bound."""

    name: str
    unit: str
    window_s: int | None
    most: int | None


def counters(policy: Policy) -> tuple[Counter, ...]:
    """Return every counter that a permission or prohibition of the policy looks at, by name, with its tightest bound."""
    found: dict[str, Counter] = {}
    for counter in _stated(policy):
        known = found.get(counter.name)
        bounds = [each.most for each in (counter, known) if each is not None and each.most is not None]
        found[counter.name] = Counter(counter.name, counter.unit, counter.window_s, min(bounds, default=None))
    return tuple(found[name] for name in sorted(found))


def _stated(policy: Policy) -> Iterator[Counter]:
    for rule in (*policy.permissions, *policy.prohibitions):
        for atom in (*atoms(rule.constraint), *atoms(rule.refinement)):
            row = operand(atom.left)
            if row is None or row.sort != "counter":
                continue
            name = "reads" if atom.left == "count" else atom.left.removeprefix("dh:")
            period = next((each for each in PERIODS if name.endswith(each)), "")
            most = atom.right[0] if atom.right else None
            is_bound = atom.operator in {Operator.LT, Operator.LTEQ} and isinstance(most, int)
            bound = int(str(most)) - (atom.operator is Operator.LT) if is_bound else None
            yield Counter(name, name.removesuffix(period), PERIODS[period][0] if period else None, bound)

"""The intermediate form of a policy: one typed, frozen tree that every back end reads.

ODRL Information Model 2.2 §2; the subset the exchange can decide is described in the module `registry`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias

Value: TypeAlias = str | bool | int | Decimal | datetime | date | timedelta


class Kind(StrEnum):
    """ODRL policy kinds the exchange takes (ODRL 2.2 §2.1); a request asks, the others state."""

    SET = "Set"
    OFFER = "Offer"
    AGREEMENT = "Agreement"


class Operator(StrEnum):
    """The twelve operators of ODRL 2.2 §2.5.2."""

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTEQ = "gteq"
    LT = "lt"
    LTEQ = "lteq"
    IS_A = "isA"
    HAS_PART = "hasPart"
    IS_PART_OF = "isPartOf"
    IS_ALL_OF = "isAllOf"
    IS_ANY_OF = "isAnyOf"
    IS_NONE_OF = "isNoneOf"


class Connective(StrEnum):
    """How a logical constraint joins its parts (ODRL 2.2 §2.5.3)."""

    AND = "and"
    OR = "or"
    XONE = "xone"
    AND_SEQUENCE = "andSequence"


class Timing(StrEnum):
    """When a duty must be done, relative to the use it belongs to."""

    PRE = "pre"
    DURING = "during"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Atom:
    """One comparison: the registered left operand, the operator, one or more constants (ODRL 2.2 §2.5).

    `anchor` is a day that a recurring `timeInterval` counts from.
    """

    left: str
    operator: Operator
    right: tuple[Value, ...]
    unit: str | None = None
    anchor: datetime | None = None


@dataclass(frozen=True, slots=True)
class Logical:
    """Several constraints under one connective; never empty."""

    connective: Connective
    parts: tuple["Constraint", ...]


Constraint: TypeAlias = Atom | Logical


@dataclass(frozen=True, slots=True)
class Duty:
    """Something a party must do: an obligation, a condition of a permission, a remedy or a consequence.

    `constraint` says when the duty exists at all, `parameters` what it asks for (amount, term, method).
    """

    action: str
    parameters: tuple[Constraint, ...] = ()
    constraint: Constraint | None = None
    timing: Timing = Timing.POST
    consequences: tuple["Duty", ...] = ()
    uid: str | None = None

    def parameter(self, left: str) -> tuple[Value, ...]:
        """Every constant given for the parameter `left`, in order; empty when it is not set."""
        stated = (atom for parameter in self.parameters for atom in atoms(parameter))
        return tuple(value for atom in stated if atom.left == left for value in atom.right)


@dataclass(frozen=True, slots=True)
class Rule:
    """A permission or a prohibition (the policy's tuple says which).

    A false `constraint` makes the rule inactive; a false `refinement` leaves it active but not about this action
    (Formal Semantics draft, cases A and B). `duties` are conditions of a permission, remedies of a prohibition.
    """

    action: str
    constraint: Constraint | None = None
    refinement: Constraint | None = None
    duties: tuple[Duty, ...] = ()
    target: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    uid: str | None = None


@dataclass(frozen=True)
class Policy:
    """A whole policy: closed by default, prohibitions win."""

    uid: str
    kind: Kind
    permissions: tuple[Rule, ...] = ()
    prohibitions: tuple[Rule, ...] = ()
    obligations: tuple[Duty, ...] = ()
    target: str | None = None
    assigner: str | None = None
    assignee: str | None = None
    timestamp: datetime | None = None
    profiles: tuple[str, ...] = ()

    def __hash__(self) -> int:
        """Hash the tree once: prepared forms are cached per policy."""
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = hash(tuple(getattr(self, each.name) for each in fields(self)))
            object.__setattr__(self, "_hash", known)
        return known


_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, lone surrogates, and what turns the direction of writing: people must see what they agree to."""


def is_readable(text: str) -> bool:
    """Tell whether people see every character of a text as it is."""
    return _UNSEEN.search(text) is None


def _readable(text: str) -> str:
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document: where (JSON pointer), what (stable code), and what to do.

    It quotes the document, so that what people would not see of it, or would see wrongly, is written as an escape.
    """

    pointer: str
    code: str
    message: str
    remedy: str

    def __post_init__(self) -> None:
        for name in ("pointer", "message", "remedy"):
            object.__setattr__(self, name, _readable(getattr(self, name)))


class PolicyFaults(ValueError):  # noqa: N818 (the front door's name: all faults of a document at once)
    """Every fault of a document that could not be read as a policy; nothing of it was used."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{each.pointer or '/'}: {each.message}" for each in faults))
        self.faults = faults


def conjunction(parts: tuple[Constraint, ...]) -> Constraint | None:
    """Join constraints that must all hold; nothing for none, the constraint itself for one (ODRL 2.2 §2.5)."""
    if len(parts) < 2:  # noqa: PLR2004 (a conjunction of one is that one)
        return parts[0] if parts else None
    return Logical(Connective.AND, parts)


def conjuncts(constraint: Constraint | None) -> tuple[Constraint, ...]:
    """Take a conjunction apart again: the inverse of `conjunction`."""
    if constraint is None:
        return ()
    if isinstance(constraint, Logical) and constraint.connective is Connective.AND:
        return constraint.parts
    return (constraint,)


def atoms(constraint: Constraint | None) -> Iterator[Atom]:
    """Yield every comparison of a constraint, left to right."""
    match constraint:
        case Atom():
            yield constraint
        case Logical():
            for part in constraint.parts:
                yield from atoms(part)


def duties_of(policy: Policy) -> Iterator[tuple[str, Duty]]:
    """Yield each duty of the policy with its key: its uid, else the JSON pointer where it stands."""
    for at, rule in enumerate(policy.permissions):
        for each, duty in enumerate(rule.duties):
            yield duty.uid or f"/permission/{at}/duty/{each}", duty
    for at, duty in enumerate(policy.obligations):
        yield duty.uid or f"/obligation/{at}", duty


def all_duties(policy: Policy) -> Iterator[Duty]:
    """Yield every duty of the policy: conditions, remedies, obligations, and their consequences."""
    waiting = [duty for rule in (*policy.permissions, *policy.prohibitions) for duty in rule.duties]
    waiting += policy.obligations
    while waiting:
        duty = waiting.pop()
        waiting += duty.consequences
        yield duty


def all_atoms(policy: Policy) -> Iterator[Atom]:
    """Yield every comparison of the policy, duties included."""
    for rule in (*policy.permissions, *policy.prohibitions):
        yield from atoms(rule.constraint)
        yield from atoms(rule.refinement)
    for duty in all_duties(policy):
        yield from atoms(duty.constraint)
        for parameter in duty.parameters:
            yield from atoms(parameter)

"""The registry: every left operand and action the exchange can place, each with its honest label.

ODRL 2.2 §2.5.1 and §3.3; IDS policy classes 1–25; Catena-X ODRL profile. The rows are data in `policies/`.
A term that is not here is refused at publication: nothing is ever dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any

from datahub.policy.model import Operator, Timing
from datahub.policy.vocabulary import table

ODRL = "http://www.w3.org/ns/odrl/2/"
_SPATIAL_AXIS = "http://w3id.org/odrl/spatial-axis#"
"""A published refinement of ODRL's size and position operands; its names are ours too."""
PROFILE = "urn:datahub:policy:"
"""The exchange's own ODRL profile; its terms are written `dh:…` inside and as full IRIs on the wire."""

NAMESPACES: Mapping[str, str] = {
    "odrl": ODRL,
    "dh": PROFILE,
    "dpv": "https://w3id.org/dpv#",
    "region": "urn:datahub:region:",
    "idsc": "https://w3id.org/idsa/code/",
    "ids": "https://w3id.org/idsa/core/",
    "cx": "https://w3id.org/catenax/policy/",
    "ex": "http://example.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

_ORDERED = frozenset({Operator.GT, Operator.GTEQ, Operator.LT, Operator.LTEQ})
_EQUAL = frozenset({Operator.EQ, Operator.NEQ, Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_ALL_OF})
_TREE = frozenset({Operator.IS_A, Operator.IS_PART_OF, Operator.HAS_PART})

OPERATORS: Mapping[str, frozenset[Operator]] = {
    "instant": _EQUAL | _ORDERED,
    "duration": _EQUAL | _ORDERED,
    "number": _EQUAL | _ORDERED,
    "counter": _EQUAL | _ORDERED,
    "date": _EQUAL | _ORDERED,
    "level": _EQUAL | _ORDERED,
    "text": _EQUAL,
    "column": _EQUAL | _ORDERED,
    "boolean": frozenset({Operator.EQ, Operator.NEQ}),
    "party": _EQUAL | _TREE,
    "labels": _EQUAL | _TREE,
    "event": _EQUAL | _ORDERED,
    "purpose": _EQUAL | _TREE,
    "region": _EQUAL | _TREE,
    "language": _EQUAL | _TREE,
}
"""Which operators make sense for which sort of value."""

LEVELS: Mapping[str, tuple[str, ...]] = {
    "dh:securityLevel": (
        "idsc:BASE_SECURITY_PROFILE",
        "idsc:TRUST_SECURITY_PROFILE",
        "idsc:TRUST_PLUS_SECURITY_PROFILE",
    ),
    "dh:classification": ("public", "internal", "confidential", "secret"),
}
"""The ordered scales, lowest first."""

PERIODS: Mapping[str, tuple[int, str, str]] = {
    "PerHour": (3600, "in an hour", "in een uur"),
    "PerDay": (86_400, "in a day", "op een dag"),
    "PerWeek": (604_800, "in a week", "in een week"),
    "PerMonth": (2_592_000, "in 30 days", "in 30 dagen"),
    "PerYear": (31_536_000, "in 365 days", "in 365 dagen"),
}
"""Rolling windows of counters: seconds, wording."""

UNITS: Mapping[str, tuple[str, str]] = {
    "reads": ("the number of reads", "het aantal keer lezen"),
    "rows": ("the number of rows", "het aantal rijen"),
    "bytes": ("the number of bytes", "het aantal bytes"),
    "subjects": ("the number of data subjects", "het aantal betrokkenen"),
}
"""What a counter can count; a counter is a unit and, at most, a period: `dh:rows`, `dh:rowsPerDay`."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "dh:dayOfWeek": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "dh:timing": ("pre", "during", "post"),
    "dh:membership": ("active", "inactive"),
    "dh:method": (
        "null",
        "fixed",
        "hash",
        "hmac",
        "first4",
        "last4",
        "year",
        "month",
        "day",
        "hour",
        "bucket",
    ),
    "dh:function": ("count", "countDistinct", "sum", "avg", "min", "max"),
}
"""Operands whose values come from a closed list."""


class Enforcement(StrEnum):
    """What the exchange really does about a term (shown in catalogue, offer and agreement)."""

    ENFORCED = "enforced"
    ATTESTED = "attested"
    TRACKED = "tracked"
    LEGAL = "legal"


class Phase(StrEnum):
    """When an operand is decided."""

    REQUEST = "request"
    ROW = "row"
    COLUMN = "column"
    PARAMETER = "parameter"


@dataclass(frozen=True, slots=True)
class Operand:
    """A left operand: its sort, phase, where its fact comes from, and how it is said."""

    name: str
    sort: str
    en: str
    nl: str
    phase: Phase = Phase.REQUEST
    fact: str = "more"
    label: Enforcement = Enforcement.ENFORCED
    missing: str = "unknown"
    public: bool = True
    also: tuple[str, ...] = ()

    @property
    def sql(self) -> str | None:
        """The column this operand reads in SQL; None when it is decided before the query."""
        return self.name.split(":", 2)[2] if self.phase is Phase.ROW and self.name.count(":") > 1 else None

    @property
    def smt(self) -> str:
        """The SMT sort that comparison gives this operand."""
        ordered = {"instant", "duration", "number", "counter", "date", "level"}
        return "Real" if self.sort in ordered else "Bool" if self.sort == "boolean" else "Concept"


@dataclass(frozen=True, slots=True)
class Action:
    """An action: what includes it, and how it behaves as a duty (`shapes`: it changes what leaves, by the plan)."""

    name: str
    en: str
    nl: str
    within: str = "use"
    label: Enforcement = Enforcement.LEGAL
    timing: Timing = Timing.POST
    auto: bool = False
    shapes: bool = False
    evidence: str = "attestation"
    also: tuple[str, ...] = ()


@cache
def operands() -> Mapping[str, Operand]:
    """Return every named left operand."""
    rows: dict[str, Operand] = {}
    for name, row in table("operands").items():
        given: dict[str, Any] = dict(row)
        given["phase"] = Phase(given.get("phase", Phase.REQUEST))
        given["label"] = Enforcement(given.get("label", Enforcement.ENFORCED))
        given["also"] = tuple(given.get("also", ()))
        rows[name] = Operand(name, **given)
    for unit, (en, nl) in UNITS.items():
        rows[f"dh:{unit}"] = Operand(
            f"dh:{unit}", "counter", f"{en} in all", f"{nl} in totaal", fact="counts"
        )
        for period, (_, during, tijdens) in PERIODS.items():
            name = f"dh:{unit}{period}"
            rows[name] = Operand(name, "counter", f"{en} {during}", f"{nl} {tijdens}", fact="counts")
    return rows


@cache
def actions() -> Mapping[str, Action]:
    """Return every action."""
    rows: dict[str, Action] = {}
    for name, row in table("actions").items():
        given: dict[str, Any] = dict(row)
        given["within"] = given.pop("in", "use")
        given["label"] = Enforcement(given.get("label", Enforcement.LEGAL))
        given["timing"] = Timing(given.get("timing", Timing.POST))
        given["also"] = tuple(given.get("also", ()))
        rows[name] = Action(name, **given)
    return rows


@dataclass(frozen=True, slots=True)
class Pattern:
    """A usage pattern: the terms that state it, and what the exchange really does about it."""

    key: str
    en: str
    terms: tuple[str, ...]
    label: Enforcement
    note: str


@cache
def patterns() -> Mapping[str, Pattern]:
    """Return the 25 IDS policy classes and the further patterns A–P, by key."""
    rows: dict[str, Any] = {key: dict(row) for key, row in table("patterns").items()}
    return {
        key: Pattern(key, row["en"], tuple(row["terms"]), Enforcement(row["label"]), row["note"])
        for key, row in rows.items()
    }


COLUMN = "dh:column:"
AGE = "dh:age:"


@lru_cache(maxsize=4096)
def operand(name: str) -> Operand | None:
    """Return the operand of this name; columns (`dh:column:x`, `dh:age:x`) are made on demand."""
    if name.startswith(COLUMN) and len(name) > len(COLUMN):
        column = name.removeprefix(COLUMN)
        return Operand(name, "column", f"the column “{column}”", f"de kolom “{column}”", Phase.ROW, "row")
    if name.startswith(AGE) and len(name) > len(AGE):
        column = name.removeprefix(AGE)
        said = (f"the time since “{column}”", f"de tijd sinds “{column}”")
        return Operand(name, "duration", *said, Phase.ROW, "row")
    return operands().get(name)


@lru_cache(maxsize=4096)
def covering(action: str) -> tuple[str, ...]:
    """Return the action and every action that includes it, nearest first (ODRL 2.2 `includedIn`)."""
    chain: list[str] = []
    while action and action not in chain:
        chain.append(action)
        known = actions().get(action)
        action = known.within if known else ""
    return tuple(chain)


@cache
def _aliases(kind: str) -> Mapping[str, str]:
    rows: Mapping[str, Operand | Action] = operands() if kind == "operand" else actions()
    return {alias.casefold(): name for name, row in rows.items() for alias in row.also}


def compact(term: str) -> str:
    """Shorten an IRI to the name used inside: bare for ODRL, `prefix:name` for other known namespaces."""
    for prefix in (ODRL, "odrl:", _SPATIAL_AXIS):
        if term.startswith(prefix):
            return term.removeprefix(prefix)
    for prefix, namespace in NAMESPACES.items():
        if term.startswith(namespace):
            return f"{prefix}:{term.removeprefix(namespace)}"
    if term.startswith(("https://w3id.org/catenax/", "cx-policy:", "cx:")):
        return f"cx:{term.replace('#', '/').replace(':', '/').rsplit('/', 1)[1]}"
    return term


def expand(term: str) -> str:
    """Write a name as it goes on the wire: bare ODRL terms stay bare, others become full IRIs."""
    prefix, colon, rest = term.partition(":")
    return NAMESPACES[prefix] + rest if colon and prefix in NAMESPACES else term


def find(kind: str, term: str) -> str | None:
    """Return the registered name of an operand or action, following other vocabularies; None when unknown."""
    name = compact(term)
    known: object = operand(name) if kind == "operand" else actions().get(name)
    return name if known else _aliases(kind).get(name.casefold())

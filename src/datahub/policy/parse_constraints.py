"""Reads terms, members and constraints of an ODRL document; what cannot be placed becomes a fault with its pointer.

ODRL Information Model 2.2 §2.5; DSP 2025-1 `contract-schema.json`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from datahub.policy.dialects import (
    ANNOTATIONS,
    BESIDE_PAYMENT,
    ENDS,
    IGNORED,
    IMPLIED,
    IN_DAYS,
    OPERATOR_NAMES,
    PROPERTY_NAMES,
)
from datahub.policy.model import (
    Atom,
    Connective,
    Constraint,
    Fault,
    Logical,
    Operator,
    PolicyFaults,
    conjunction,
    is_readable,
)
from datahub.policy.registry import OPERATORS, Operand, compact, find, operand
from datahub.policy.values import NotAValueError, read_value, sort_of

_ATOM = frozenset(
    {"@id", "uid", "@type", "leftOperand", "operator", "rightOperand", "unit", "dh:refines", "dh:anchor"}
)
_LISTS = frozenset(
    {Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_ALL_OF, Operator.IS_A, Operator.IS_PART_OF}
)
_CONNECTIVES = frozenset(Connective)
_FOREIGN = frozenset({"rightOperandReference", *BESIDE_PAYMENT})
_UNORDERED = frozenset({"text", "level"})
"""Sorts without parts: to be part of a list is to be one of it."""
_MOMENT = Operand("instant", "instant", "the moment", "het moment")
_SCRIPTS = ("javascript:", "vbscript:", "data:")
"""Schemes whose addresses run something when a page shows them as a link."""
_DEEPEST = 16
_MOST_FAULTS = 100


def child(at: str, key: object) -> str:
    """Extend a JSON pointer by one step (RFC 6901 §4)."""
    return f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}"


class ConstraintReader:
    """Walks one document; collects faults and goes on with a harmless stand-in."""

    def __init__(self, *, foreign: bool) -> None:
        self.foreign = foreign
        self.faults: list[Fault] = []
        self.prefixes: dict[str, str] = {}
        self.implied = ""

    def fault(self, at: str, code: str, message: str, remedy: str) -> None:
        """Note one fault and go on; a document full of faults is given up at the hundredth."""
        found = Fault(at, code, message, remedy)
        if found not in self.faults:
            self.faults.append(found)
        if len(self.faults) >= _MOST_FAULTS:
            raise PolicyFaults(tuple(self.faults))

    def term(self, raw: object) -> str:
        """Return the compact name of a term given as text or as `@id`."""
        if isinstance(raw, Mapping) and set(raw) == {"@id"}:
            raw = raw["@id"]
        if not isinstance(raw, str):
            return ""
        prefix, colon, rest = raw.partition(":")
        return compact(self.prefixes[prefix] + rest if colon and prefix in self.prefixes else raw)

    def placed(self, kind: str, raw: object) -> tuple[str | None, str]:
        """Return the registered name of an operand or action, and the name by which the document means it."""
        term = self.term(raw)
        meant = self.implied + term
        name = find(kind, term) if ":" in term or not self.implied else find(kind, meant) or find(kind, term)
        return name, meant if self.implied and ":" not in term else term

    def context(self, raw: object) -> None:
        """Take over the prefixes of a JSON-LD context; contexts given by address are not fetched."""
        for each in raw if isinstance(raw, list) else [raw]:
            if isinstance(each, str):
                known = (name for address, name in IMPLIED.items() if each.startswith(address))
                self.implied = next(known, self.implied)
            if isinstance(each, Mapping):
                for prefix, value in each.items():
                    namespace = value.get("@id") if isinstance(value, Mapping) else value
                    if isinstance(namespace, str) and namespace.endswith(("/", "#", ":")):
                        self.prefixes[str(prefix)] = namespace

    def members(
        self, node: Mapping[object, object], at: str, known: frozenset[str]
    ) -> dict[str, tuple[str, object]]:
        """Return the known members by name with their pointers; a member nobody knows is a fault."""
        found: dict[str, tuple[str, object]] = {}
        for key, value in node.items():
            name = self.term(key)
            name = PROPERTY_NAMES.get(name, name)
            if name in found:
                remedy = "Say it once: put all its values in one list."
                self.fault(child(at, key), "stated-twice", f"“{name}” is stated in two spellings.", remedy)
            elif name in known:
                found[name] = (child(at, key), value)
            elif name not in IGNORED and not name.startswith(ANNOTATIONS):
                remedy = f"Remove it; known here are {', '.join(sorted(known))}."
                self.fault(child(at, key), "unknown-property", f"“{key}” has no meaning here.", remedy)
        return found

    def objects(
        self, found: Mapping[str, tuple[str, object]], name: str
    ) -> Iterator[tuple[str, Mapping[object, object]]]:
        """Yield the objects under a member that holds one or several."""
        at, value = found.get(name, ("", []))
        several = list(value) if isinstance(value, list | tuple) else [value]
        for place, each in enumerate(several):
            here = child(at, place) if isinstance(value, list | tuple) else at
            if isinstance(each, Mapping):
                yield here, each
            else:
                self.fault(here, "wrong-type", f"“{name}” holds objects.", "Write a JSON object.")

    def identifier(self, found: Mapping[str, tuple[str, object]], name: str) -> str | None:
        """Return one identifier (text, `@id`, `uid` or `source`); None when absent."""
        if name not in found:
            return None
        at, raw = found[name]
        if isinstance(raw, list) and len(raw) == 1:
            raw = raw[0]
        if isinstance(raw, Mapping):
            raw = next(
                (value for key, value in raw.items() if self.term(key) in {"@id", "uid", "source"}), raw
            )
        if (
            isinstance(raw, str)
            and raw
            and not raw.startswith("_:")
            and is_readable(raw)
            and not any(character <= " " or character in '<>"{}|\\^`' for character in raw)
            and not raw.casefold().startswith(_SCRIPTS)
        ):
            return raw
        self.fault(
            at,
            "wrong-type",
            f"“{name}” is one identifier.",
            "Write an IRI without spaces, quotes or brackets that runs nothing.",
        )
        return None

    def conjuncts(
        self, found: Mapping[str, tuple[str, object]], name: str, depth: int, *, refining: bool | None = None
    ) -> tuple[Constraint, ...]:
        """Read a list of constraints; `refining` picks those that are (not) marked as refinements of the action."""
        if name not in found:
            return ()
        at, value = found[name]
        if isinstance(value, Mapping) and set(value) == {"@list"}:
            found = {name: (at, value["@list"])}
        parts = (
            self.constraint(node, here, depth)
            for here, node in self.objects(found, name)
            if refining is None or refining == any(self.term(key) == "dh:refines" for key in node)
        )
        return tuple(part for part in parts if part is not None)

    def constraint(self, node: Mapping[object, object], at: str, depth: int) -> Constraint | None:
        """Read one constraint, a comparison or a connective; None when it is faulty."""
        found = self.members(node, at, _ATOM | _CONNECTIVES | (_FOREIGN if self.foreign else frozenset()))
        joined = [name for name in found if name in _CONNECTIVES]
        if depth > _DEEPEST:
            self.fault(
                at, "too-deep", f"Constraints nest more than {_DEEPEST} deep.", "Flatten the constraint."
            )
        elif len(joined) > 1 or (joined and "leftOperand" in found):
            self.fault(
                at,
                "mixed-constraint",
                "A constraint is one comparison or one connective.",
                "Nest them instead.",
            )
        elif joined:
            parts = self.conjuncts(found, joined[0], depth + 1)
            if parts and Connective(joined[0]) is Connective.AND:
                return conjunction(parts)
            if parts:
                return Logical(Connective(joined[0]), parts)
            if not self.faults:
                self.fault(
                    at, "empty-constraint", f"“{joined[0]}” joins nothing.", "Add constraints or remove it."
                )
        else:
            return self.with_terms(self.atom(found, at), found)
        return None

    def with_terms(self, atom: Atom | None, found: Mapping[str, tuple[str, object]]) -> Constraint | None:
        """Add what IDS says beside a payment (its contract form, its frequency) as comparisons of their own."""
        said = ((left, self.identifier(found, name)) for name, left in BESIDE_PAYMENT.items())
        terms = tuple(Atom(left, Operator.EQ, (value,)) for left, value in said if value)
        return conjunction((atom, *terms)) if atom else None

    def atom(self, found: Mapping[str, tuple[str, object]], at: str) -> Atom | None:
        """Read one comparison; both its sides must be placed in the registry."""
        if self.foreign and "rightOperandReference" in found:
            where, address = found["rightOperandReference"]
            found = {**found, "rightOperand": (where, _address(address))}
        missing = [name for name in ("leftOperand", "operator", "rightOperand") if name not in found]
        if missing:
            for name in missing:
                self.fault(
                    at,
                    "incomplete-constraint",
                    f"The constraint has no {name}.",
                    f"Add {name} (ODRL 2.2 §2.5).",
                )
            return None
        where, raw = found["leftOperand"]
        left, meant = self.placed("operand", raw)
        if left is None:
            message = f"The exchange cannot place the left operand “{self.term(raw) or raw}”."
            self.fault(
                where,
                "unknown-left-operand",
                message,
                "Use a registered left operand, or state it as text outside.",
            )
        at_operator, raw_operator = found["operator"]
        name = self.term(raw_operator)
        operator = OPERATOR_NAMES.get(name)
        if operator is None:
            self.fault(
                at_operator,
                "unknown-operator",
                f"“{name or raw_operator}” is no operator.",
                "Use one of ODRL 2.2's.",
            )
        if left is None or operator is None:
            return None
        if meant in ENDS and operator is Operator.EQ:
            operator = Operator.LTEQ
        if meant in IN_DAYS:
            found = {**found, "rightOperand": _in_days(found["rightOperand"])}
        return self.comparison(left, operator, found, at)

    def comparison(
        self, left: str, operator: Operator, found: Mapping[str, tuple[str, object]], at: str
    ) -> Atom | None:
        """Read the constants of a comparison by the sort of its left operand."""
        row = operand(left)
        if row is None:  # pragma: no cover (find has placed it)
            return None
        where, raw = found["rightOperand"]
        if isinstance(raw, Mapping) and set(raw) == {"@list"}:
            raw = raw["@list"]
        several = raw if isinstance(raw, list | tuple) else [raw]
        right = []
        for place, each in enumerate(several):
            try:
                right.append(read_value(row, each, foreign=self.foreign))
            except NotAValueError as wrong:
                pointer = child(where, place) if isinstance(raw, list | tuple) else where
                self.fault(pointer, wrong.code, f"{row.name}: {wrong}", wrong.remedy)
        if row.sort in _UNORDERED and operator in {Operator.IS_A, Operator.IS_PART_OF}:
            operator = Operator.IS_ANY_OF
        if operator not in _LISTS and len(several) != 1:
            self.fault(
                where,
                "one-value-expected",
                f"“{operator}” compares with one value.",
                "Use isAnyOf for several.",
            )
        sorts = {sort_of(value) for value in right} if row.sort == "column" else {row.sort}
        if len(sorts) > 1:
            self.fault(where, "mixed-values", "The values are of several types.", "Use values of one type.")
        elif sorts and operator not in OPERATORS[min(sorts)]:
            names = ", ".join(sorted(OPERATORS[min(sorts)]))
            self.fault(
                at,
                "operator-not-allowed",
                f"“{operator}” does not go with {row.name}.",
                f"Use one of {names}.",
            )
        if "unit" in found and row.sort not in {"number", "counter", "column", "duration"}:
            self.fault(found["unit"][0], "unit-not-allowed", f"{row.name} has no unit.", "Remove the unit.")
        unit = self.identifier(found, "unit")
        return Atom(left, operator, tuple(right), unit, self.anchor(found, left, operator))

    def anchor(
        self, found: Mapping[str, tuple[str, object]], left: str, operator: Operator
    ) -> datetime | None:
        """Read the day that a recurring interval counts from."""
        at, raw = found.get("dh:anchor", ("", None))
        if raw is None:
            return None
        if left != "timeInterval" or operator is not Operator.EQ:
            self.fault(
                at, "anchor-not-allowed", "Only “timeInterval eq” has an anchor.", "Remove the anchor."
            )
        return self.instant(at, raw)

    def instant(self, at: str, raw: object) -> datetime | None:
        """Read a date and time that is no constant of a comparison."""
        try:
            value = read_value(_MOMENT, raw)
        except NotAValueError as wrong:
            self.fault(at, wrong.code, str(wrong), wrong.remedy)
            return None
        return value if isinstance(value, datetime) else None


def _in_days(found: tuple[str, object]) -> tuple[str, object]:
    """Write a bare number of days as a duration; anything else is left to be refused."""
    at, raw = found
    text = str(raw.get("@value") if isinstance(raw, Mapping) else raw).strip()
    return at, f"P{text}D" if text.isdecimal() else raw


def _address(raw: object) -> object:
    """Keep the address of a value as a constant to be filled in."""
    if isinstance(raw, Mapping):
        raw = raw.get("@value", raw.get("@id"))
    return f"?{raw.removeprefix('?')}" if isinstance(raw, str) else raw

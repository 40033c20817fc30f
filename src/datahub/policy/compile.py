"""Compiles a policy for known facts and unknown rows into a plan: which cells may leave, and how.

Partial evaluation on the prepared tree: what the facts settle becomes a truth value, what depends on the row stays. The
law, held by differential tests: a cell is in the result of the plan's SQL exactly when `decide` permits it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from datahub.policy.evaluate import Check, PreparedRule, Truth, prepare
from datahub.policy.facts import Facts
from datahub.policy.model import Atom, Connective, Duty, Operator, Policy, atoms
from datahub.policy.registry import AGE, COLUMN, PERIODS, Phase, operand
from datahub.policy.values import bucket_steps, is_unresolved, sort_of

ColumnSort: TypeAlias = Literal["text", "integer", "number", "boolean", "instant", "timestamp", "date"]
"""What a table's column holds; `timestamp` is a moment without a zone, read as UTC; `number` is any other number."""

_FITTING: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "instant": frozenset({"instant", "timestamp"}),
    "date": frozenset({"date"}),
}


@dataclass(frozen=True, slots=True)
class Known:
    """Something the facts settle, for every row alike."""

    truth: Truth


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison left to the row."""

    atom: Atom


@dataclass(frozen=True, slots=True)
class Join:
    """Several residuals under one connective (never andSequence: on rows it is a conjunction)."""

    connective: Connective
    parts: tuple["Residual", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The negation of a residual, as Kleene has it: unknown stays unknown."""

    part: "Residual"


Residual: TypeAlias = Known | Test | Join | Not

TRUE, FALSE, UNKNOWN = Known(True), Known(False), Known(None)  # noqa: FBT003 (that is the value)


@dataclass(frozen=True, slots=True)
class Mask:
    """How a column is hidden: the method; for `fixed` what replaces the value, for `bucket` the width or the bounds.

    `steps`: one whole number above zero is the width of every bucket; several are the lower bounds, in order.
    """

    method: str
    replacement: str | None = None
    steps: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Write the method with what it takes, but for a text that replaces: `year`, `bucket 10`, `bucket 0 18 65`."""
        return " ".join((self.method, *map(str, self.steps)))


@dataclass(frozen=True, slots=True)
class Cell:
    """When a column's value may leave as it is, and when only masked."""

    column: str
    raw: Residual
    masked: tuple[tuple[Mask, Residual], ...] = ()

    @property
    def rows(self) -> Residual:
        """The rows in which anything of this column may leave."""
        return join(Connective.OR, (self.raw, *(rows for _, rows in self.masked)))


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows that may leave in groups only: the smallest group, what counts it, and the functions allowed (none: any)."""

    rows: Residual
    minimum: int
    entity_key: str | None = None
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What may leave under one policy for one attempt. `limits` holds what is left of each counter that limits it."""

    cells: tuple[Cell, ...]
    groups: tuple[Groups, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    schema: Mapping[str, ColumnSort] = field(default_factory=dict)

    @property
    def rows(self) -> Residual:
        """The rows of which at least one cell may leave."""
        return join(Connective.OR, tuple(cell.rows for cell in self.cells))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of which anything may leave."""
        return tuple(cell.column for cell in self.cells if cell.rows != FALSE)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all may leave."""
        return not self.columns and all(group.rows == FALSE for group in self.groups)

    @property
    def needs_consent(self) -> bool:
        """Whether any row's fate hangs on the consent of its data subject."""
        residuals = (self.rows, *(group.rows for group in self.groups))
        return any(atom.left == "dh:consent" for residual in residuals for atom in residual_atoms(residual))


def plan(
    policy: Policy, facts: Facts, schema: Mapping[str, ColumnSort], *, consent: bool | None = None
) -> Plan:
    """Return what may leave of a table with these columns. A column the schema does not know is unknown in every row.

    `consent`: what is known of the consent of every row's subject, where only such rows are judged.
    """
    prepared = prepare(policy)
    facts = replace(facts, row={}, consent=consent)
    stopped = any(duty.applies(facts) and duty.state(facts) == "violated" for duty in prepared.obligations)
    granting = [] if stopped else [rule for rule in prepared.permissions if _may_grant(rule, facts)]
    biting = [rule for rule in prepared.prohibitions if _may_bite(rule, facts)]
    cells = tuple(_cell(column, granting, biting, replace(facts, column=column), schema) for column in schema)
    grouped = (_groups(rule, duty, biting, facts, schema) for rule in granting if (duty := _grouping(rule)))
    return Plan(cells, tuple(grouped), _limits(granting, facts), dict(schema))


def _may_grant(rule: PreparedRule, facts: Facts) -> bool:
    return (
        rule.covers(facts)
        and rule.on_target(facts) is True
        and rule.on_party(facts) is True
        and not any(duty.applies(facts) and duty.blocks(facts) for duty in rule.duties)
    )


def _may_bite(rule: PreparedRule, facts: Facts) -> bool:
    return rule.covers(facts) and rule.on_target(facts) is not False and rule.on_party(facts) is not False


def _cell(
    column: str,
    granting: Iterable[PreparedRule],
    biting: Iterable[PreparedRule],
    facts: Facts,
    schema: Mapping[str, ColumnSort],
) -> Cell:
    free = negated(join(Connective.OR, tuple(_residual_of(rule, facts, schema) for rule in biting)))
    raw: list[Residual] = []
    masked: dict[Mask, list[Residual]] = {}
    for rule in granting:
        if _grouping(rule):
            continue
        rows = when_true(join(Connective.AND, (_residual_of(rule, facts, schema), free)))
        mask = _mask(rule, column)
        (raw if mask is None else masked.setdefault(mask, [])).append(rows)
    layers = ((mask, join(Connective.OR, tuple(rows))) for mask, rows in masked.items())
    return Cell(
        column, join(Connective.OR, tuple(raw)), tuple(layer for layer in layers if layer[1] != FALSE)
    )


def _residual_of(rule: PreparedRule, facts: Facts, schema: Mapping[str, ColumnSort]) -> Residual:
    checks = (check for check in (rule.constraint, rule.refinement) if check is not None)
    return join(Connective.AND, tuple(residual(check, facts, schema) for check in checks))


_STRICTNESS: Final = (
    "null",
    "fixed",
    "hmac",
    "hash",
    "bucket",
    "year",
    "month",
    "day",
    "hour",
    "last4",
    "first4",
)
"""The masks from what leaves least of a value to what leaves most; a method not named here leaves nothing."""


def _mask(rule: PreparedRule, column: str) -> Mask | None:
    """Return the mask a permission puts on a column; all its duties hold at once, so of several the strictest."""
    found = []
    for duty in rule.rule.duties:
        if duty.action == "dh:mask" and column in duty.parameter("dh:maskedColumn"):
            (method, *_) = (*duty.parameter("dh:method"), "null")
            replacement = next((str(value) for value in duty.parameter("dh:replaceWith")), None)
            if replacement is not None:
                found.append(Mask("fixed", replacement))
            elif method == "bucket":
                found.append(_bucket(duty))
            else:
                found.append(Mask(str(method)))
    return min(found, key=_leaves, default=None)


def _bucket(duty: Duty) -> Mask:
    """Return the mask of whole numbers that a duty states; one that was not refused when read leaves nothing."""
    steps = bucket_steps(duty.parameter("dh:step"))
    return Mask("null") if steps is None else Mask("bucket", None, steps)


def _leaves(mask: Mask) -> tuple[int, int]:
    """Order masks by what they leave; of two rows of buckets, the one whose narrowest is wider leaves less."""
    if mask.method not in _STRICTNESS:
        return -1, 0
    widths = [high - low for low, high in pairwise(mask.steps)] or [*mask.steps] or [0]
    return _STRICTNESS.index(mask.method), -min(widths)


def _grouping(rule: PreparedRule) -> Duty | None:
    found = [duty for duty in rule.rule.duties if duty.action == "dh:aggregateOnly"]
    return max(found, key=_minimum, default=None)


def _minimum(duty: Duty) -> int:
    sizes = (int(value) for value in duty.parameter("dh:minimumGroup") if isinstance(value, int))
    return max(sizes, default=2)


def _groups(
    rule: PreparedRule,
    duty: Duty,
    biting: Iterable[PreparedRule],
    facts: Facts,
    schema: Mapping[str, ColumnSort],
) -> Groups:
    prohibited = join(Connective.OR, tuple(_residual_of(each, facts, schema) for each in biting))
    rows = when_true(join(Connective.AND, (_residual_of(rule, facts, schema), negated(prohibited))))
    minimum = _minimum(duty)
    key = next((str(value) for value in duty.parameter("dh:entityKey")), None)
    return Groups(rows, minimum, key, tuple(str(value) for value in duty.parameter("dh:function")))


def _limits(granting: Iterable[PreparedRule], facts: Facts) -> Mapping[str, int]:
    """Return what is left per counter: within a permission the tightest limit, among permissions the widest."""
    per_rule = [_limits_of(rule, facts) for rule in granting]
    shared = set.intersection(*(set(each) for each in per_rule)) if per_rule else set()
    return {unit: max(each[unit] for each in per_rule) for unit in shared}


def _limits_of(rule: PreparedRule, facts: Facts) -> dict[str, int]:
    left: dict[str, int] = {}
    for atom in (*atoms(rule.rule.constraint), *atoms(rule.rule.refinement)):
        row = operand(atom.left)
        most = atom.right[0] if atom.right else None
        if (
            row
            and row.sort == "counter"
            and atom.operator in {Operator.LT, Operator.LTEQ}
            and isinstance(most, int)
        ):
            name = "reads" if atom.left == "count" else atom.left.removeprefix("dh:")
            remaining = (
                most - (atom.operator is Operator.LT) - facts.counts.get(name, facts.counts.get(atom.left, 0))
            )
            unit = next((name.removesuffix(period) for period in PERIODS if name.endswith(period)), name)
            left[unit] = min(remaining, left.get(unit, remaining))
    return left


def residual(check: Check, facts: Facts, schema: Mapping[str, ColumnSort]) -> Residual:
    """Evaluate what the facts settle; keep what depends on the row."""
    if not check.on_rows:
        return Known(check.test(facts))
    node = check.node
    if isinstance(node, Atom):
        row = operand(node.left)
        is_settled = node.left == "dh:consent" and facts.consent is not None
        if is_settled or (row is not None and row.phase is Phase.COLUMN):
            return Known(check.test(facts))
        return Test(node) if _fits(node, facts, schema) else UNKNOWN
    connective = Connective.AND if node.connective is Connective.AND_SEQUENCE else node.connective
    return join(connective, tuple(residual(part, facts, schema) for part in check.parts))


def _fits(atom: Atom, facts: Facts, schema: Mapping[str, ColumnSort]) -> bool:
    """Whether the comparison can be made at all: a known column of a fitting sort, and for an age the time."""
    if any(is_unresolved(value) for value in atom.right):
        return False
    if atom.left == "dh:consent":
        return True
    if atom.left.startswith(AGE):
        return facts.now is not None and schema.get(atom.left.removeprefix(AGE)) in _FITTING["instant"]
    sort = schema.get(atom.left.removeprefix(COLUMN))
    return sort in _FITTING[sort_of(atom.right[0])] if atom.right else sort == "text"


def join(connective: Connective, parts: tuple[Residual, ...]) -> Residual:
    """Join residuals and settle what can be settled."""
    if connective is Connective.XONE:
        return (
            Join(connective, parts)
            if any(not isinstance(part, Known) for part in parts)
            else _exactly_one(parts)
        )
    absorbing, neutral = (FALSE, TRUE) if connective is Connective.AND else (TRUE, FALSE)
    flat: dict[Residual, None] = {}
    for part in parts:
        same = isinstance(part, Join) and part.connective is connective
        flat.update(dict.fromkeys(part.parts if same and isinstance(part, Join) else (part,)))
    flat.pop(neutral, None)
    if absorbing in flat:
        return absorbing
    if len(flat) <= 1:
        return next(iter(flat), neutral)
    return Join(connective, tuple(flat))


def _exactly_one(parts: tuple[Residual, ...]) -> Known:
    truths = [part.truth for part in parts if isinstance(part, Known)]
    if truths.count(True) > 1:
        return FALSE
    return UNKNOWN if None in truths else Known(True in truths)


def when_true(part: Residual) -> Residual:
    """Drop what can never be true, where only truth counts: something unknown lets nothing leave."""
    if isinstance(part, Join) and part.connective is Connective.OR:
        return join(Connective.OR, tuple(when_true(each) for each in part.parts))
    hopeless = part == UNKNOWN or (
        isinstance(part, Join) and UNKNOWN in part.parts and part.connective is Connective.AND
    )
    return FALSE if hopeless else part


def negated(part: Residual) -> Residual:
    """Negate a residual."""
    if isinstance(part, Known):
        return Known(None if part.truth is None else not part.truth)
    return Not(part)


def residual_atoms(part: Residual) -> Iterable[Atom]:
    """Yield every comparison left to the row."""
    match part:
        case Test(atom):
            yield atom
        case Not(inner):
            yield from residual_atoms(inner)
        case Join(_, parts):
            for each in parts:
                yield from residual_atoms(each)

"""Explains a decision: the smallest set of conditions that denied it, and the nearest changes that would permit it.

Both are found on the prepared tree. Codes are stable; sentences exist in Dutch and English, for two readers: the
requester learns what it must change, the provider also sees the values it compared with.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from datahub.policy.evaluate import Check, Prepared, PreparedRule, bites, is_active
from datahub.policy.facts import Facts, source
from datahub.policy.model import Atom, Connective, Duty
from datahub.policy.registry import Enforcement, operand

View: TypeAlias = Literal["requester", "provider"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One condition that stood in the way: what was wanted, and what was seen (None: nothing known).

    `pointer` names the rule. `met` tells what would help: the condition true (a permission) or false (a prohibition).
    """

    code: str
    pointer: str
    wanted: Atom | Duty | str | None = None
    seen: object = field(default=None, compare=False)
    met: bool = True

    @property
    def is_public(self) -> bool:
        """Whether the requester may see the value that was wanted."""
        row = operand(self.wanted.left) if isinstance(self.wanted, Atom) else None
        return row is None or row.public

    @property
    def remedy(self) -> str:
        """Return the code of the change that would take this reason away."""
        if isinstance(self.wanted, Atom):
            row = operand(self.wanted.left)
            if row is None:  # pragma: no cover (the reader places every operand)
                return "ask-provider"
            if row.label is Enforcement.ATTESTED:
                return "present-credential"
            if not row.public:
                return "ask-provider"
            return _REMEDIES.get(row.sort if row.fact != "row" else "row", "change-value")
        return "fulfil-duty" if self.code.startswith("duty") else _REMEDIES.get(self.code, "ask-provider")


_REMEDIES: Final = {
    "purpose": "change-purpose",
    "instant": "change-moment",
    "duration": "change-moment",
    "counter": "wait-or-ask-more",
    "row": "narrow-rows",
    "action-not-permitted": "change-action",
    "no-permission": "ask-provider",
}


@dataclass(frozen=True, slots=True)
class RuleReport:
    """What became of one rule: whether it was active, and whether it permitted or prohibited this."""

    pointer: str
    uid: str | None
    active: bool
    applied: bool


def rule_reports(prepared: Prepared, facts: Facts) -> tuple[RuleReport, ...]:
    """Report on every rule, permissions first; activity and effect are kept apart (draft cases A and B)."""
    permissions = (_report(rule, facts, positive=True) for rule in prepared.permissions)
    prohibitions = (_report(rule, facts, positive=False) for rule in prepared.prohibitions)
    return (*permissions, *prohibitions)


def _report(rule: PreparedRule, facts: Facts, *, positive: bool) -> RuleReport:
    if positive:
        active = is_active(rule, facts)
        matched = rule.covers(facts) and rule.on_target(facts) is True and rule.on_party(facts) is True
        narrowed = rule.refinement is None or rule.refinement.test(facts) is True
        return RuleReport(rule.pointer, rule.rule.uid, active, active and matched and narrowed)
    active = rule.constraint is None or rule.constraint.test(facts) is not False
    return RuleReport(rule.pointer, rule.rule.uid, active, bites(rule, facts))


def failing(prepared: Prepared, facts: Facts) -> tuple[Reason, ...]:
    """Return a smallest set of reasons that suffices to deny: one prohibition, or one reason per permission."""
    prohibited = [rule for rule in prepared.prohibitions if bites(rule, facts)]
    if prohibited:
        rule = prohibited[0]
        return (Reason("prohibited", rule.pointer, rule.rule.action, facts.action), *_causes(rule, facts))
    broken = tuple(
        Reason("duty-violated", duty.key, duty.duty, "violated")
        for duty in prepared.obligations
        if duty.applies(facts) and duty.state(facts) == "violated"
    )
    if broken:
        return broken[:1]
    reasons: dict[Reason, None] = {}
    for rule in prepared.permissions:
        smallest = min(_blocks(rule, facts), key=len)
        reasons.update(dict.fromkeys(smallest))
    return tuple(reasons) or (Reason("no-permission", ""),)


def changes(prepared: Prepared, facts: Facts) -> tuple[Reason, ...]:
    """Return the nearest changes that would permit: the fewest conditions of one permission, plus every prohibition."""
    lifted = [
        change
        for rule in prepared.prohibitions
        if bites(rule, facts)
        for change in min(
            _ways_out(rule, facts),
            key=len,
            default=(Reason("prohibited", rule.pointer, rule.rule.action, facts.action),),
        )
    ]
    lifted += [
        Reason("duty-violated", duty.key, duty.duty, "violated")
        for duty in prepared.obligations
        if duty.applies(facts) and duty.state(facts) == "violated"
    ]
    ways = [
        tuple(reason for block in _obstacles(rule, facts) for reason in block)
        for rule in prepared.permissions
    ]
    nearest = min(ways, key=_distance, default=(Reason("no-permission", ""),))
    return tuple(dict.fromkeys((*lifted, *nearest)))


def _distance(way: tuple[Reason, ...]) -> tuple[int, int]:
    """Prefer ways the requester can go alone: not another organisation, not another dataset."""
    fixed = {"party-not-permitted", "target-not-covered", "action-not-permitted"}
    return sum(reason.code in fixed or not reason.is_public for reason in way), len(way)


def _matching(rule: PreparedRule, facts: Facts) -> Iterator[Reason]:
    if not rule.covers(facts):
        yield Reason("action-not-permitted", rule.pointer, rule.rule.action, facts.action)
    if rule.on_target(facts) is not True:
        yield Reason("target-not-covered", rule.pointer, rule.target)
    if rule.on_party(facts) is not True:
        yield Reason("party-not-permitted", rule.pointer, rule.assignee)


def _duties(rule: PreparedRule, facts: Facts) -> Iterator[Reason]:
    for duty in rule.duties:
        if duty.applies(facts) and duty.blocks(facts):
            state = duty.state(facts)
            yield Reason(f"duty-{'violated' if state == 'violated' else 'open'}", duty.key, duty.duty, state)


def _blocks(rule: PreparedRule, facts: Facts) -> list[tuple[Reason, ...]]:
    """Return sets of reasons, each of which alone stops this permission; never empty for a denied request."""
    blocks: list[tuple[Reason, ...]] = [
        (reason,) for reason in (*_matching(rule, facts), *_duties(rule, facts))
    ]
    checks = (check for check in (rule.constraint, rule.refinement) if check is not None)
    blocks.extend(
        tuple(smallest_cause(check, facts, rule.pointer)) for check in checks if check.test(facts) is not True
    )
    return blocks


def _obstacles(rule: PreparedRule, facts: Facts) -> list[tuple[Reason, ...]]:
    """Return what must all change before this permission would permit."""
    obstacles: list[tuple[Reason, ...]] = [
        (reason,) for reason in (*_matching(rule, facts), *_duties(rule, facts))
    ]
    checks = (check for check in (rule.constraint, rule.refinement) if check is not None)
    obstacles.extend(tuple(nearest(check, facts, rule.pointer, wanted=True)) for check in checks)
    return obstacles


def _ways_out(rule: PreparedRule, facts: Facts) -> list[tuple[Reason, ...]]:
    """Return the ways to leave a prohibition's reach: make its constraint or refinement false."""
    checks = (check for check in (rule.constraint, rule.refinement) if check is not None)
    return [tuple(nearest(check, facts, rule.pointer, wanted=False)) for check in checks]


def _causes(rule: PreparedRule, facts: Facts) -> Iterator[Reason]:
    for check in (rule.constraint, rule.refinement):
        if check is not None:
            yield from (reason for reason in nearest(check, facts, rule.pointer, wanted=False))


def nearest(check: Check, facts: Facts, pointer: str, *, wanted: bool) -> list[Reason]:
    """Return the fewest comparisons whose answer must change before the constraint is `wanted`; none when it is."""
    if check.test(facts) is wanted:
        return []
    node = check.node
    if isinstance(node, Atom):
        return [_reason(node, facts, pointer, met=wanted)]
    if node.connective is Connective.XONE:
        return _nearest_exclusive(check, facts, pointer, wanted=wanted)
    needs_all = (node.connective is not Connective.OR) is wanted
    ways = [nearest(part, facts, pointer, wanted=wanted) for part in check.parts]
    return [reason for way in ways for reason in way] if needs_all else min(ways, key=len)


def _nearest_exclusive(check: Check, facts: Facts, pointer: str, *, wanted: bool) -> list[Reason]:
    """Exactly one must be true; not so when none is, or when two are."""
    to_true = [nearest(part, facts, pointer, wanted=True) for part in check.parts]
    to_false = [nearest(part, facts, pointer, wanted=False) for part in check.parts]
    if wanted:
        ways = [
            way + [reason for other, away in enumerate(to_false) if other != at for reason in away]
            for at, way in enumerate(to_true)
        ]
    else:
        ways = [[reason for away in to_false for reason in away]]
        ways += [way + other for at, way in enumerate(to_true) for other in to_true[at + 1 :]]
    return min(ways, key=len)


def smallest_cause(check: Check, facts: Facts, pointer: str) -> list[Reason]:
    """Return the fewest comparisons that alone keep the constraint from being true."""
    node = check.node
    if isinstance(node, Atom):
        return [_reason(node, facts, pointer, met=True)]
    if node.connective is Connective.XONE:
        return _exclusive_cause(check, facts, pointer)
    causes = [smallest_cause(part, facts, pointer) for part in check.parts if part.test(facts) is not True]
    return (
        [reason for cause in causes for reason in cause]
        if node.connective is Connective.OR
        else min(causes, key=len)
    )


def _exclusive_cause(check: Check, facts: Facts, pointer: str) -> list[Reason]:
    true = [part for part in check.parts if part.test(facts) is True]
    if len(true) > 1:
        return [reason for part in true[:2] for reason in nearest(part, facts, pointer, wanted=False)]
    return [
        reason for part in check.parts if part not in true for reason in smallest_cause(part, facts, pointer)
    ]


def _reason(atom: Atom, facts: Facts, pointer: str, *, met: bool) -> Reason:
    row = operand(atom.left)
    seen = source(row)(facts) if row is not None else None
    ending = "unknown" if seen is None else "not-met" if met else "prohibited"
    return Reason(f"{slug(atom.left)}-{ending}", pointer, atom, seen, met)


def slug(left: str) -> str:
    """Return the stable code word of a left operand: `dateTime` gives `date-time`, a column gives `column`."""
    parts = left.split(":")
    name = parts[1] if len(parts) > 1 else parts[0]
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("-")

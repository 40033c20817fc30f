"""Says what a policy holds that its writer may not mean; read when it is published. Needs no solver.

- A prohibition that hangs on legal text: nobody here can tell when it bites, and what is unknown is forbidden.
- A comparison with an empty list that always holds: nothing is missing from it, and nothing is excluded by it.
- More than one duty to release groups only on one permission: the one with the largest group counts.
"""

from collections.abc import Iterator
from typing import Final

from datahub.policy.model import Fault, Operator, Policy, Rule, atoms
from datahub.policy.registry import operand
from datahub.policy.wording import quote

_REMEDY: Final = (
    "Say it as a condition of a permission, which holds once it is accepted, or as an obligation. "
    "Keep it only if nothing that this prohibition speaks of may happen."
)
_HOLD_ON_NOTHING: Final = frozenset({Operator.IS_ALL_OF, Operator.IS_NONE_OF})


def cautions(policy: Policy) -> tuple[Fault, ...]:
    """Return a finding (`legal-prohibition`, `empty-list`, `several-groupings`) per rule that has one."""
    return (*_legal(policy), *_empty(policy), *_several(policy))


def _legal(policy: Policy) -> Iterator[Fault]:
    for at, rule in enumerate(policy.prohibitions):
        if texts := sorted(set(_texts(rule))):
            yield Fault(f"/prohibition/{at}", "legal-prohibition", _sentence(texts), _REMEDY)


def _empty(policy: Policy) -> Iterator[Fault]:
    for kind, rules in (("permission", policy.permissions), ("prohibition", policy.prohibitions)):
        for at, rule in enumerate(rules):
            for atom in (*atoms(rule.constraint), *atoms(rule.refinement)):
                if atom.operator in _HOLD_ON_NOTHING and not atom.right:
                    message = f"“{atom.left} {atom.operator.value}” an empty list always holds."
                    yield Fault(
                        f"/{kind}/{at}", "empty-list", message, "Name at least one value, or leave it out."
                    )


def _several(policy: Policy) -> Iterator[Fault]:
    for at, rule in enumerate(policy.permissions):
        if sum(duty.action == "dh:aggregateOnly" for duty in rule.duties) > 1:
            message = "Of several duties to release groups only, the one with the largest group counts."
            remedy = "Keep one, or give each a permission of its own."
            yield Fault(f"/permission/{at}", "several-groupings", message, remedy)


def _sentence(texts: list[str]) -> str:
    return (
        f"Nobody here can tell when {', '.join(texts)} (legal text) applies: it counts as if it always did."
    )


def _texts(rule: Rule) -> Iterator[str]:
    for atom in (*atoms(rule.constraint), *atoms(rule.refinement)):
        row = operand(atom.left)
        if row is not None and row.missing == "agreed":
            yield quote(row.en)

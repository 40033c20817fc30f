"""Policy tests and change previews: pure functions over attempts that are given.

A provider keeps examples with an offer (who, purpose, when, row → permit or deny); a change that breaks one is shown
before it is saved. A preview tells which of many attempts gain, lose or stay. Same engine as in production.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from datahub.policy.decision import Decision, decide
from datahub.policy.evaluate import Prepared, left_open, prepare
from datahub.policy.facts import Facts
from datahub.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Example:
    """One expectation: these facts, and whether use is permitted (through a plan counts as permitted)."""

    title: str
    facts: Facts
    permit: bool


@dataclass(frozen=True, slots=True)
class Change:
    """How one attempt fares under the new policy: `gains`, `loses` or `stays`."""

    facts: Facts
    effect: str
    before: bool
    after: bool


_EFFECTS: Final[Mapping[tuple[bool, bool], str]] = {
    (False, True): "gains",
    (True, False): "loses",
    (True, True): "stays",
    (False, False): "stays",
}


def broken_examples(policy: Policy, examples: Iterable[Example]) -> tuple[tuple[Example, Decision], ...]:
    """Return the examples this policy decides otherwise, with the decision that breaks them."""
    decided = ((example, decide(policy, example.facts)) for example in examples)
    return tuple(
        (example, decision)
        for example, decision in decided
        if (decision.permit or decision.permit_with_plan) != example.permit
    )


def preview(before: Policy, after: Policy, attempts: Iterable[Facts]) -> tuple[Change, ...]:
    """Return how each attempt fares when `after` replaces `before`; ten thousand take well under a second."""
    old, new = prepare(before), prepare(after)
    pairs = ((facts, _flows(old, facts), _flows(new, facts)) for facts in attempts)
    return tuple(Change(facts, _EFFECTS[was, becomes], was, becomes) for facts, was, becomes in pairs)


def _flows(prepared: Prepared, facts: Facts) -> bool:
    if prepared.permits(facts):
        return True
    return prepared.has_plan and facts.row is None and prepared.permits(left_open(facts))

"""Compares policies with proof: yes by exhaustion, no by an attempt that `decide` itself confirms, or unknown.

"A grants nothing beyond B" means: whatever A permits, B permits, for every action, party, time, purpose and row, facts
unknown included. Needs the extra `analysis` (z3), loaded only here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import wraps
from threading import RLock
from typing import Final, ParamSpec, TypeVar

from datahub.policy.evaluate import prepare
from datahub.policy.facts import Facts
from datahub.policy.model import Fault, Policy

P = ParamSpec("P")
R = TypeVar("R")
_SOLVER: Final = RLock()
"""z3's objects live in one context that no two threads may use at once: it crashes the whole process."""


def _alone(question: Callable[P, R]) -> Callable[P, R]:
    @wraps(question)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        with _SOLVER:
            return question(*args, **kwargs)

    return asked


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer: True and False are proved, None is unknown. A counterexample is checked before it is shown."""

    holds: bool | None
    counterexample: Facts | None = None
    duties: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, object]:
        """Return the counterexample as plain values, absent facts left out."""
        if self.counterexample is None:
            return {}
        given = {each.name: getattr(self.counterexample, each.name) for each in fields(self.counterexample)}
        given["duties"] = dict(self.duties)
        return {name: value for name, value in given.items() if value not in (None, {}, False)}


@_alone
def grants_nothing_beyond(narrow: Policy, wide: Policy) -> Comparison:
    """Whether everything `narrow` permits is permitted by `wide`; if not, an attempt only `narrow` permits."""
    from datahub.policy.attempts import Attempt  # noqa: PLC0415 (z3 is loaded by who compares, and by nobody else)
    from datahub.policy.smt import negation, solve  # noqa: PLC0415

    attempt = Attempt((narrow, wide))
    beyond = (attempt.permits(narrow), negation(attempt.permits(wide)))
    try:
        model = solve((*beyond, *attempt.axioms))
    except TimeoutError:
        return Comparison(None)
    if model is None:
        return Comparison(holds=True)
    mine, theirs = attempt.facts(model, narrow), attempt.facts(model, wide)
    confirmed = prepare(narrow).permits(mine) and not prepare(wide).permits(theirs)
    return (
        Comparison(holds=False, counterexample=mine, duties=attempt.owed(model))
        if confirmed
        else Comparison(None)
    )


@_alone
def equivalent(first: Policy, second: Policy) -> Comparison:
    """Whether both permit exactly the same attempts; if not, an attempt that one of them alone permits."""
    there = grants_nothing_beyond(first, second)
    return there if there.holds is not True else grants_nothing_beyond(second, first)


@_alone
def compatible(first: Policy, second: Policy) -> Comparison:
    """Whether some attempt is permitted by both (then it is shown as the example); False means they conflict."""
    from datahub.policy.attempts import Attempt  # noqa: PLC0415
    from datahub.policy.smt import solve  # noqa: PLC0415

    attempt = Attempt((first, second))
    formulas = (attempt.permits(first), attempt.permits(second))
    try:
        model = solve((*formulas, *attempt.axioms))
    except TimeoutError:
        return Comparison(None)
    if model is None:
        return Comparison(holds=False)
    mine, theirs = attempt.facts(model, first), attempt.facts(model, second)
    confirmed = prepare(first).permits(mine) and prepare(second).permits(theirs)
    return Comparison(holds=True, counterexample=mine) if confirmed else Comparison(None)


@_alone
def hygiene(policy: Policy) -> tuple[Fault, ...]:
    """Return a finding per rule that can have no effect: contradiction, always-prohibited, shadowed, never-bites."""
    from datahub.policy.static_checks import findings  # noqa: PLC0415

    return tuple(findings(policy))

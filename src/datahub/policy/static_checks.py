"""Static checks of one policy, run when it is published and when a vocabulary changes.

Dead and shadowed rules, contradictions, permissions nobody can ever use, prohibitions that never bite: each finding is
a proof over all attempts, unknown facts included. Needs the extra `analysis` (z3).
"""

from collections.abc import Iterator
from typing import Any, Final

import z3

from datahub.policy.attempts import Attempt, RuleFormula
from datahub.policy.evaluate import prepare
from datahub.policy.model import Fault, Policy

_SAYINGS: Final = {
    "contradiction": (
        "No attempt can ever meet what this rule asks.",
        "Correct the constraint, or remove the rule.",
    ),
    "always-prohibited": (
        "Whatever this permits, a prohibition forbids.",
        "Narrow the prohibition or remove the rule.",
    ),
    "shadowed": (
        "Other permissions already permit all that this one does.",
        "Remove it, or narrow the others.",
    ),
    "never-bites": ("This forbids nothing that is permitted.", "Remove it, or keep it as a statement only."),
    "undecided": ("Whether this rule has any effect could not be settled in time.", "Simplify the policy."),
}


def findings(policy: Policy) -> Iterator[Fault]:
    """Yield what is wrong with a readable policy."""
    attempt = Attempt((policy,))
    prepared = prepare(policy)
    permissions, prohibitions = list(attempt.permissions(prepared)), list(attempt.prohibitions(prepared))
    solver = z3.Solver()
    solver.set("timeout", 2000)
    solver.add(*attempt.axioms)

    def never(*conditions: Any) -> bool | None:
        solver.push()
        solver.add(*conditions)
        answer = solver.check()
        solver.pop()
        return None if answer == z3.unknown else bool(answer == z3.unsat)

    free = z3.Not(z3.Or(*(each.bites for each in prohibitions)))
    useful: list[RuleFormula] = []
    for at, rule in enumerate(permissions):
        rest = [each.grants for each in (*useful, *permissions[at + 1 :])]
        questions: list[tuple[str, tuple[Any, ...]]] = [("contradiction", (rule.grants,))]
        if prohibitions:
            questions.append(("always-prohibited", (rule.grants, free)))
        if rest:
            questions.append(("shadowed", (rule.grants, free, z3.Not(z3.Or(*rest)))))
        code = _first(questions, never)
        if code is None:
            useful.append(rule)
        else:
            yield _fault(rule.pointer, code)
    granted = z3.Or(*(rule.grants for rule in permissions))
    for rule in prohibitions:
        code = _first([("contradiction", (rule.bites,)), ("never-bites", (rule.bites, granted))], never)
        if code is not None:
            yield _fault(rule.pointer, code)


def _first(questions: list[tuple[str, tuple[Any, ...]]], never: Any) -> str | None:
    """Return the code of the first question answered by never; `undecided` when z3 gives up."""
    for code, conditions in questions:
        answer = never(*conditions)
        if answer is None:
            return "undecided"
        if answer:
            return code
    return None


def _fault(pointer: str, code: str) -> Fault:
    message, remedy = _SAYINGS[code]
    return Fault(pointer, code, message, remedy)

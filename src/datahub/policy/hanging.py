"""Whether a policy hangs on the consent of the people that rows are about, and for which purposes it could. Pure.

For whoever must know before there is an attempt: `Plan.needs_consent` says it of one attempt.
"""

from datahub.policy.model import Atom, Constraint, Operator, Policy, all_atoms, atoms, conjuncts
from datahub.policy.vocabulary import taxonomies

_CONSENT = "dh:consent"
_NAMES = {Operator.IS_A, Operator.EQ, Operator.IS_ANY_OF}


def consent_purposes(policy: Policy) -> frozenset[str] | None:
    """Return the purposes (`dpv:Name`) for which a policy wants consent; empty: whichever; None: it wants none.

    Never too few: a permission that names no purpose, or names it by what it is not, is about any.
    """
    hanging = sum(atom.left == _CONSENT for atom in all_atoms(policy))
    if not hanging:
        return None
    found: set[str] = set()
    for rule in policy.permissions:
        said = sum(atom.left == _CONSENT for atom in (*atoms(rule.constraint), *atoms(rule.refinement)))
        if not said:
            continue
        hanging -= said
        # Only what must hold beside the consent narrows it: an alternative to it does not.
        named = [each for each in (*conjuncts(rule.constraint), *conjuncts(rule.refinement)) if _names(each)]
        if not named:
            return frozenset()
        purposes = taxonomies()["purpose"]
        for atom in (atom for each in named for atom in atoms(each)):
            for each in map(str, atom.right):
                found |= {each} if atom.operator is Operator.EQ else purposes.below(each)
    return (
        frozenset() if hanging else frozenset(found)
    )  # a prohibition or a duty that hangs on it is about any


def _names(constraint: Constraint) -> bool:
    return isinstance(constraint, Atom) and constraint.left == "purpose" and constraint.operator in _NAMES

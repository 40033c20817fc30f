"""Compares two policies with proof and says the answer in one word, with an attempt that shows it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

from datahub.catalog import is_analysable
from datahub.kernel.errors import JsonValue
from datahub.policy import Comparison, Policy, compatible, grants_nothing_beyond, policy_hash, read_policy


class Verdict(StrEnum):
    """How a policy relates to another: whether it grants anything beyond it, and anything less."""

    SAME = "same"
    NARROWER = "narrower"
    WIDER = "wider"
    DIFFERENT = "different"  # wider in some ways, narrower in others
    UNKNOWN = "unknown"  # could not be settled in time
    NOT_ANALYSED = "not-analysed"  # without the extra `analysis`, or too much to compare while somebody waits


_VERDICTS: Mapping[tuple[bool, bool], Verdict] = {
    (True, True): Verdict.SAME,
    (True, False): Verdict.NARROWER,
    (False, True): Verdict.WIDER,
    (False, False): Verdict.DIFFERENT,
}
GRANTS_NOTHING_BEYOND = frozenset({Verdict.SAME, Verdict.NARROWER})
GRANTS_MORE = frozenset({Verdict.WIDER, Verdict.DIFFERENT})


@dataclass(frozen=True)
class Relation:
    """The verdict on a new policy; `gained` is an attempt only it permits, `lost` one only the old policy permits."""

    verdict: Verdict
    gained: Mapping[str, JsonValue] | None = None
    lost: Mapping[str, JsonValue] | None = None

    def told(self) -> dict[str, JsonValue]:
        """Return the relation as JSON; what is empty is left out."""
        shown: dict[str, JsonValue] = {"verdict": self.verdict.value}
        return (
            shown
            | ({"onlyNewPermits": self.gained} if self.gained else {})
            | ({"onlyOldPermits": self.lost} if self.lost else {})
        )


def relation(new: Policy, old: Policy) -> Relation:
    """Return how a new policy relates to an old one; what policies are called does not matter."""
    if policy_hash(replace(new, uid=old.uid)) == policy_hash(old):
        return Relation(Verdict.SAME)
    if not (is_analysable(new) and is_analysable(old)):
        return Relation(Verdict.NOT_ANALYSED)
    try:
        beyond, short = grants_nothing_beyond(new, old), grants_nothing_beyond(old, new)
    except ImportError:
        return Relation(Verdict.NOT_ANALYSED)
    if beyond.holds is None or short.holds is None:
        return Relation(Verdict.UNKNOWN, _attempt(beyond), _attempt(short))
    return Relation(_VERDICTS[beyond.holds, short.holds], _attempt(beyond), _attempt(short))


def may_pass_on(policy: Policy) -> bool | None:
    """Tell whether a policy ever permits anybody to distribute the data; None when that could not be settled."""
    if not is_analysable(policy):
        return None
    passed_on = read_policy({"@id": "urn:datahub:passed-on", "permission": [{"action": "distribute"}]})
    try:
        return compatible(policy, passed_on).holds
    except ImportError:
        return None


def _attempt(found: Comparison) -> Mapping[str, JsonValue] | None:
    told = found.told()
    return {_camel(name): plain(value) for name, value in told.items()} or None


def plain(value: object) -> JsonValue:
    """Return a fact as JSON: sets as sorted lists, instants in ISO 8601, durations in seconds."""
    match value:
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return sorted((plain(each) for each in value), key=str)
        case timedelta():
            return f"PT{value.total_seconds():.0f}S"
        case date():
            return value.isoformat().replace("+00:00", "Z")
        case _:
            return str(value)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)

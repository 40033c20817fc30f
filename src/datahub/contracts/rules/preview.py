"""What a change of an offer's terms would do, decided over plain values by the engine that decides in production. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from datahub.policy import Facts, Policy, PolicyFaults, preview, read_attempt, taxonomies

MOST_COMBINATIONS = 10_000
READ = "read"
_IN_USE = frozenset({"use", READ})
_MOST_ACTIONS = 4


@dataclass(frozen=True)
class Asking:
    """One organisation that might ask, with its name and what is known of it (no purpose yet)."""

    participant_id: str
    name: str
    facts: Facts


@dataclass(frozen=True)
class Combination:
    """How one organisation and purpose fare: `gains`, `loses` or `stays`, and whether they may under the new terms."""

    participant_id: str
    name: str
    purpose: str | None
    effect: str
    is_permitted: bool


@dataclass(frozen=True)
class Combinations:
    """All combinations that were tried; incomplete when there were more than are tried at once."""

    tried: Sequence[Combination]
    is_complete: bool

    def count(self, effect: str) -> int:
        """Return how many fare like this."""
        return sum(each.effect == effect for each in self.tried)


@dataclass(frozen=True)
class Replay:
    """What recorded reads would have come to: ids of decisions that would have been other, and counts."""

    considered: int
    would_deny: Sequence[str]
    would_permit: Sequence[str]
    not_replayable: int


@dataclass(frozen=True)
class Recorded:
    """A decision on record: its facts as they were kept, and the policy that decided it."""

    decision_id: str
    facts: Mapping[str, Any]
    policy: Policy


def combinations(
    old: Policy,
    new: Policy,
    asking: Sequence[Asking],
    purposes: Sequence[str | None],
    most: int = MOST_COMBINATIONS,
) -> Combinations:
    """Try every organisation with every purpose under both policies, as many as fit in one look."""
    pairs = [(who, purpose) for who in asking for purpose in purposes]
    shown = pairs[:most]
    attempts = [replace(who.facts, purpose=purpose) for who, purpose in shown]
    fates = _fates(old, new, attempts)
    tried = [
        Combination(who.participant_id, who.name, purpose, _effect(before, after), after)
        for (who, purpose), (before, after) in zip(shown, fates, strict=True)
    ]
    return Combinations(tried, len(shown) == len(pairs))


def fate(old: Policy, new: Policy, facts: Facts) -> str:
    """Tell how one attempt fares: `gains`, `loses` or `stays`."""
    ((before, after),) = _fates(old, new, [facts])
    return _effect(before, after)


def replay(new: Policy, records: Iterable[Recorded]) -> Replay:
    """Decide recorded reads again: under the policy that decided them, and under the new one."""
    by_policy: dict[Policy, list[tuple[str, Facts]]] = {}
    considered = lost = 0
    for record in records:
        considered += 1
        facts = facts_on_record(record.facts)
        if facts is None:
            lost += 1
        else:
            by_policy.setdefault(record.policy, []).append((record.decision_id, facts))
    denied: list[str] = []
    permitted: list[str] = []
    for old, group in by_policy.items():
        changes = preview(old, new, [facts for _, facts in group])
        for (decision_id, _), change in zip(group, changes, strict=True):
            if change.effect != "stays":
                (permitted if change.after else denied).append(decision_id)
    return Replay(considered, denied, permitted, lost)


def facts_on_record(facts: Mapping[str, Any]) -> Facts | None:
    """Return the facts that a decision on record saw; None when the record does not hold them."""
    if "now" not in facts:
        return None
    try:
        return read_attempt(facts)
    except PolicyFaults:
        return None


def purposes_to_try(policies: Iterable[Policy], seen: Iterable[str | None]) -> list[str | None]:
    """Return the purposes worth trying: seen in requests and agreements, named in the policies, and what falls under these.

    None (no purpose stated) is always among them.
    """
    tree = taxonomies()["purpose"]
    named = {purpose for policy in policies for purpose in _purposes_of(policy)}
    named |= {_short(purpose) for purpose in seen if purpose}
    known = {each for each in named if each in tree}
    return [None, *sorted(known | {below for each in known for below in tree.below(each)})]


def when_read(facts: Facts, now: datetime, target: Iterable[str], agreed_at: datetime | None = None) -> Facts:
    """Return what is known of an organisation as it will be when it reads this dataset; agreed just now unless told."""
    return replace(
        facts,
        action=READ,
        now=now,
        target=target,
        agreed=True,
        agreed_at=agreed_at or now,
        roles=("requester",),
    )


def _fates(old: Policy, new: Policy, attempts: Sequence[Facts]) -> list[tuple[bool, bool]]:
    """Return for each attempt whether the two policies permit any use of the kinds they are about."""
    before, after = [False] * len(attempts), [False] * len(attempts)
    for action in _actions(old, new):
        changes = preview(old, new, [replace(each, action=action) for each in attempts])
        before = [was or change.before for was, change in zip(before, changes, strict=True)]
        after = [was or change.after for was, change in zip(after, changes, strict=True)]
    return list(zip(before, after, strict=True))


def _actions(*policies: Policy) -> list[str]:
    stated = {rule.action for policy in policies for rule in policy.permissions} - _IN_USE
    return [READ, *sorted(stated)][:_MOST_ACTIONS]


def _effect(before: bool, after: bool) -> str:
    return "stays" if before == after else "gains" if after else "loses"


def _purposes_of(policy: Policy) -> Iterator[str]:
    for rule in (*policy.permissions, *policy.prohibitions):
        waiting: list[Any] = [rule.constraint, rule.refinement]
        while waiting:
            node = waiting.pop()
            if hasattr(node, "parts"):
                waiting.extend(node.parts)
            elif node is not None and node.left == "purpose":
                yield from (str(value) for value in node.right)


def _short(purpose: str) -> str:
    return "dpv:" + purpose.rpartition("#")[2] if "#" in purpose else purpose

"""What is known when somebody asks, and whether the policy could ever permit it. Pure.

A read is decided with all facts there are then. A request is decided earlier, with fewer: what is not known yet may
still turn out well (Kleene's strong logic), so a request is refused only when nothing unknown could save it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from datahub.kernel.errors import Fault, JsonValue
from datahub.participants import Participant, ParticipantState
from datahub.policy import Decision, Facts, Policy, advice, decide, taxonomies

DPV = "https://w3id.org/dpv#"
_ENDS = frozenset({"lt", "lteq", "eq"})
_MAX_ANSWER = 10_000


def recipient_names(participant: Participant, identifiers: Mapping[str, str]) -> frozenset[str]:
    """Return every name by which a policy can mean an organisation.

    Its id, `urn:uuid:<id>`, `<scheme>:<value>` for each legal identifier (`kvk:34366966`), and its DID as it is.
    """
    names = {participant.id, f"urn:uuid:{participant.id}"}
    for scheme, value in identifiers.items():
        names.add(value if value.startswith(f"{scheme}:") else f"{scheme}:{value}")
    return frozenset(names)


def facts_of(
    participant: Participant, identifiers: Mapping[str, str], purpose: str | None, **more: Any
) -> Facts:
    """Return what is known of an organisation that wants to use data for a purpose."""
    return Facts(
        recipient=recipient_names(participant, identifiers),
        membership="active" if participant.state == ParticipantState.ADMITTED else "inactive",
        purpose=purpose,
        **more,
    )


def purpose_of(text: str) -> str | None:
    """Return a purpose as full DPV IRI, from an IRI or `dpv:Name`; None when the vocabulary does not know it."""
    name = f"dpv:{text.removeprefix(DPV)}" if text.startswith(DPV) else text
    return DPV + name.removeprefix("dpv:") if name in taxonomies()["purpose"] else None


def purpose_words(purpose: str | None) -> dict[str, str]:
    """Return what people call a purpose, in Dutch and English."""
    if purpose is None:
        return {}
    name = f"dpv:{purpose.removeprefix(DPV)}"
    return {lang: taxonomies()["purpose"].label(name, lang) for lang in ("nl", "en")}


def could_permit(policy: Policy, facts: Facts) -> bool:
    """Tell whether the policy could permit one of the actions it is about, now or later, whatever is unknown yet."""
    return any(
        _could_match(policy, rule, facts)
        and _truth(policy, rule, rule.constraint, facts) is not False
        and _truth(policy, rule, rule.refinement, facts) is not False
        and not any(
            _surely_bites(policy, each, replace(facts, action=rule.action)) for each in policy.prohibitions
        )
        for rule in policy.permissions
    )


def would_help(policy: Policy, facts: Facts) -> Decision:
    """Return the decision that explains why a request cannot be permitted, and what would change that."""
    actions = [rule.action for rule in policy.permissions] or ["use"]
    decisions = [decide(policy, replace(facts, action=action, agreed=True)) for action in actions]
    return min(decisions, key=lambda decision: len(decision.changes))


def explained(decision: Decision) -> dict[str, JsonValue]:
    """Return a denial for the requester: code, sentences, and the nearest changes that would permit."""
    return {
        "code": decision.code,
        "explanation": {"nl": decision.explanation("nl"), "en": decision.explanation("en")},
        "wouldPermit": ways_to_permit(decision),
    }


def ways_to_permit(decision: Decision) -> list[JsonValue]:
    """Return the nearest changes that would permit, each as a code and in words, as the requester may see them."""
    return [
        {
            "code": change.code,
            "change": change.remedy,
            "sentence": {"nl": advice(change, "nl"), "en": advice(change, "en")},
        }
        for change in decision.changes
    ]


def _could_match(policy: Policy, rule: Any, facts: Facts) -> bool:
    bare = replace(rule, constraint=None, refinement=None, duties=())
    alone = replace(policy, permissions=(bare,), prohibitions=(), obligations=())
    decision = decide(alone, replace(facts, action=rule.action))
    return decision.permit or decision.code != "party-not-permitted"


def _truth(
    policy: Policy, rule: Any, constraint: Any, facts: Facts, *, on_rows: bool | None = True
) -> bool | None:
    """Return whether a constraint holds: True, False, or None while something about it is unknown.

    `on_rows` is the answer for what only the rows themselves can tell.
    """
    if constraint is None:
        return True
    if hasattr(constraint, "parts"):
        found = [_truth(policy, rule, part, facts, on_rows=on_rows) for part in constraint.parts]
        return _joined(str(constraint.connective), found)
    bare = replace(rule, constraint=constraint, refinement=None, duties=(), target=None, assignee=None)
    alone = replace(policy, permissions=(bare,), prohibitions=(), obligations=(), target=None, assignee=None)
    decision = decide(alone, replace(facts, action=rule.action))
    if decision.permit:
        return True
    if decision.permit_with_plan:
        return on_rows
    if decision.code == "purpose-unknown":
        return False  # who asks says what for: a purpose that was left out comes to light no later
    if decision.code.endswith("-unknown") or _could_hold_later(alone, constraint, facts, rule.action):
        return None
    return False


def _could_hold_later(alone: Policy, atom: Any, facts: Facts, action: str) -> bool:
    """Tell whether time alone can make a comparison true that is false now."""
    if facts.now is None:
        return False
    timeless = decide(alone, replace(facts, action=action, now=None))
    if not timeless.code.endswith("-unknown"):
        return False
    is_past = all(isinstance(end, date) and end <= facts.now for end in atom.right)
    return not (atom.left == "dateTime" and atom.operator in _ENDS and is_past)


def _joined(connective: str, found: Sequence[bool | None]) -> bool | None:
    if connective == "or":
        return True if True in found else None if None in found else False
    if connective == "xone":
        return False if found.count(True) > 1 else None if None in found else True in found
    return False if False in found else None if None in found else True


def _surely_bites(policy: Policy, rule: Any, facts: Facts) -> bool:
    bare = replace(rule, constraint=None, refinement=None, duties=())
    alone = replace(policy, permissions=(), prohibitions=(bare,), obligations=())
    covers = decide(alone, facts).code == "prohibited"
    parts = (rule.constraint, rule.refinement)
    return covers and all(_truth(policy, rule, each, facts, on_rows=None) is True for each in parts)


def answer_faults(questions: Sequence[Mapping[str, Any]], answers: Mapping[str, Any]) -> list[Fault]:
    """Return what is wrong with the answers to an offer's form: missing, unknown, or of another kind."""
    known = {question["id"]: question for question in questions}
    faults = [
        Fault(f"/answers/{each}", "needs an answer", "missing")
        for each, question in known.items()
        if question.get("required") and answers.get(each) in (None, "")
    ]
    for each, answer in answers.items():
        at = "/answers/" + each.replace("~", "~0").replace("/", "~1")
        if each not in known:
            faults.append(Fault(at, "answers no question of this offer", "unknown-question"))
        elif answer not in (None, "") and not _is_kind(answer, known[each].get("kind", "text")):
            faults.append(Fault(at, f"must be a {known[each].get('kind', 'text')}", "wrong-type"))
    return faults


def _is_kind(answer: object, kind: str) -> bool:
    match kind:
        case "boolean":
            return isinstance(answer, bool)
        case "number":
            return isinstance(answer, int | float) and not isinstance(answer, bool)
        case "date":
            return isinstance(answer, str) and _is_date(answer)
        case "url":
            return (
                isinstance(answer, str)
                and answer.startswith(("https://", "http://"))
                and len(answer) <= _MAX_ANSWER
            )
        case _:
            return isinstance(answer, str) and len(answer) <= _MAX_ANSWER


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

"""Exports a decision as a compliance report: what of each rule was satisfied, and what was seen.

FORCE compliance report model (https://w3id.org/force/compliance-report#), as used by the W3C Formal Semantics draft.
An evaluator does not consider offers (draft §Evaluator): the report of an offer holds no rule.
"""

from datetime import datetime
from typing import Final

from datahub.policy.decision import Decision
from datahub.policy.evaluate import (
    Check,
    PreparedDuty,
    PreparedRule,
    Truth,
    bites,
    grants,
    is_active,
    prepare,
)
from datahub.policy.facts import Facts, source
from datahub.policy.model import Atom, Kind
from datahub.policy.registry import ODRL, expand, operand
from datahub.policy.values import write_instant, write_value

REPORT: Final = "https://w3id.org/force/compliance-report#"
CONTEXT: Final = {
    "report": REPORT,
    "odrl": ODRL,
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def compliance_report(decision: Decision) -> dict[str, object]:
    """Return the decision as a FORCE PolicyReport in JSON-LD."""
    policy, facts = decision.policy, decision.facts
    prepared = prepare(policy)
    rules: list[object] = []
    if policy.kind is not Kind.OFFER:
        rules += [_rule(rule, facts, is_permission=True) for rule in prepared.permissions]
        rules += [_rule(rule, facts, is_permission=False) for rule in prepared.prohibitions]
        rules += [_duty(duty, facts) for duty in prepared.obligations]
    document: dict[str, object] = {
        "@context": CONTEXT,
        "@type": "report:PolicyReport",
        "report:policy": {"@id": policy.uid},
        "report:ruleReport": rules,
    }
    if facts.now is not None:
        document["dct:created"] = {"@value": write_instant(facts.now), "@type": "xsd:dateTime"}
    return document


def _state(name: str, value: str) -> dict[str, object]:
    return {f"report:{name}": {"@id": f"report:{value}"}}


def _satisfaction(truth: Truth) -> dict[str, object]:
    """Unknown is reported as unsatisfied: nothing was shown."""
    return _state("satisfactionState", "Satisfied" if truth is True else "Unsatisfied")


def _rule(rule: PreparedRule, facts: Facts, *, is_permission: bool) -> dict[str, object]:
    """An active rule here is one that applies to this attempt, as the SolidLab suite has it."""
    applied = grants(rule, facts) if is_permission else bites(rule, facts)
    active = is_active(rule, facts) if is_permission else applied
    premises: list[object] = []
    if rule.target is not None:
        premises.append({"@type": "report:TargetReport", **_satisfaction(rule.on_target(facts))})
    if rule.assignee is not None:
        premises.append({"@type": "report:PartyReport", **_satisfaction(rule.on_party(facts))})
    premises.append({"@type": "report:ActionReport", **_satisfaction(rule.covers(facts))})
    premises += [_check(check, facts) for check in (rule.constraint, rule.refinement) if check is not None]
    document: dict[str, object] = {
        "@type": f"report:{'Permission' if is_permission else 'Prohibition'}Report",
        "report:rule": {"@id": rule.rule.uid or f"_:{rule.pointer.strip('/').replace('/', '-')}"},
        "report:premiseReport": premises,
        **_state("attemptState", "Attempted"),
        **_state("activationState", "Active" if applied else "Inactive"),
        **_state("controlState", "Permit" if is_permission and active and applied else "Deny"),
    }
    if rule.duties:
        document["report:conditionReport"] = [_duty(duty, facts) for duty in rule.duties]
    return document


def _duty(duty: PreparedDuty, facts: Facts) -> dict[str, object]:
    state = duty.state(facts)
    document: dict[str, object] = {
        "@type": "report:DutyReport",
        "report:rule": {"@id": duty.duty.uid or f"_:{duty.key.strip('/').replace('/', '-')}"},
        **_state("activationState", "Active" if duty.applies(facts) else "Inactive"),
        **_state("performanceState", "Performed" if state == "fulfilled" else "Unperformed"),
        **_state("deonticState", {"fulfilled": "Fulfilled", "violated": "Violated"}.get(state, "NonSet")),
    }
    if duty.check is not None:
        document["report:premiseReport"] = [_check(duty.check, facts)]
    return document


def _check(check: Check, facts: Facts) -> dict[str, object]:
    document: dict[str, object] = {"@type": "report:ConstraintReport", **_satisfaction(check.test(facts))}
    if not isinstance(check.node, Atom):
        document["report:constraintLogicalOperand"] = {"@id": ODRL + check.node.connective.value}
        document["report:premiseReport"] = [_check(part, facts) for part in check.parts]
        return document
    row = operand(check.node.left)
    seen = source(row)(facts) if row else None
    document["report:constraintOperator"] = {"@id": ODRL + check.node.operator.value}
    document["report:constraintRightOperand"] = [
        write_value(value, row.sort if row else "text") for value in check.node.right
    ]
    document["report:constraintLeftOperand"] = (
        _shown(seen) if seen is not None else {"@id": expand(check.node.left)}
    )
    return document


def _shown(seen: object) -> object:
    if isinstance(seen, datetime):
        return {"@value": write_instant(seen), "@type": "xsd:dateTime"}
    if isinstance(seen, frozenset | set | list | tuple):
        return sorted(map(str, seen))
    return seen if isinstance(seen, str | bool | int) else str(seen)

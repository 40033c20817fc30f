"""Writes a policy as strictly DSP-valid ODRL JSON, and hashes its canonical form.

DSP 2025-1 `contract-schema.json` and its ODRL profile: actions are plain strings, so refinements are written among the
constraints, marked; rules carry no target. Canonical JSON: sorted keys, no spaces, UTF-8 (RFC 8785 for our values).
"""

import hashlib
import json
from typing import Final, Literal, TypeAlias

from datahub.policy.model import (
    Atom,
    Constraint,
    Duty,
    Fault,
    Kind,
    Policy,
    PolicyFaults,
    Rule,
    Timing,
    all_atoms,
    conjuncts,
)
from datahub.policy.registry import PROFILE, Phase, actions, expand, operand
from datahub.policy.values import is_unresolved, write_instant, write_value

Form: TypeAlias = Literal["catalog-offer", "message-offer", "agreement", "set"]

CONTEXT: Final = "https://w3id.org/dspace/2025/1/context.jsonld"
ANCHOR: Final = f"{PROFILE}anchor"
REFINES: Final = f"{PROFILE}refines"
"""Marks a constraint that narrows the action, not the rule; who ignores the mark decides the same."""


def to_jsonld(policy: Policy, kind: Form | None = None) -> dict[str, object]:
    """Return the policy as DSP-valid JSON, without `@context`.

    `kind` picks the place it will stand in: `catalog-offer` (no target), `message-offer` (target required), `agreement`
    (target and parties required) or `set`; by default the one that fits the policy's own kind.
    Raises PolicyFaults when the policy lacks what that place requires.
    """
    form: Form = kind or _own_form(policy)
    faults = tuple(_lacking(policy, form))
    if faults:
        raise PolicyFaults(faults)
    return _document(policy, form)


def policy_hash(policy: Policy) -> str:
    """Return the SHA-256 of the canonical form, as lower-case hexadecimal."""
    return hashlib.sha256(canonical(policy)).hexdigest()


def canonical(policy: Policy) -> bytes:
    """Return the one byte string that stands for this policy; equal policies give equal bytes."""
    document = _document(policy, "set") | {"@type": policy.kind.value}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


_KINDS: Final[dict[Form, Kind]] = {
    "catalog-offer": Kind.OFFER,
    "message-offer": Kind.OFFER,
    "agreement": Kind.AGREEMENT,
    "set": Kind.SET,
}
_REQUIRED: Final[dict[Form, tuple[str, ...]]] = {
    "catalog-offer": (),
    "message-offer": ("target",),
    "agreement": ("target", "assigner", "assignee"),
    "set": (),
}


def _own_form(policy: Policy) -> Form:
    if policy.kind is Kind.OFFER:
        return "message-offer" if policy.target else "catalog-offer"
    return "agreement" if policy.kind is Kind.AGREEMENT else "set"


def _lacking(policy: Policy, form: Form) -> list[Fault]:
    article = f"DSP 2025-1: {form}"
    faults = [
        Fault(f"/{name}", "missing-property", f"{article} needs {name}.", f"Give the policy a {name}.")
        for name in _REQUIRED[form]
        if not getattr(policy, name)
    ]
    if not policy.permissions and not policy.prohibitions:
        message = f"{article} needs a permission or a prohibition."
        faults.append(Fault("", "no-rule", message, "Add at least one permission or prohibition."))
    if form != "set" and has_unresolved(policy):
        message = "The policy holds constants that are still to be filled in."
        faults.append(Fault("", "unresolved-constant", message, "Write the values themselves."))
    for name, rules in (("permission", policy.permissions), ("prohibition", policy.prohibitions)):
        faults.extend(
            Fault(
                f"/{name}/{at}/target",
                "rule-target",
                "DSP rules carry no target.",
                "Split the policy per target.",
            )
            for at, rule in enumerate(rules)
            if rule.target and form != "set"
        )
    return faults


def has_unresolved(policy: Policy) -> bool:
    """Whether any constant of the policy is still to be filled in."""
    return any(is_unresolved(value) for atom in all_atoms(policy) for value in atom.right)


def _document(policy: Policy, form: Form) -> dict[str, object]:
    document: dict[str, object] = {"@id": policy.uid, "@type": _KINDS[form].value}
    if policy.profiles:
        document["profile"] = list(policy.profiles)
    for name in ("target", "assigner", "assignee"):
        value = getattr(policy, name)
        if value and not (name == "target" and form == "catalog-offer"):
            document[name] = value
    if policy.timestamp:
        document["timestamp"] = write_instant(policy.timestamp)
    if policy.permissions:
        document["permission"] = [_rule(rule, "duty") for rule in policy.permissions]
    if policy.prohibitions:
        document["prohibition"] = [_rule(rule, "remedy") for rule in policy.prohibitions]
    if policy.obligations:
        document["obligation"] = [_duty(duty) for duty in policy.obligations]
    return document


def _rule(rule: Rule, duties: str) -> dict[str, object]:
    document: dict[str, object] = {"action": expand(rule.action)}
    if rule.uid:
        document["@id"] = rule.uid
    for name in ("target", "assigner", "assignee"):
        value = getattr(rule, name)
        if value:
            document[name] = value
    constraints = [_constraint(each) for each in conjuncts(rule.constraint)]
    constraints += [_constraint(each) | {REFINES: "action"} for each in conjuncts(rule.refinement)]
    if constraints:
        document["constraint"] = constraints
    if rule.duties:
        document[duties] = [_duty(duty) for duty in rule.duties]
    return document


def _duty(duty: Duty) -> dict[str, object]:
    document: dict[str, object] = {"action": expand(duty.action)}
    if duty.uid:
        document["@id"] = duty.uid
    constraints = [_constraint(each) | _mark(each) for each in duty.parameters]
    constraints += [_constraint(each) for each in conjuncts(duty.constraint)]
    if duty.timing is not actions()[duty.action].timing:
        constraints.append(_timing(duty.timing))
    if constraints:
        document["constraint"] = constraints
    if duty.consequences:
        document["consequence"] = [_duty(each) for each in duty.consequences]
    return document


def _mark(parameter: Constraint) -> dict[str, object]:
    """Mark what a duty asks for, unless its operand can be nothing but a parameter."""
    row = operand(parameter.left) if isinstance(parameter, Atom) else None
    return {} if row and row.phase in {Phase.PARAMETER, Phase.COLUMN} else {REFINES: "action"}


def _timing(timing: Timing) -> dict[str, object]:
    return {"leftOperand": expand("dh:timing"), "operator": "eq", "rightOperand": timing.value}


def _constraint(constraint: Constraint) -> dict[str, object]:
    if not isinstance(constraint, Atom):
        return {constraint.connective.value: [_constraint(part) for part in constraint.parts]}
    row = operand(constraint.left)
    right = [write_value(value, row.sort if row else "text") for value in constraint.right]
    document: dict[str, object] = {
        "leftOperand": expand(constraint.left),
        "operator": constraint.operator.value,
        "rightOperand": right[0] if len(right) == 1 else right,
    }
    if constraint.unit:
        document["unit"] = constraint.unit
    if constraint.anchor:
        document[ANCHOR] = {"@value": write_instant(constraint.anchor), "@type": "xsd:dateTime"}
    return document

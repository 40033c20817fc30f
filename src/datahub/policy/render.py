"""Writes a policy in plain Dutch or English, line by line from the intermediate form; `read_text` reads it back.

The text is what parties accept: its hash stands in the agreement. Every term that the exchange does not enforce itself
carries its label in square brackets.
"""

from collections.abc import Iterator
from typing import Final

from datahub.policy.model import Atom, Constraint, Duty, Policy, Rule, all_atoms, all_duties
from datahub.policy.registry import Action, Enforcement, actions, operand
from datahub.policy.values import write_instant
from datahub.policy.wording import CONNECTIVES, KINDS, LABELS, TIMINGS, Lang, quote, say

HEADS: Final = {
    "en": {
        "target": "Data",
        "assigner": "Provider",
        "assignee": "Recipient",
        "timestamp": "Agreed on",
        "profiles": "Profile",
        "uid": "Known as",
    },
    "nl": {
        "target": "Data",
        "assigner": "Aanbieder",
        "assignee": "Ontvanger",
        "timestamp": "Afgesproken op",
        "profiles": "Profiel",
        "uid": "Bekend als",
    },
}
WORDS: Final = {
    "en": {
        "closed": "What is not permitted here is denied. A prohibition always wins over a permission.",
        "permission": "It is permitted to {} the data",
        "prohibition": "It is prohibited to {} the data",
        "obligation": "It is owed to {}",
        "constraint": "only if",
        "when": "whenever",
        "refinement": "only in as far as",
        "duty": "with the duty to",
        "remedy": "and when it happened anyway, to",
        "parameters": "such that",
        "consequence": "and failing that, to",
    },
    "nl": {
        "closed": "Wat hier niet is toegestaan, is geweigerd. Een verbod gaat altijd boven een toestemming.",
        "permission": "Toegestaan is: de data {}",
        "prohibition": "Verboden is: de data {}",
        "obligation": "Verplicht is: {}",
        "constraint": "alleen als",
        "when": "telkens als",
        "refinement": "alleen voor zover",
        "duty": "met de plicht:",
        "remedy": "en als het toch gebeurde:",
        "parameters": "zodanig dat",
        "consequence": "en anders:",
    },
}
INDENT: Final = "  "


def render(policy: Policy, lang: Lang = "en") -> str:
    """Write the whole policy in plain language; equal policies give equal texts."""
    return "\n".join(_policy(policy, lang)) + "\n"


def _policy(policy: Policy, lang: Lang) -> Iterator[str]:
    words, heads = WORDS[lang], HEADS[lang]
    yield KINDS[lang][policy.kind]
    for name in ("target", "assigner", "assignee"):
        value = getattr(policy, name)
        if value:
            yield f"{heads[name]}: {quote(value)}"
    if policy.timestamp:
        yield f"{heads['timestamp']}: {write_instant(policy.timestamp)}"
    for profile in policy.profiles:
        yield f"{heads['profiles']}: {quote(profile)}"
    yield words["closed"]
    number = 0
    for name, rules in (("permission", policy.permissions), ("prohibition", policy.prohibitions)):
        for rule in rules:
            number += 1
            yield ""
            action = actions()[rule.action]
            label = "" if name == "permission" else _label(action.label, lang)
            yield f"{number}. {words[name].format(verb(action, lang))}{label}"
            yield from _rule(rule, name, lang)
    for duty in policy.obligations:
        number += 1
        yield ""
        head = words["obligation"].format(verb(actions()[duty.action], lang))
        yield f"{number}. {head}{_timed(duty, lang)}"
        yield from _duty_details(duty, INDENT, lang)
    yield ""
    yield f"{heads['uid']}: {quote(policy.uid)}"


def verb(action: Action, lang: Lang) -> str:
    """Return the verb phrase of an action."""
    return action.nl if lang == "nl" else action.en


def _label(label: Enforcement, lang: Lang) -> str:
    return "" if label is Enforcement.ENFORCED else f" [{LABELS[lang][label]}]"


def _rule(rule: Rule, name: str, lang: Lang) -> Iterator[str]:
    words, heads = WORDS[lang], HEADS[lang]
    for member in ("uid", "target", "assigner", "assignee"):
        value = getattr(rule, member)
        if value:
            yield f"{INDENT}{heads[member]}: {quote(value)}"
    for member in ("constraint", "refinement"):
        constraint = getattr(rule, member)
        if constraint:
            yield f"{INDENT}{words[member]}"
            yield from _constraint(constraint, INDENT * 2, lang)
    for duty in rule.duties:
        yield from _duty(duty, "duty" if name == "permission" else "remedy", INDENT, lang)


def _duty(duty: Duty, role: str, indent: str, lang: Lang) -> Iterator[str]:
    yield f"{indent}{WORDS[lang][role]} {verb(actions()[duty.action], lang)}{_timed(duty, lang)}"
    yield from _duty_details(duty, indent + INDENT, lang)


def _timed(duty: Duty, lang: Lang) -> str:
    return f", {TIMINGS[lang][duty.timing]}{_label(actions()[duty.action].label, lang)}"


def _duty_details(duty: Duty, indent: str, lang: Lang) -> Iterator[str]:
    words = WORDS[lang]
    if duty.uid:
        yield f"{indent}{HEADS[lang]['uid']}: {quote(duty.uid)}"
    if duty.parameters:
        yield f"{indent}{words['parameters']}"
        for parameter in duty.parameters:
            yield from _constraint(parameter, indent + INDENT, lang)
    if duty.constraint:
        yield f"{indent}{words['when']}"
        yield from _constraint(duty.constraint, indent + INDENT, lang)
    for consequence in duty.consequences:
        yield from _duty(consequence, "consequence", indent, lang)


def _constraint(constraint: Constraint, indent: str, lang: Lang) -> Iterator[str]:
    if isinstance(constraint, Atom):
        row = operand(constraint.left)
        label = row.label if row else Enforcement.ENFORCED
        yield f"{indent}- {say(constraint, lang)}{_label(label, lang)}"
        return
    yield f"{indent}- {CONNECTIVES[lang][constraint.connective]}"
    for part in constraint.parts:
        yield from _constraint(part, indent + INDENT, lang)


def labels(policy: Policy) -> dict[str, Enforcement]:
    """Return every term of the policy with what the exchange really does about it (enforced … legal)."""
    rules = (*policy.permissions, *policy.prohibitions)
    named = [rule.action for rule in rules] + [duty.action for duty in all_duties(policy)]
    found = {name: actions()[name].label for name in named}
    rows = (operand(atom.left) for atom in all_atoms(policy))
    return found | {row.name: row.label for row in rows if row}

"""The decision and its sentence: permit, deny, or permit with a plan, with a stable code.

Everything beyond the answer itself (reasons, changes, reports) is worked out only when it is asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from datahub.policy.evaluate import Prepared, PreparedDuty, grants, left_open, prepare
from datahub.policy.explain import Reason, RuleReport, View, changes, failing, rule_reports
from datahub.policy.facts import Facts
from datahub.policy.model import Atom, Duty, Policy
from datahub.policy.registry import actions, operand
from datahub.policy.render import verb
from datahub.policy.wording import Lang, quote, say, say_value


@dataclass(frozen=True)
class Decision:
    """The answer to one attempt under one policy.

    `permit` is True only when everything is settled. `permit_with_plan` is True when what is left open is rows and
    columns alone: data may flow through the plan of this policy and no other way.
    """

    policy: Policy
    facts: Facts
    permit: bool
    permit_with_plan: bool = False

    @cached_property
    def code(self) -> str:
        """The stable code: `permitted`, `permitted-with-plan`, or the first reason of the denial."""
        if self.permit:
            return "permitted"
        return "permitted-with-plan" if self.permit_with_plan else self._leading.code

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """The smallest set of conditions that denied it; empty when permitted."""
        return () if self._flows else failing(self._prepared, self._seen)

    @cached_property
    def changes(self) -> tuple[Reason, ...]:
        """The nearest changes that would permit it; empty when permitted."""
        return () if self._flows else changes(self._prepared, self._seen)

    @cached_property
    def rules(self) -> tuple[RuleReport, ...]:
        """What became of every rule."""
        return rule_reports(self._prepared, self.facts)

    @cached_property
    def duties(self) -> tuple[tuple[str, Duty], ...]:
        """The duties that come with the use, by key: of the permissions that permit it, and the policy's obligations."""
        if not self._flows:
            return ()
        granting = (rule for rule in self._prepared.permissions if grants(rule, self._seen))
        owed: Iterable[PreparedDuty] = (duty for rule in granting for duty in rule.duties)
        return tuple(
            (duty.key, duty.duty) for duty in (*owed, *self._prepared.obligations) if duty.applies(self._seen)
        )

    def explanation(self, lang: Lang = "en", view: View = "requester") -> str:
        """Say the decision in sentences; the requester's view keeps to itself what only the provider may see."""
        words = _WORDS[lang]
        if self._flows:
            return words["permitted-with-plan" if self.permit_with_plan else "permitted"]
        shown = self.reasons if view == "provider" else self.changes
        said = list(dict.fromkeys(_sentence(reason, lang, view) for reason in shown))
        return " ".join([words["denied"], *said])

    @property
    def _flows(self) -> bool:
        return self.permit or self.permit_with_plan

    @property
    def _prepared(self) -> Prepared:
        return prepare(self.policy)

    @property
    def _seen(self) -> Facts:
        return left_open(self.facts) if self._prepared.has_plan and self.facts.row is None else self.facts

    @property
    def _leading(self) -> Reason:
        """Of a denial, the reason to name first: a prohibition, else the first of the nearest changes."""
        first = self.reasons[0]
        return first if first.code in {"prohibited", "duty-violated"} else self.changes[0]


def decide(policy: Policy, facts: Facts) -> Decision:
    """Decide one attempt. Total: every policy and every facts give an answer, and what is unknown permits nothing.

    The policy is taken as it is, offers included (an offer is decided as if agreed).
    """
    prepared = prepare(policy)
    if prepared.permits(facts):
        return Decision(policy, facts, permit=True)
    if prepared.has_plan and facts.row is None and prepared.permits(left_open(facts)):
        return Decision(policy, facts, permit=False, permit_with_plan=True)
    return Decision(policy, facts, permit=False)


_WORDS: Final = {
    "en": {
        "permitted": "Permitted.",
        "permitted-with-plan": "Permitted, for the rows and columns of the plan only.",
        "denied": "Not permitted.",
        "prohibited": "The policy prohibits to {} the data.",
        "action-not-permitted": "What is permitted is to {} the data.",
        "target-not-covered": "The policy is about other data{}.",
        "party-not-permitted": "The policy is for another organisation{}.",
        "duty-open": "A duty comes first: {}.",
        "duty-violated": "A duty was not kept: {}.",
        "no-permission": "No rule permits this; ask the provider.",
        "hidden": "{} is not among those allowed; ask the provider.",
        "must": "Needed: {}.",
        "must-not": "Prohibited when {}.",
        "seen": "Seen: {}.",
        "nothing-seen": "It is not known here.",
    },
    "nl": {
        "permitted": "Toegestaan.",
        "permitted-with-plan": "Toegestaan, alleen voor de rijen en kolommen van het plan.",
        "denied": "Niet toegestaan.",
        "prohibited": "Het beleid verbiedt: de data {}.",
        "action-not-permitted": "Wel toegestaan is: de data {}.",
        "target-not-covered": "Het beleid gaat over andere data{}.",
        "party-not-permitted": "Het beleid is voor een andere organisatie{}.",
        "duty-open": "Eerst is er een plicht: {}.",
        "duty-violated": "Een plicht is niet nagekomen: {}.",
        "no-permission": "Geen regel staat dit toe; vraag het de aanbieder.",
        "hidden": "{} hoort niet bij wat is toegestaan; vraag het de aanbieder.",
        "must": "Nodig: {}.",
        "must-not": "Verboden als {}.",
        "seen": "Gezien: {}.",
        "nothing-seen": "Dat is hier niet bekend.",
    },
}


_ADVICE: Final[Mapping[Lang, Mapping[str, str]]] = {
    "en": {
        "change-purpose": "Ask for a purpose that fits: {}.",
        "change-moment": "Come at a moment that fits: {}.",
        "wait-or-ask-more": "Wait, or ask the provider for more: {}.",
        "narrow-rows": "Ask for the rows and columns that fit: {}.",
        "change-action": "Ask for what is permitted: to {} the data.",
        "change-value": "Make sure that this holds: {}.",
        "present-credential": "Show a credential that says: {}.",
        "fulfil-duty": "See to this duty: {}.",
        "ask-provider": "Ask the provider.",
        "not": "it is not so that {}",
    },
    "nl": {
        "change-purpose": "Vraag voor een doel dat past: {}.",
        "change-moment": "Kom op een moment dat past: {}.",
        "wait-or-ask-more": "Wacht, of vraag de aanbieder om meer: {}.",
        "narrow-rows": "Vraag de rijen en kolommen die passen: {}.",
        "change-action": "Vraag wat is toegestaan: de data {}.",
        "change-value": "Zorg dat dit geldt: {}.",
        "present-credential": "Toon een verklaring die zegt: {}.",
        "fulfil-duty": "Kom deze plicht na: {}.",
        "ask-provider": "Vraag het de aanbieder.",
        "not": "het is niet zo dat {}",
    },
}


def advice(change: Reason, lang: Lang) -> str:
    """Say in a sentence what would take a reason away, with nothing that only the provider may see."""
    said, wanted = _ADVICE[lang], change.wanted
    if isinstance(wanted, Atom) and change.is_public:
        condition = say(wanted, lang)
        return said[change.remedy].format(condition if change.met else said["not"].format(condition))
    if isinstance(wanted, Duty):
        return said[change.remedy].format(verb(actions()[wanted.action], lang))
    if change.code == "action-not-permitted":
        return said[change.remedy].format(verb(actions()[str(wanted)], lang))
    return said["ask-provider"]


def _sentence(reason: Reason, lang: Lang, view: View) -> str:
    words = _WORDS[lang]
    wanted = reason.wanted
    if isinstance(wanted, Atom):
        return _about(wanted, reason, lang, view)
    if isinstance(wanted, Duty):
        return words[reason.code].format(verb(actions()[wanted.action], lang))
    if reason.code in {"prohibited", "action-not-permitted"}:
        return words[reason.code].format(verb(actions()[str(wanted)], lang))
    shown = f" ({quote(str(wanted))})" if wanted and view == "provider" else ""
    return words[reason.code].format(shown)


def _about(atom: Atom, reason: Reason, lang: Lang, view: View) -> str:
    words, row = _WORDS[lang], operand(atom.left)
    if row is None:  # pragma: no cover (the reader places every operand)
        return words["no-permission"]
    if view == "requester" and not reason.is_public:
        subject = row.nl if lang == "nl" else row.en
        return words["hidden"].format(subject[0].upper() + subject[1:])
    seen = (
        words["nothing-seen"]
        if reason.seen is None
        else words["seen"].format(_shown(reason.seen, row.sort, lang))
    )
    return f"{words['must' if reason.met else 'must-not'].format(say(atom, lang))} {seen}"


def _shown(seen: object, sort: str, lang: Lang) -> str:
    match seen:
        case frozenset() | set() | list() | tuple():
            return ", ".join(sorted(_shown(each, "text", lang) for each in seen)) or say_value(
                "", "text", lang
            )
        case str() | bool() | int() | datetime() | timedelta():
            return say_value(seen, sort if isinstance(seen, str) else "", lang)
        case _:
            return quote(str(seen))

"""Makes a version of an offer of what a publisher says: the policy read, in words, analysed, held against its examples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from datahub.catalog.errors.offers import ExamplesBroken, InvalidOffer, PolicyNotUsable
from datahub.catalog.models.offers import Offer, OfferVersion
from datahub.catalog.rules import offers as rules
from datahub.catalog.rules.offers import OfferTerms
from datahub.kernel.errors import Fault
from datahub.policy import (
    Example,
    Kind,
    Policy,
    PolicyFaults,
    broken_examples,
    cautions,
    fill_template,
    hygiene,
    labels,
    policy_hash,
    read_examples,
    read_policy,
    render,
    to_jsonld,
)
from datahub.policy import Fault as PolicyFault

_NOT_ANALYSED = PolicyFault(
    "",
    "not-analysed",
    "Rules without effect were not looked for: this exchange runs without the extra `analysis`.",
    "Install datahub[analysis].",
)
_TOO_LARGE = PolicyFault(
    "",
    "not-analysed",
    "Rules without effect were not looked for: the policy is too large.",
    "Say the same in less.",
)


def read_terms(
    uid: str, template: str | None, parameters: Mapping[str, Any], document: Mapping[str, Any] | None
) -> tuple[Policy | None, list[Fault]]:
    """Read the policy of an offer from a template or from ODRL; give it the identifier `uid`. Returns all faults.

    The parties and the target are filled in when an agreement is made, so that an offer names none of them.
    """
    at = "/policy" if template is None else "/parameters"
    try:
        source = dict(document or {}) if template is None else fill_template(template, parameters)
        source.pop("uid", None)
        read = replace(read_policy({**source, "@id": uid}), kind=Kind.OFFER)
        to_jsonld(replace(read, target=None), "catalog-offer")
    except PolicyFaults as found:
        return None, [_placed(fault, at) for fault in found.faults]
    named = [name for name in ("target", "assigner", "assignee") if _names_party(read, name)]
    if named:
        sentence = (
            "an offer leaves this out: the exchange fills it in at agreement; say who may with `recipient`"
        )
        return None, [Fault(f"{at}/{name}", sentence, "not-in-an-offer") for name in named]
    return read, []


def _names_party(policy: Policy, name: str) -> bool:
    stated = (policy, *policy.permissions, *policy.prohibitions)
    return any(getattr(each, name) is not None for each in stated)


def version_of_terms(
    now: datetime, offer: Offer, terms: OfferTerms, kept: Sequence[Mapping[str, Any]] = ()
) -> OfferVersion:
    """Return the offer's version with these terms, not yet in the database. `kept`: the examples when none are sent.

    Raises PolicyNotUsable and InvalidOffer (all faults at once), ExamplesBroken.
    """
    uid = f"urn:datahub:offer:{offer.id}:{offer.version}"
    policy, faults = read_terms(uid, terms.template, terms.parameters, terms.policy)
    automatic, more = _automatic(terms)
    others = rules.question_faults(terms.questions)
    documents = [dict(each) for each in (kept if terms.examples is None else terms.examples)]
    examples, wrong = _examples(documents)
    others += wrong
    if policy is None or faults or more:
        raise PolicyNotUsable(
            "The policy holds something the exchange cannot place; nothing was kept.",
            faults=[*faults, *more, *others],
        )
    if others:
        detail = "The offer cannot be right; see errors."
        raise InvalidOffer(detail, faults=others)
    _must_have_effect(policy, "/policy" if terms.template is None else "/parameters")
    _must_keep(policy, examples)
    return OfferVersion(
        offer_id=offer.id,
        number=offer.version,
        title=dict(terms.title),
        template=terms.template,
        parameters=dict(terms.parameters),
        policy=to_jsonld(policy, "catalog-offer"),
        policy_hash=policy_hash(policy),
        text_nl=render(policy, "nl"),
        text_en=render(policy, "en"),
        labels={term: str(label) for term, label in labels(policy).items()},
        questions=[dict(question) for question in terms.questions],
        automatic=automatic,
        examples=documents,
        deadline_days=terms.deadline_days,
        created_at=now,
    )


def _automatic(terms: OfferTerms) -> tuple[dict[str, Any] | None, list[Fault]]:
    if terms.automatic is None:
        return None, []
    document = rules.automatic_policy(terms.automatic)
    try:
        read_policy(document)
    except PolicyFaults as found:
        faults = [_placed(fault, "") for fault in found.faults]
        return None, [
            replace(f, pointer=f.pointer.replace(rules.AUTOMATIC_AT, "/automatic", 1)) for f in faults
        ]
    return document, []


def _placed(fault: PolicyFault, prefix: str) -> Fault:
    pointer = fault.pointer if fault.code == "unknown-template" else prefix + fault.pointer
    return Fault(pointer, fault.message, fault.code, {"remedy": fault.remedy})


def warnings_on(version: OfferVersion) -> Sequence[Fault]:
    """Return which rules have no effect, or more than their writer may think; pointers lead into the version's policy."""
    return [_placed(each, "/policy") for each in _analysed(read_policy(version.policy))]


@lru_cache(maxsize=64)
def _analysed(policy: Policy) -> tuple[PolicyFault, ...]:
    told = cautions(policy)
    if not rules.is_analysable(policy):
        return (*told, _TOO_LARGE)
    try:
        return (*told, *hygiene(policy))
    except ImportError:
        return (*told, _NOT_ANALYSED)


_GRANTS_NOTHING = frozenset({"contradiction", "always-prohibited"})


def _must_have_effect(policy: Policy, at: str) -> None:
    """Refuse a policy of which no permission can ever permit anything. Raises PolicyNotUsable."""
    found = _analysed(policy)
    dead = [
        each for each in found if each.code in _GRANTS_NOTHING and each.pointer.startswith("/permission/")
    ]
    if dead and len(dead) == len(policy.permissions):
        raise PolicyNotUsable(
            "Nobody could ever use this policy: each of its permissions contradicts itself or is prohibited.",
            faults=[
                _placed(each if at == "/policy" else replace(each, pointer=""), at)
                for each in (*dead, *cautions(policy))
            ],
        )


def _must_keep(policy: Policy, examples: Sequence[Example]) -> None:
    places = {id(each): place for place, each in enumerate(examples)}
    broken = broken_examples(policy, examples)
    if broken:
        raise ExamplesBroken(
            f"The policy decides {len(broken)} of {len(examples)} examples otherwise than they say.",
            remedy="Change the policy, or send the examples changed with it.",
            faults=[
                Fault(
                    f"/examples/{places[id(each)]}",
                    f"“{each.title}” should be {'allowed' if each.permit else 'denied'}: "
                    f"{decision.explanation('en', 'provider')}",
                    decision.code,
                    {"title": each.title, "explanation": {"nl": decision.explanation("nl", "provider")}},
                )
                for each, decision in broken
            ],
        )


def _examples(documents: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Example], list[Fault]]:
    try:
        return read_examples(documents, "/examples"), []
    except PolicyFaults as found:
        return (), [_placed(each, "") for each in found.faults]

"""The verb that looks ahead: what other terms of an offer would do, before they are saved. Nothing is changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

from datahub.audit import Decision as RecordedDecision
from datahub.audit import decisions_on, find_decision, record_look
from datahub.catalog import (
    DatasetNotFound,
    Offer,
    OfferNotFound,
    OfferVersion,
    PolicyNotUsable,
    get_offer,
    is_analysable,
    must_offer_for,
    offer_by_id,
    read_terms,
)
from datahub.contracts import store
from datahub.contracts.errors import DecisionNotReplayable
from datahub.contracts.models import Agreement
from datahub.contracts.rules import preview as rules
from datahub.contracts.rules.comparison import Relation, Verdict, relation
from datahub.contracts.rules.permission import facts_of
from datahub.contracts.rules.preview import Asking, Combinations, Recorded, Replay
from datahub.kernel.context import Context
from datahub.participants import identifiers_of, participant_by_id
from datahub.policy import (
    Decision,
    Example,
    Facts,
    Policy,
    broken_examples,
    decide,
    read_examples,
    read_policy,
)

MOST_AGREEMENTS = 1000
MOST_COMPARED = 50
"""Different policies among the agreements that are compared with proof; what becomes of the others is decided only."""
MOST_READS = 20_000
LARGE = 20
"""Of a policy too large to be analysed, so many times fewer attempts are decided: somebody waits for the answer."""
ATTEMPT = "data.read"  # the entries of transfers, a tier above


_NOT_COMPARED = Relation(Verdict.NOT_ANALYSED)


@dataclass(frozen=True)
class Proposal:
    """Terms to look at, and how many days of recorded reads to replay."""

    template: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    days: int = 30


@dataclass(frozen=True)
class AgreementFate:
    """One agreement under the offer, as it would fare if these were its terms."""

    agreement: Agreement
    effect: str
    relation: Relation


@dataclass(frozen=True)
class Preview:
    """What a change would do."""

    policy: Policy
    relation: Relation
    combinations: Combinations
    agreements: Sequence[AgreementFate]
    reads: Replay
    broken: Sequence[tuple[int, Example, Decision]]


def preview_offer(ctx: Context, offer_id: str, proposal: Proposal) -> Preview:
    """Return the same for who knows only the offer. Raises OfferNotFound, OfferNotYours, PolicyNotUsable."""
    offer = offer_by_id(ctx.session, offer_id)
    try:
        return preview_change(ctx, offer.dataset_id if offer else "", offer_id, proposal)
    except (DatasetNotFound, OfferNotFound):  # hidden and unknown are told in the same words
        raise OfferNotFound("There is no offer with this id.") from None


def preview_change(ctx: Context, dataset_id: str, offer_id: str, proposal: Proposal) -> Preview:
    """Return what other terms would do to organisations, agreements under the offer and reads on record.

    Agreements keep the terms they were made on; this is how they would fare when renewed on these. Only for who may
    change the offer. Raises DatasetNotFound, OfferNotFound, OfferNotYours, PolicyNotUsable.
    """
    offer, version = get_offer(ctx, dataset_id, offer_id)
    must_offer_for(ctx.actor, offer.provider_id)
    old, new = read_policy(version.policy), _proposed(offer, proposal)
    agreements = store.living_agreements(ctx.session, offer.id, MOST_AGREEMENTS)
    policies = {each.policy_hash: each.policy for each in agreements}
    agreed = {name: read_policy(document) for name, document in policies.items()}
    compared = {
        name: relation(new, policy) if place < MOST_COMPARED else _NOT_COMPARED
        for place, (name, policy) in enumerate(agreed.items())
    }
    fates = [
        AgreementFate(each, rules.fate(agreed[each.policy_hash], new, facts), compared[each.policy_hash])
        for each, facts in zip(agreements, _held(ctx, agreements), strict=True)
    ]
    share = 1 if is_analysable(old) and is_analysable(new) else LARGE
    return Preview(
        policy=new,
        relation=relation(new, old),
        combinations=_combinations(ctx, offer, old, new, rules.MOST_COMBINATIONS // share),
        agreements=fates,
        reads=rules.replay(new, _recorded(ctx, offer, proposal.days, MOST_READS // share)),
        broken=_broken(version, new),
    )


@dataclass(frozen=True)
class Again:
    """A decision on record, and what comes of the same policy and the same facts now."""

    decision: RecordedDecision
    again: Decision

    @property
    def is_same(self) -> bool:
        """Whether both came to the same answer for the same reason."""
        permits = self.again.permit or self.again.permit_with_plan
        return self.decision.is_permit == permits and self.decision.code == self.again.code


def decide_again(ctx: Context, decision_id: str, *, reason: str | None = None) -> Again:
    """Make a decision on record again, from the policy and the facts of then; that, why, and what came is logged.

    Raises DecisionNotFound, DecisionNotReplayable.
    """
    decision, _ = find_decision(ctx, decision_id)
    agreement = store.agreement_by_id(ctx.session, decision.agreement_id or "")
    facts = rules.facts_on_record(decision.facts)
    if agreement is None or facts is None or agreement.policy_hash != decision.policy_hash:
        raise DecisionNotReplayable("This was not decided by a policy, or its facts are not on record.")
    again = decide(read_policy(agreement.policy), facts)
    if again.permit_with_plan and not decision.is_permit:
        raise DecisionNotReplayable(
            "The policy left it to the table's rows and columns, which are not on record."
        )
    made = Again(decision, again)
    record_look(ctx, "decision.replay", decision_id, reason, {"isSame": made.is_same})
    return made


def _proposed(offer: Offer, proposal: Proposal) -> Policy:
    uid = f"urn:datahub:offer:{offer.id}:{offer.version + 1}"
    policy, faults = read_terms(uid, proposal.template, proposal.parameters, proposal.policy)
    if policy is None:
        raise PolicyNotUsable("The policy holds something the exchange cannot place.", faults=faults)
    return policy


def _combinations(ctx: Context, offer: Offer, old: Policy, new: Policy, most: int) -> Combinations:
    might = store.who_might_ask(ctx.session, offer.provider_id, most)
    identifiers = identifiers_of(ctx, [each.id for each in might])
    target = _target(ctx, offer.dataset_id)
    asking = [
        Asking(
            each.id, each.name, rules.when_read(facts_of(each, identifiers[each.id], None), ctx.now, target)
        )
        for each in might
    ]
    seen = store.purposes_seen(ctx.session, offer.dataset_id)
    return rules.combinations(old, new, asking, rules.purposes_to_try((old, new), seen), most)


def _held(ctx: Context, agreements: Sequence[Agreement]) -> Sequence[Facts]:
    consumers = {each.consumer_id: participant_by_id(ctx.session, each.consumer_id) for each in agreements}
    identifiers = identifiers_of(ctx, list(consumers))
    return [
        rules.when_read(
            facts_of(consumer, identifiers[consumer.id], each.purpose),
            ctx.now,
            _target(ctx, each.dataset_id),
            each.valid_from,
        )
        for each in agreements
        if (consumer := consumers[each.consumer_id]) is not None  # a foreign key holds it
    ]


def _recorded(ctx: Context, offer: Offer, days: int, most: int) -> Sequence[Recorded]:
    """Return the reads on record that a policy under this offer decided, agreements since ended included."""
    decisions = decisions_on(ctx, offer.dataset_id, ATTEMPT, ctx.now - timedelta(days=days), most)

    @cache
    def agreed(agreement_id: str) -> Policy | None:
        agreement = store.agreement_by_id(ctx.session, agreement_id)
        is_under = agreement is not None and agreement.offer_id == offer.id
        return read_policy(agreement.policy) if agreement is not None and is_under else None

    return [
        Recorded(each.id, each.facts, policy)
        for each in decisions
        if each.agreement_id is not None and each.facts and (policy := agreed(each.agreement_id)) is not None
    ]


def _broken(version: OfferVersion, new: Policy) -> Sequence[tuple[int, Example, Decision]]:
    examples = read_examples(version.examples)
    places = {id(each): place for place, each in enumerate(examples)}
    return [(places[id(each)], each, decision) for each, decision in broken_examples(new, examples)]


def _target(ctx: Context, dataset_id: str) -> Sequence[str]:
    return (dataset_id, f"urn:uuid:{dataset_id}", f"{ctx.settings.base_url}/v1/datasets/{dataset_id}")

"""The verbs on offers: make, change, open, close, read. A term that the exchange cannot place is never kept."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from datahub.audit import About, Entry, history, record
from datahub.catalog.errors.offers import OfferNotFound
from datahub.catalog.models import Dataset
from datahub.catalog.models.offers import Offer, OfferState, OfferVersion
from datahub.catalog.rules import offers as rules
from datahub.catalog.rules.datasets import must_be_open
from datahub.catalog.rules.offers import OfferTerms
from datahub.catalog.rules.upstream import UpstreamCheck
from datahub.catalog.service.datasets import get_dataset, verdict_on
from datahub.catalog.service.terms import version_of_terms
from datahub.catalog.store import offers as store
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.policy import Policy, read_policy

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"

TermsCheck: TypeAlias = Callable[[Context, Dataset, Policy], None]
"""Whether terms can be kept on a dataset as it is; raises a Refusal. The app hands over what knows of people."""

_MOVE_ACTIONS = tuple(f"offer.{verb}" for verb in ("make", "change", *rules.MOVES))


def any_terms(ctx: Context, dataset: Dataset, policy: Policy) -> None:
    """Let everything pass."""
    del ctx, dataset, policy


def make_offer(
    ctx: Context, dataset_id: str, terms: OfferTerms, upstream: UpstreamCheck, *, is_check: bool = False
) -> tuple[Offer, OfferVersion]:
    """Make a draft offer on a dataset; with `is_check` only say whether it could be made, and how it would read.

    Raises DatasetNotFound, OfferNotYours, DatasetWithdrawn, PolicyNotUsable and InvalidOffer (all faults at once),
    ExamplesBroken, and what `upstream` refuses of data that is shared on.
    """
    dataset = get_dataset(ctx, dataset_id)
    rules.must_offer_for(ctx.actor, dataset.provider_id)
    must_be_open(dataset)
    offer = Offer(
        id=new_id(),
        dataset_id=dataset.id,
        provider_id=dataset.provider_id,
        state=OfferState.DRAFT,
        version=1,
        created_at=ctx.now,
        changed_at=ctx.now,
    )
    version = version_of_terms(ctx.now, offer, terms)
    offer.upstream = verdict_on(ctx, dataset, read_policy(version.policy), upstream)
    if not is_check:
        ctx.session.add(offer)
        ctx.session.flush()
        ctx.session.add(version)
        record(ctx, "offer.make", _about(offer, version))
    return offer, version


def get_offer(
    ctx: Context, dataset_id: str, offer_id: str, number: int | None = None
) -> tuple[Offer, OfferVersion]:
    """Return an offer the actor may see, with one version of its terms (the current one by default).

    Raises DatasetNotFound, OfferNotFound.
    """
    dataset = get_dataset(ctx, dataset_id)
    offer = store.offer_by_id(ctx.session, offer_id)
    version = (
        store.offer_version(ctx.session, offer_id, offer.version if number is None else number)
        if offer
        else None
    )
    is_here = offer is not None and offer.dataset_id == dataset.id and rules.may_see_offer(ctx.actor, offer)
    if offer is None or version is None or not is_here:
        detail = (
            "No offer with this id on this dataset." if number is None else "No such version of this offer."
        )
        raise OfferNotFound(detail)
    return offer, version


def list_offers(
    ctx: Context, dataset_id: str, request: PageRequest, state: OfferState | None = None
) -> tuple[Page[Offer], Mapping[str, OfferVersion]]:
    """Return the offers of a dataset that the actor may see, with their current terms. Raises DatasetNotFound."""
    dataset = get_dataset(ctx, dataset_id)
    page = store.offers_page(ctx, ctx.actor, dataset.id, request, state)
    return page, store.current_versions(ctx.session, page.items)


def change_offer(
    ctx: Context,
    dataset_id: str,
    offer_id: str,
    terms: OfferTerms,
    upstream: UpstreamCheck,
    *,
    must_fit: TermsCheck = any_terms,
) -> tuple[Offer, OfferVersion]:
    """Write the next version of an offer's terms; requests already made keep the version they were made on.

    Examples that are not sent stay and must hold. Raises OfferNotFound, OfferNotYours, DatasetWithdrawn, PolicyNotUsable
    and InvalidOffer (all faults at once), ExamplesBroken, what `upstream` refuses, and of an open offer `must_fit`.
    """
    offer = offer_to_change(ctx, dataset_id, offer_id)
    dataset = get_dataset(ctx, dataset_id)
    must_be_open(dataset)
    _, before = get_offer(ctx, dataset_id, offer_id)
    offer.version += 1
    offer.revision += 1
    offer.changed_at = ctx.now
    version = version_of_terms(ctx.now, offer, terms, before.examples)
    policy = read_policy(version.policy)
    if offer.state == OfferState.OPEN:
        must_fit(ctx, dataset, policy)
    offer.upstream = verdict_on(ctx, dataset, policy, upstream)
    ctx.session.add(version)
    about = _about(offer, version, {"policyHashBefore": before.policy_hash})
    record(ctx, "offer.change", about)
    return offer, version


def move_offer(
    ctx: Context,
    dataset_id: str,
    offer_id: str,
    move: str,
    reason: str | None,
    *,
    upstream: UpstreamCheck,
    must_fit: TermsCheck = any_terms,
) -> tuple[Offer, OfferVersion]:
    """Open, close or reopen an offer.

    Raises OfferNotFound, OfferNotYours, OfferMoveNotPossible, and on opening what `upstream` and `must_fit` refuse.
    """
    offer = offer_to_change(ctx, dataset_id, offer_id)
    _, version = get_offer(ctx, dataset_id, offer_id)
    dataset = get_dataset(ctx, dataset_id)
    after = rules.decide_offer_move(offer, dataset.state, move)
    if after is OfferState.OPEN:
        policy = read_policy(version.policy)
        must_fit(ctx, dataset, policy)
        offer.upstream = verdict_on(ctx, dataset, policy, upstream)
    _move(ctx, offer, version, move, after, reason=reason)
    return offer, version


def close_offers_shared_on(ctx: Context, agreement_ids: Sequence[str], reason: str) -> None:
    """Close the open offers on data that was obtained under one of these agreements."""
    for offer in store.offers_shared_on(ctx.session, agreement_ids):
        version = store.offer_version(ctx.session, offer.id, offer.version)
        if version is not None:  # a foreign key holds it
            _move(ctx, offer, version, "close", OfferState.CLOSED, reason=reason)


def _move(
    ctx: Context, offer: Offer, version: OfferVersion, move: str, after: OfferState, *, reason: str | None
) -> None:
    before = offer.state
    offer.state = after
    offer.revision += 1
    offer.changed_at = ctx.now
    details = {"move": move, "from": before, "to": after.value, "reason": reason}
    record(ctx, f"offer.{move}", _about(offer, version, details))
    announce(ctx, "OfferMoved", {"offerId": offer.id, "datasetId": offer.dataset_id, **details})


def offer_history(ctx: Context, dataset_id: str, offer_id: str) -> Sequence[Entry]:
    """Return the moves and changes of an offer's life, oldest first, to its provider. Raises OfferNotFound."""
    offer, _ = get_offer(ctx, dataset_id, offer_id)
    rules.must_offer_for(ctx.actor, offer.provider_id)
    return history(ctx, offer.id, _MOVE_ACTIONS)


def offer_to_change(ctx: Context, dataset_id: str, offer_id: str) -> Offer:
    """Return an offer of the actor's own organisation, locked against others until the transaction ends.

    Raises DatasetNotFound, OfferNotFound, OfferNotYours.
    """
    offer, _ = get_offer(ctx, dataset_id, offer_id)
    rules.must_offer_for(ctx.actor, offer.provider_id)
    return store.offer_for_change(ctx.session, offer.id)


def examples_of(ctx: Context, dataset_id: str, offer_id: str) -> Sequence[Mapping[str, Any]]:
    """Return the examples that the current terms keep, to their provider. Raises OfferNotFound, OfferNotYours."""
    offer, version = get_offer(ctx, dataset_id, offer_id)
    rules.must_offer_for(ctx.actor, offer.provider_id)
    return version.examples


def linked(version: OfferVersion) -> dict[str, Any]:
    """Return the terms as an ODRL Offer for a catalogue (DSP 2025-1 §4: no target)."""
    return {"@context": [CONTEXT], **version.policy}


def _about(offer: Offer, version: OfferVersion, details: Mapping[str, Any] | None = None) -> About:
    return About(
        thing_id=offer.id,
        provider_id=offer.provider_id,
        dataset_id=offer.dataset_id,
        offer_id=offer.id,
        offer_version=version.number,
        policy_hash=version.policy_hash,
        details=details or {},
    )

"""What is shared on: the agreement it was obtained under must be in force, and an offer may grant nothing beyond it.

ODRL 2.2 leaves it at `nextPolicy`; here the two policies are compared with proof (`policy.grants_nothing_beyond`).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import Session

from datahub.catalog import Upstream, close_offers_shared_on, dataset_by_id
from datahub.contracts import store
from datahub.contracts.errors import GrantsBeyondUpstream, UpstreamNotUsable
from datahub.contracts.models import Agreement
from datahub.contracts.rules import agreements as rules
from datahub.contracts.rules import comparison
from datahub.contracts.rules.agreements import Standing
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.participants import participant_by_id
from datahub.policy import Policy, read_policy

MOST_LINKS = 32
"""A chain of agreements longer than this, or one that bites its own tail, holds nothing up."""


def check_upstream(ctx: Context, agreement_id: str, provider_id: str, policy: Policy | None) -> Upstream:
    """Return where the data comes from, and whether the policy is proved to grant nothing beyond the agreement's.

    Raises UpstreamNotUsable (not an agreement of this provider as consumer, or not in force) and GrantsBeyondUpstream.
    """
    agreement = _current(ctx.session, agreement_id)
    if agreement is None or agreement.consumer_id != provider_id:
        raise _not_usable("no agreement under which your organisation obtains data", "not-found")
    standing = standing_of(ctx.session, agreement, ctx.now)
    if standing is not Standing.IN_FORCE:
        raise _not_usable("the agreement is not in force", standing.value)
    verdict = "within" if policy is None else _compared(policy, agreement)
    return Upstream(agreement.dataset_id, verdict)


def standing_of(session: Session, agreement: Agreement, now: datetime) -> Standing:
    """Return whether an agreement is in force now, and if not why not (a stable code).

    Both organisations must be admitted, and what the data was obtained under must be in force too, link by link.
    """
    own = _own_standing(session, agreement, now)
    if own is not Standing.IN_FORCE or upstream_holds(session, agreement.dataset_id, now):
        return own
    return Standing.UPSTREAM


def upstream_holds(session: Session, dataset_id: str, now: datetime) -> bool:
    """Tell whether every agreement is in force that the dataset, and what it was taken from, was obtained under."""
    for _ in range(MOST_LINKS):
        dataset = dataset_by_id(session, dataset_id)
        if dataset is None or dataset.upstream_agreement_id is None:
            return True
        agreement = _current(session, dataset.upstream_agreement_id)
        if agreement is None or _own_standing(session, agreement, now) is not Standing.IN_FORCE:
            return False
        dataset_id = agreement.dataset_id
    return False


def close_what_was_shared_on(ctx: Context, payload: Mapping[str, Any]) -> None:
    """Close the offers on data obtained under an agreement that has ended; nothing waits for it: reads ask anew."""
    ids = [payload["agreementId"]]
    while (
        len(ids) < MOST_LINKS
        and (agreement := store.agreement_by_id(ctx.session, ids[-1]))
        and agreement.supersedes_id
    ):
        ids.append(agreement.supersedes_id)
    close_offers_shared_on(ctx, ids, f"the agreement {ids[0]} under which the data was obtained has ended")


def _own_standing(session: Session, agreement: Agreement, now: datetime) -> Standing:
    provider = participant_by_id(session, agreement.provider_id)
    consumer = participant_by_id(session, agreement.consumer_id)
    return rules.standing(
        agreement, now, provider.state if provider else None, consumer.state if consumer else None
    )


def _current(session: Session, agreement_id: str) -> Agreement | None:
    """Return an agreement, or the one that replaced it in the end."""
    agreement = store.agreement_by_id(session, agreement_id)
    for _ in range(MOST_LINKS):
        successor = store.successor_of(session, agreement) if agreement else None
        if successor is None:
            break
        agreement = successor
    return agreement


def _compared(policy: Policy, agreement: Agreement) -> str:
    agreed = read_policy(agreement.policy)
    passes_on = comparison.may_pass_on(agreed)
    if passes_on is False:
        raise GrantsBeyondUpstream(
            "The agreement the data was obtained under does not allow passing it on.",
            remedy="Agree with its provider on terms that permit `distribute`.",
            upstreamAgreementId=agreement.id,
            because="no-redistribution",
        )
    found = comparison.relation(policy, agreed)
    if found.gained or found.verdict in comparison.GRANTS_MORE:
        raise GrantsBeyondUpstream(
            "This offer would permit what the agreement the data was obtained under does not; see onlyOfferPermits.",
            remedy="Narrow the offer until it grants nothing beyond that agreement.",
            upstreamAgreementId=agreement.id,
            because="grants-beyond",
            onlyOfferPermits=dict(found.gained or {}),
        )
    return "within" if passes_on and found.verdict in comparison.GRANTS_NOTHING_BEYOND else "unknown"


def _not_usable(sentence: str, code: str) -> UpstreamNotUsable:
    fault = Fault("/upstreamAgreementId", sentence, code)
    return UpstreamNotUsable(f"The upstream agreement cannot be used: {sentence}.", faults=[fault])

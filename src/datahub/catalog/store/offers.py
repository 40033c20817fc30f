"""Queries on offers."""

from collections.abc import Sequence

from sqlalchemy import delete, or_
from sqlmodel import Session, col, select

from datahub.catalog.models.datasets import Dataset
from datahub.catalog.models.offers import Offer, OfferState, OfferVersion
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants import Role


def offer_by_id(session: Session, offer_id: str) -> Offer | None:
    """Return an offer; the caller checks who may see it."""
    return session.get(Offer, offer_id) if is_id(offer_id) else None


def offer_for_change(session: Session, offer_id: str) -> Offer:
    """Return a known offer, locked until the transaction ends, as it is now in the database."""
    found = select(Offer).where(Offer.id == offer_id).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).one()


def offer_version(session: Session, offer_id: str, number: int) -> OfferVersion | None:
    """Return one version of an offer's terms."""
    return session.get(OfferVersion, (offer_id, number))


def open_offers(session: Session, dataset_id: str) -> Sequence[Offer]:
    """Return the open offers of a dataset, oldest first."""
    found = select(Offer).where(Offer.dataset_id == dataset_id, Offer.state == OfferState.OPEN)
    return session.exec(found.order_by(col(Offer.id))).all()


def offers_shared_on(session: Session, agreement_ids: Sequence[str]) -> Sequence[Offer]:
    """Return the open offers on data obtained under one of these agreements, locked."""
    shared = select(Dataset.id).where(col(Dataset.upstream_agreement_id).in_(agreement_ids))
    found = select(Offer).where(col(Offer.dataset_id).in_(shared), Offer.state == OfferState.OPEN)
    found = found.order_by(col(Offer.id)).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).all()


def offers_of(session: Session, dataset_id: str) -> Sequence[Offer]:
    """Return all offers of a dataset."""
    return session.exec(select(Offer).where(Offer.dataset_id == dataset_id).order_by(col(Offer.id))).all()


def offers_page(
    ctx: Context, actor: Actor, dataset_id: str, request: PageRequest, state: OfferState | None
) -> Page[Offer]:
    """Return the offers of a dataset that the actor may see, oldest first."""
    found = select(Offer).where(Offer.dataset_id == dataset_id)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        own = col(Offer.provider_id) == actor.participant_id
        found = found.where(or_(col(Offer.state) == OfferState.OPEN, own))
    if state is not None:
        found = found.where(Offer.state == state)
    return read_page(ctx, found, [SortKey(col(Offer.id), "id")], request)


def current_versions(session: Session, offers: Sequence[Offer]) -> dict[str, OfferVersion]:
    """Return the current version of each offer, by the offer's id."""
    found = (
        select(OfferVersion)
        .join(Offer, (col(Offer.id) == OfferVersion.offer_id) & (col(Offer.version) == OfferVersion.number))
        .where(col(Offer.id).in_([offer.id for offer in offers]))
    )
    return {version.offer_id: version for version in session.exec(found)}


def remove_offers(session: Session, dataset_id: str) -> None:
    """Delete the offers of a dataset that nobody else has ever seen: of a draft."""
    own = select(Offer.id).where(Offer.dataset_id == dataset_id)
    session.exec(delete(OfferVersion).where(col(OfferVersion.offer_id).in_(own)))
    session.exec(delete(Offer).where(col(Offer.dataset_id) == dataset_id))

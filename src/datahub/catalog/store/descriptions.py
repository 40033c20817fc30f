"""What the description of a dataset draws on beside its own row, for many datasets at once."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from datahub.catalog.models import Dataset, DatasetVersion
from datahub.catalog.models.offers import Offer, OfferState, OfferVersion
from datahub.participants import Participant


def publishers_of(session: Session, datasets: Sequence[Dataset]) -> dict[str, Participant]:
    """Return the publishing organisations of some datasets by their ids."""
    ids = {dataset.provider_id for dataset in datasets}
    return {
        found.id: found for found in session.exec(select(Participant).where(col(Participant.id).in_(ids)))
    }


def latest_versions(session: Session, datasets: Sequence[Dataset]) -> dict[str, DatasetVersion]:
    """Return the latest version of each of some datasets by dataset id; those without versions are absent."""
    found = (
        select(DatasetVersion)
        .join(Dataset, col(Dataset.id) == DatasetVersion.dataset_id)
        .where(
            col(Dataset.id).in_([dataset.id for dataset in datasets]),
            DatasetVersion.number == Dataset.last_version,
        )
    )
    return {version.dataset_id: version for version in session.exec(found)}


def open_terms(session: Session, datasets: Sequence[Dataset]) -> dict[str, list[OfferVersion]]:
    """Return the current terms of the open offers on some datasets by dataset id, oldest offer first."""
    found = (
        select(Offer.dataset_id, OfferVersion)
        .join(
            OfferVersion,
            (col(Offer.id) == OfferVersion.offer_id) & (col(Offer.version) == OfferVersion.number),
        )
        .where(
            col(Offer.dataset_id).in_([dataset.id for dataset in datasets]), Offer.state == OfferState.OPEN
        )
        .order_by(col(Offer.id))
    )
    terms: dict[str, list[OfferVersion]] = {}
    for dataset_id, version in session.exec(found):
        terms.setdefault(dataset_id, []).append(version)
    return terms

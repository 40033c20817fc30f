"""Datasets with their DCAT metadata, their immutable versions, and the offers on them.

W3C DCAT 3; open metadata, closed data: everybody may search, only who is entitled may fetch.
"""

from datahub.catalog.errors.offers import PolicyNotUsable
from datahub.catalog.models import (
    AccessRights,
    Dataset,
    DatasetKind,
    DatasetState,
    DatasetVersion,
    Frequency,
    Language,
    Theme,
)
from datahub.catalog.models.offers import Offer, OfferState, OfferVersion
from datahub.catalog.objects import ObjectMissing, ObjectStore, StorageFailed
from datahub.catalog.receive import digest_field
from datahub.catalog.rules.offers import is_analysable, json_fault, must_offer_for
from datahub.catalog.service.offers import get_offer
from datahub.catalog.service.storage import storage
from datahub.catalog.service.terms import read_terms
from datahub.catalog.store.datasets import dataset_by_id, find_dataset
from datahub.catalog.store.offers import offer_by_id, offer_version, open_offers
from datahub.catalog.store.versions import version_of

__all__ = [
    "AccessRights",
    "Dataset",
    "DatasetKind",
    "DatasetState",
    "DatasetVersion",
    "Frequency",
    "Language",
    "ObjectMissing",
    "ObjectStore",
    "Offer",
    "OfferState",
    "OfferVersion",
    "PolicyNotUsable",
    "StorageFailed",
    "Theme",
    "dataset_by_id",
    "digest_field",
    "find_dataset",
    "get_offer",
    "is_analysable",
    "json_fault",
    "must_offer_for",
    "offer_by_id",
    "offer_version",
    "open_offers",
    "read_terms",
    "storage",
    "version_of",
]

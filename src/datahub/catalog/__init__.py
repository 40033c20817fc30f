"""Datasets with their DCAT metadata, their immutable versions, and the offers on them.

W3C DCAT 3; open metadata, closed data: everybody may search, only who is entitled may fetch.
"""

from datahub.catalog.errors.datasets import DatasetNotFound
from datahub.catalog.errors.offers import OfferNotFound, PolicyNotUsable
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
from datahub.catalog.receive import BodyFault, BodyTooLarge, digest_field
from datahub.catalog.receive import receive as receive_body
from datahub.catalog.rules.datasets import must_be_open
from datahub.catalog.rules.offers import is_analysable, json_fault, must_offer_for
from datahub.catalog.rules.upstream import Upstream, UpstreamCheck
from datahub.catalog.schemas.parts import ColumnSchema, Sensitivity
from datahub.catalog.service.datasets import FitCheck, dataset_to_change, get_dataset
from datahub.catalog.service.offers import close_offers_shared_on, get_offer
from datahub.catalog.service.storage import storage
from datahub.catalog.service.terms import read_terms
from datahub.catalog.service.uploads import subject_keys
from datahub.catalog.service.versions import add_live_version
from datahub.catalog.store.datasets import dataset_by_id, find_dataset
from datahub.catalog.store.offers import offer_by_id, offer_version, offers_of, open_offers
from datahub.catalog.store.versions import version_by_id, version_of

__all__ = [
    "AccessRights",
    "BodyFault",
    "BodyTooLarge",
    "ColumnSchema",
    "Dataset",
    "DatasetKind",
    "DatasetNotFound",
    "DatasetState",
    "DatasetVersion",
    "FitCheck",
    "Frequency",
    "Language",
    "ObjectMissing",
    "ObjectStore",
    "Offer",
    "OfferNotFound",
    "OfferState",
    "OfferVersion",
    "PolicyNotUsable",
    "Sensitivity",
    "StorageFailed",
    "Theme",
    "Upstream",
    "UpstreamCheck",
    "add_live_version",
    "close_offers_shared_on",
    "dataset_by_id",
    "dataset_to_change",
    "digest_field",
    "find_dataset",
    "get_dataset",
    "get_offer",
    "is_analysable",
    "json_fault",
    "must_be_open",
    "must_offer_for",
    "offer_by_id",
    "offer_version",
    "offers_of",
    "open_offers",
    "read_terms",
    "receive_body",
    "storage",
    "subject_keys",
    "version_by_id",
    "version_of",
]

"""Datasets with their DCAT metadata, their immutable versions, and the offers on them.

W3C DCAT 3; open metadata, closed data: everybody may search, only who is entitled may fetch.
"""

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
from datahub.catalog.store.datasets import dataset_by_id, find_dataset
from datahub.catalog.store.versions import version_of

__all__ = [
    "AccessRights",
    "Dataset",
    "DatasetKind",
    "DatasetState",
    "DatasetVersion",
    "Frequency",
    "Language",
    "Theme",
    "dataset_by_id",
    "find_dataset",
    "version_of",
]

"""Tables of the catalogue, one module per concept; importing the package knows them all."""

from datahub.catalog.models.datasets import Dataset, DatasetKind, DatasetState, DatasetTag, TagField
from datahub.catalog.models.uploads import Upload, UploadPiece
from datahub.catalog.models.versions import DatasetVersion
from datahub.catalog.models.vocabularies import AccessRights, Frequency, Language, Theme, authority_iri

__all__ = [
    "AccessRights",
    "Dataset",
    "DatasetKind",
    "DatasetState",
    "DatasetTag",
    "DatasetVersion",
    "Frequency",
    "Language",
    "TagField",
    "Theme",
    "Upload",
    "UploadPiece",
    "authority_iri",
]

"""REST messages about datasets."""

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import ConfigDict, Field, model_validator

from datahub.audit import Entry
from datahub.catalog.models import AccessRights, Dataset, DatasetKind, DatasetState, Frequency, Language
from datahub.catalog.schemas.parts import (
    Columns,
    ColumnSchema,
    Contact,
    Distinct,
    Iri,
    Keyword,
    LongText,
    Spatial,
    Temporal,
    ThemeCode,
    TitleText,
)
from datahub.catalog.service.datasets import Description
from datahub.kernel.rest import Kept, Line, Schema, SchemaIn, Slug, UtcInstant

# Texts in two languages and periods take two columns each: field → {part of the message: column of the row}.
_SPLIT: Mapping[str, Mapping[str, str]] = {
    "title": {"nl": "title_nl", "en": "title_en"},
    "description": {"nl": "description_nl", "en": "description_en"},
    "provenance": {"nl": "provenance_nl", "en": "provenance_en"},
    "temporal": {"start": "temporal_start", "end": "temporal_end"},
}
_KEPT_AS_JSON = frozenset({"spatial", "contact", "columns"})


class DatasetPatch(SchemaIn):
    """What may be changed of a dataset: absent fields stay, given ones are replaced, null empties."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    title: Kept[TitleText] = None
    description: Kept[LongText] = None
    keywords: Kept[Annotated[list[Keyword], Field(max_length=50), Distinct]] = None
    themes: Kept[Annotated[list[ThemeCode], Field(max_length=20), Distinct]] = Field(
        default=None, description="EU data themes by code, or IRIs of other lists.", examples=[["SOCI"]]
    )
    languages: Kept[Annotated[list[Language], Field(max_length=len(Language)), Distinct]] = None
    conforms_to: Kept[Annotated[list[Iri], Field(max_length=20), Distinct]] = None
    spatial: Spatial | None = None
    temporal: Temporal | None = None
    frequency: Frequency | None = None
    licence: Iri | None = Field(
        default=None, examples=["http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"]
    )
    access_rights: Kept[AccessRights] = None
    contact: Contact | None = None
    provenance: LongText | None = Field(default=None, description="Where the data comes from.")
    upstream_agreement_id: Line | None = Field(
        default=None,
        description="The agreement under which you obtained this data, when you share it on: it must be in force with "
        "your organisation as consumer, and offers may grant nothing beyond it.",
    )
    columns: Columns | None = Field(
        default=None, description="The declared columns of a table; uploads are checked against them."
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            msg = "name at least one field to change"
            raise ValueError(msg)
        return self

    def values(self) -> Description:
        """Return the given fields by the names of the row's columns."""
        found: dict[str, Any] = {}
        for name in self.model_fields_set & DatasetPatch.model_fields.keys():
            value = getattr(self, name)
            if name in _SPLIT:
                found |= {column: getattr(value, part, None) for part, column in _SPLIT[name].items()}
            elif name in _KEPT_AS_JSON:
                found[name] = self.model_dump(mode="json", include={name})[name]
            else:
                found[name] = value
        return cast("Description", found)


class DatasetIn(DatasetPatch):
    """A dataset to be described; it starts as a draft."""

    slug: Slug = Field(description="Short name, unique in the organisation; part of the dataset's reference.")
    kind: DatasetKind
    title: TitleText
    description: LongText
    access_rights: AccessRights


class DatasetOut(Schema):
    """A dataset in the catalogue."""

    id: str
    ref: str = Field(
        description="Organisation and dataset by their short names.", examples=["gemeente/inkomen"]
    )
    provider_id: str
    slug: str
    kind: DatasetKind
    state: DatasetState
    title: TitleText
    description: LongText
    keywords: list[str]
    themes: list[str]
    languages: list[str]
    conforms_to: list[str]
    spatial: Spatial | None
    temporal: Temporal | None
    frequency: Frequency | None
    licence: str | None
    access_rights: AccessRights
    contact: Contact | None
    provenance: LongText | None
    upstream_agreement_id: str | None = Field(description="The agreement under which this was obtained.")
    upstream_dataset_id: str | None = Field(description="The dataset this was taken from.")
    columns: list[ColumnSchema] | None
    last_version: int | None = Field(description="Number of the latest version; null when there is none.")
    created_at: UtcInstant
    modified_at: UtcInstant
    published_at: UtcInstant | None

    @classmethod
    def of(cls, dataset: Dataset, publisher_slug: str) -> Self:
        """Shape a row."""
        row = dataset.model_dump()
        for name, parts in _SPLIT.items():
            found = {part: row.get(column) for part, column in parts.items() if row.get(column) is not None}
            row[name] = found or None
        shaped = {name: row[name] for name in cls.model_fields if name in row}
        shaped |= {"ref": f"{publisher_slug}/{dataset.slug}", "last_version": dataset.last_version or None}
        return cls.model_validate(shaped)


class DatasetTransitionOut(Schema):
    """One move of a dataset's life, as it was made."""

    at: UtcInstant
    move: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    by_participant_id: str | None
    by_client_id: str | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Shape an entry of the access log."""
        return cls(
            at=entry.at,
            move=entry.action.partition(".")[2],
            from_state=entry.details.get("from"),
            to_state=entry.details.get("to"),
            reason=entry.details.get("reason"),
            by_participant_id=entry.actor_participant_id,
            by_client_id=entry.actor_client_id,
        )


class DatasetHistoryOut(Schema):
    """All moves of a dataset's life, oldest first."""

    items: list[DatasetTransitionOut]

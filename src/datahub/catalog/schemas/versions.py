"""REST messages about versions."""

from typing import Any, Literal, Self

from pydantic import Field

from datahub.catalog.models import DatasetVersion
from datahub.catalog.schemas.parts import ColumnSchema
from datahub.catalog.service.uploads import Prepared
from datahub.kernel.rest import Schema, UtcInstant


class FileOut(Schema):
    """One file of a version."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class SuggestionOut(Schema):
    """What of people a column seems to hold: for the provider to judge, never a decision."""

    category: str = Field(description="A category of DPV's personal data (IRI).")
    by: Literal["name", "values"] = Field(description="What says so.")


class ProfileOut(Schema):
    """What a column holds, in figures."""

    nulls: int
    distinct: int = Field(description="About how many different values.")
    min: str | None = Field(description="Of numbers and moments that seem to be about nobody.")
    max: str | None = None
    suggested: SuggestionOut | None = None
    is_subject: bool = Field(description="Whether it says whom a row is about.")


class StoredColumn(ColumnSchema):
    """One column of a stored table."""

    profile: ProfileOut | None = Field(
        default=None,
        description="Where a consent rule stands shown to the provider alone: people who said no count in it.",
    )


class VersionFacts(Schema):
    """What is known of the bytes of a version; `bytes` and `sha256` are of what is stored, `source…` of what came."""

    media_type: str
    bytes: int
    sha256: str = Field(
        description="Hex; of several files that of the lines `<sha256>  <name>`, sorted by name."
    )
    source_media_type: str
    source_bytes: int
    source_sha256: str | None
    columns: list[StoredColumn] | None = Field(description="Of a table: its columns as stored.")
    row_count: int | None = Field(description="Of a table.")
    files: list[FileOut] = Field(description="Of a dataset of files.")


class CheckedOut(VersionFacts):
    """What an upload with `dryRun=true` would have become; nothing was kept."""

    dataset_id: str
    is_stored: bool = False

    @classmethod
    def of(cls, prepared: Prepared) -> Self:
        """Shape the facts of a checked upload."""
        return cls.model_validate(_facts(prepared) | {"dataset_id": prepared.plan.dataset_id})


class VersionOut(VersionFacts):
    """One version of a dataset; it never changes."""

    dataset_id: str
    number: int
    note: str | None
    created_at: UtcInstant

    @classmethod
    def of(cls, version: DatasetVersion, *, has_profiles: bool = True) -> Self:
        """Shape a row; without the figures of its columns where they are the provider's alone."""
        own = {name: getattr(version, name) for name in ("dataset_id", "number", "note", "created_at")}
        facts = _facts(version) | own
        if not has_profiles and version.columns is not None:
            facts["columns"] = [{**each, "profile": None} for each in version.columns]
        return cls.model_validate(facts)


def _facts(source: Prepared | DatasetVersion) -> dict[str, Any]:
    facts = {name: getattr(source, name) for name in VersionFacts.model_fields if name != "files"}
    shown = FileOut.model_fields
    return facts | {"files": [{k: v for k, v in file.items() if k in shown} for file in source.files]}

"""REST messages about samples."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from datahub.kernel.rest import Line, Schema, SchemaIn, UtcInstant, Whole
from datahub.samples.models import Sample, SampleKind
from datahub.samples.rules import MASKS

MOST_ROWS = 1000


class SampleColumn(Schema):
    """One column of a sample; columns that are not named do not leave."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    mask: Literal["null", "fixed", "year", "month", "first4", "last4"] | None = Field(
        default=None, description=f"Of real rows: {', '.join(MASKS)}; null: as it is."
    )
    replacement: Line | None = Field(default=None, description="What `fixed` shows; `***` unless told.")
    listed: bool = Field(
        default=False,
        description="Of made-up rows: values of this column that ten rows or more share may be shown.",
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.replacement is not None and self.mask != "fixed":
            msg = "a replacement goes with the mask fixed"
            raise ValueError(msg)
        return self


class SampleIn(SchemaIn):
    """What may be seen of a table before there is an agreement."""

    kind: SampleKind
    rows: Annotated[Whole, Field(ge=1, le=MOST_ROWS)] = 10
    columns: Annotated[list[SampleColumn], Field(min_length=1, max_length=2000)]
    is_open: bool = Field(
        default=False, alias="open", description="For everybody; else for participants with a token."
    )


class WarningOut(Schema):
    """A column that seems to be about people and of which real values leave."""

    column: str
    code: str
    category: str


class SampleOut(Schema):
    """The sample of a dataset as it is set."""

    dataset_id: str
    kind: SampleKind
    rows: int
    columns: list[SampleColumn]
    is_open: bool = Field(alias="open")
    warnings: list[WarningOut]
    modified_at: UtcInstant

    @classmethod
    def of(cls, sample: Sample, warnings: Sequence[Mapping[str, Any]]) -> Self:
        """Shape a row."""
        return cls.model_validate(sample.model_dump() | {"warnings": list(warnings)}, extra="ignore")

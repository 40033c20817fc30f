"""REST messages about imports."""

from typing import Self

from pydantic import Field

from datahub.consent.models import ConsentImport, ImportForm, ImportState
from datahub.kernel.rest import Schema, UtcInstant


class ImportOut(Schema):
    """An import, and how far it is."""

    id: str
    dataset_id: str
    form: ImportForm
    state: ImportState
    is_dry: bool
    channel: str
    evidence: str | None
    sha256: str
    bytes: int
    bytes_done: int
    lines: int = Field(description="Worked off so far.")
    applied: int
    unchanged: int = Field(description="Said what was on record already.")
    faulty: int
    created_at: UtcInstant
    finished_at: UtcInstant | None
    why: str | None = Field(description="Of one that failed: why.")

    @classmethod
    def of(cls, row: ConsentImport) -> Self:
        """Shape a row."""
        kept = row.model_dump(exclude={"provider_id", "position", "columns", "actor", "revision"})
        return cls.model_validate(kept | {"bytes_done": row.position})


class ImportFaultOut(Schema):
    """What is wrong with one line; what it said is not repeated, because it names a person."""

    line: int
    pointer: str
    code: str
    detail: str

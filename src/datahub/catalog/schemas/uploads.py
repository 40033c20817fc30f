"""REST messages about resumable uploads; what tus 1.0 says travels in headers."""

from typing import Self

from pydantic import Field

from datahub.catalog.models.uploads import Upload
from datahub.kernel.rest import Schema, UtcInstant


class UploadOut(Schema):
    """An upload under way."""

    id: str
    offset: int = Field(description="Bytes that the exchange has, safe against a power cut.")
    length: int
    expires_at: UtcInstant = Field(description="Moves with every byte that comes.")

    @classmethod
    def of(cls, upload: Upload) -> Self:
        """Show an upload."""
        return cls(id=upload.id, offset=upload.position, length=upload.length, expires_at=upload.expires_at)

"""REST messages for those who look through the log: facets, saved searches, what a stream sends."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

import orjson
from pydantic import Field

from datahub.audit.facets import Facets
from datahub.audit.models import Outcome, Search
from datahub.audit.schemas.log import EntryOut
from datahub.audit.searches import wanted_of
from datahub.audit.store import EntryFilter
from datahub.audit.tail import Place
from datahub.kernel.clock import rfc3339
from datahub.kernel.rest import Kept, Line, Schema, SchemaIn, UtcInstant


class BarOut(Schema):
    """Entries of one stretch of time."""

    since: UtcInstant = Field(alias="from")
    count: int


class CountOut(Schema):
    """Entries with one value."""

    value: str
    count: int


class FacetOut(Schema):
    """The most frequent values of one facet; give one as the filter of the same name."""

    values: Sequence[CountOut]
    others: int = Field(description="Entries with other values than these.")


class FacetsOut(Schema):
    """What there is under the filters: by value and by time."""

    total: int
    is_complete: bool = Field(
        description="False: only the newest entries that match were counted, `total` of them."
    )
    bucket: str = Field(description="How long a bar of the histogram is: minute, hour, day, month; UTC.")
    histogram: Sequence[BarOut] = Field(description="Bars with entries, oldest first.")
    facets: Mapping[str, FacetOut]

    @classmethod
    def of(cls, found: Facets) -> Self:
        """Shape the counts."""
        return cls(
            total=found.total,
            is_complete=found.is_complete,
            bucket=found.bucket,
            histogram=[BarOut(since=at, count=count) for at, count in found.histogram],
            facets={
                name: FacetOut(
                    values=[CountOut(value=value, count=count) for value, count in values],
                    others=found.others[name],
                )
                for name, values in found.values.items()
            },
        )


class FiltersIn(SchemaIn):
    """The filters of the list of entries, by the same names."""

    since: UtcInstant | None = Field(default=None, alias="from")
    until: UtcInstant | None = Field(default=None, alias="to")
    actor_participant: Line | None = None
    actor_client: Line | None = None
    provider: Line | None = None
    consumer: Line | None = None
    dataset: Line | None = None
    agreement: Line | None = None
    offer: Line | None = None
    thing: Line | None = None
    decision: Line | None = None
    of_entry: Line | None = None
    trace: Line | None = None
    action: Line | None = None
    outcome: Outcome | None = None
    code: Line | None = None
    purpose: Line | None = None

    def wanted(self) -> EntryFilter:
        """Return which entries are wanted."""
        return EntryFilter(**{_COLUMNS.get(name, name): value for name, value in self})

    @classmethod
    def names_of(cls, wanted: EntryFilter) -> dict[str, str]:
        """Return filters by their names on the wire."""
        return {
            field.alias or name: rfc3339(value) if isinstance(value, datetime) else str(value)
            for name, field in cls.model_fields.items()
            if (value := getattr(wanted, _COLUMNS.get(name, name))) is not None
        }


# name on the wire → column, where they differ
_COLUMNS: Mapping[str, str] = {
    "actor_participant": "actor_participant_id",
    "actor_client": "actor_client_id",
    "provider": "provider_id",
    "consumer": "consumer_id",
    "dataset": "dataset_id",
    "agreement": "agreement_id",
    "offer": "offer_id",
    "thing": "thing_id",
    "decision": "decision_id",
    "of_entry": "of_entry_id",
    "trace": "trace_id",
}


class SearchIn(SchemaIn):
    """A search to keep."""

    name: Line
    filters: FiltersIn


class SearchChangeIn(SchemaIn):
    """What to change of a saved search."""

    name: Kept[Line] = None
    filters: Kept[FiltersIn] = None


class SearchOut(Schema):
    """A saved search."""

    id: str
    name: str
    filters: dict[str, str] = Field(description="As filters of /v1/log-entries.")
    created_at: UtcInstant

    @classmethod
    def of(cls, search: Search) -> Self:
        """Shape a row."""
        shown = FiltersIn.names_of(wanted_of(search))
        return cls(id=search.id, name=search.name, filters=shown, created_at=search.created_at)


def stream_event(place: Place, entry: EntryOut) -> bytes:
    """Write an entry as an event (WHATWG HTML, server-sent events): its id is its place in the log."""
    data = orjson.dumps(entry.model_dump(mode="json", by_alias=True, exclude_none=True)).decode()
    return f"id: {place}\nevent: entry\ndata: {data}\n\n".encode()

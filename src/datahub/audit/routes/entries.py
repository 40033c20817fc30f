"""REST routes of the access log: read, export, count, explain."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from datahub.audit import service
from datahub.audit.models import Entry, Outcome
from datahub.audit.rules import may_see_person
from datahub.audit.schemas.log import (
    DecisionOut,
    EntryOut,
    Order,
    Safety,
    UseOut,
    csv_header,
    csv_lines,
    json_lines,
)
from datahub.audit.store import EntryFilter
from datahub.kernel.context import Actor, Context
from datahub.kernel.rest import Line, PageOut, Paging, Replies, UtcInstant, allow, page_out
from datahub.kernel.rest.accept import choose

router = APIRouter(prefix="/v1", tags=["log"])

Reader = Annotated[Context, allow("log:read", is_logged=True)]
Reason = Annotated[Line | None, Query(description="Why you look; it is kept with the fact that you looked.")]

JSON, CSV, JSON_LINES = "application/json", "text/csv", "application/x-ndjson"
_AS_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            CSV: {"schema": {"type": "string"}},
            JSON_LINES: {"schema": {"type": "string"}},
        }
    }
}


def _filter(
    *,
    since: Annotated[UtcInstant | None, Query(alias="from", description="Not before this instant.")] = None,
    until: Annotated[UtcInstant | None, Query(alias="to", description="Before this instant.")] = None,
    actor_participant: Annotated[
        Line | None, Query(alias="actorParticipant", description="Whose call it was.")
    ] = None,
    actor_client: Annotated[
        Line | None, Query(alias="actorClient", description="The OAuth client that called.")
    ] = None,
    provider: Annotated[Line | None, Query(description="Whose data it was.")] = None,
    consumer: Annotated[Line | None, Query(description="Who got it, or wanted it.")] = None,
    dataset: Annotated[Line | None, Query()] = None,
    agreement: Annotated[Line | None, Query()] = None,
    offer: Annotated[Line | None, Query()] = None,
    thing: Annotated[Line | None, Query(description="What a change changed.")] = None,
    decision: Annotated[Line | None, Query(description="The id of a decision.")] = None,
    of_entry: Annotated[
        Line | None, Query(alias="ofEntry", description="The attempt a delivery belongs to.")
    ] = None,
    trace: Annotated[Line | None, Query(description="The trace id of a call (x-request-id).")] = None,
    action: Annotated[Line | None, Query(description="E.g. data.read or agreement.revoke.")] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    code: Annotated[Line | None, Query()] = None,
    purpose: Annotated[Line | None, Query(description="A purpose's IRI.")] = None,
) -> EntryFilter:
    return EntryFilter(
        since=since,
        until=until,
        actor_participant_id=actor_participant,
        actor_client_id=actor_client,
        provider_id=provider,
        consumer_id=consumer,
        dataset_id=dataset,
        agreement_id=agreement,
        offer_id=offer,
        thing_id=thing,
        decision_id=decision,
        of_entry_id=of_entry,
        trace_id=trace,
        action=action,
        outcome=outcome,
        code=code,
        purpose=purpose,
    )


Wanted = Annotated[EntryFilter, Depends(_filter)]


@router.get("/log-entries", response_model=PageOut[EntryOut], responses=_AS_FILES)
def list_log_entries(
    *,
    request: Request,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    wanted: Wanted,
    order: Order = Order.NEWEST,
    reason: Reason = None,
    safe: Annotated[
        Safety | None, Query(description="For CSV: disarm cells that look like formulas.")
    ] = None,
) -> Response:
    """Read the entries that concern your organisation: as JSON pages, or all at once as CSV or JSON Lines (Accept)."""
    form = choose(request.headers.get("accept"), (JSON, CSV, JSON_LINES))
    is_oldest_first = order is Order.OLDEST
    if form != JSON:
        batches = service.export_entries(
            ctx, wanted, is_oldest_first=is_oldest_first, reason=reason, form=form
        )
        return _export(ctx.actor, batches, form, safe)
    asked = paging.request({**wanted.in_words(), "order": order})
    page = service.list_entries(ctx, wanted, asked, is_oldest_first=is_oldest_first, reason=reason)
    return reply.read(page_out(page, lambda entry: entry_out(ctx.actor, entry)))


@router.get("/log-entries/{entryId}", response_model=EntryOut)
def get_log_entry(entryId: str, ctx: Reader, reply: Replies, reason: Reason = None) -> Response:
    """Read one entry that concerns your organisation."""
    return reply.read(entry_out(ctx.actor, service.get_entry(ctx, entryId, reason=reason)))


@router.get("/log-statistics", response_model=PageOut[UseOut])
def count_use(
    *,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    wanted: Wanted,
    group_by: Annotated[
        Line,
        Query(alias="groupBy", description="Some of dataset, provider, consumer, agreement, purpose, day."),
    ] = "dataset",
    reason: Reason = None,
) -> Response:
    """Count decisions and deliveries, rows and bytes, per dataset, provider, consumer, agreement, purpose, day."""
    names = [name.strip() for name in group_by.split(",")]
    asked = paging.request({**wanted.in_words(), "groupBy": names})
    return reply.read(page_out(service.count_use(ctx, wanted, names, asked, reason=reason), UseOut.of))


@router.get("/decisions/{decisionId}", response_model=DecisionOut)
def get_decision(decisionId: str, ctx: Reader, reply: Replies, reason: Reason = None) -> Response:
    """Read why one attempt was allowed or refused, as your side may see it."""
    decision, explanation = service.get_decision(ctx, decisionId, reason=reason)
    return reply.read(DecisionOut.of(decision, explanation))


def entry_out(actor: Actor, entry: Entry) -> EntryOut:
    """Shape an entry as the actor may see it."""
    return EntryOut.of(entry, shows_person=may_see_person(actor, entry))


def _export(actor: Actor, batches: Iterator[Sequence[Entry]], form: str, safe: Safety | None) -> Response:
    # Runs after the route's transaction is committed: the export stands in the log before its first byte leaves.
    def lines() -> Iterator[bytes]:
        if form == CSV:
            yield csv_header()
        for batch in batches:
            entries = [entry_out(actor, entry) for entry in batch]
            yield csv_lines(entries, safe) if form == CSV else json_lines(entries)

    ending, media_type = (
        ("csv", f"{CSV}; charset=utf-8; header=present") if form == CSV else ("jsonl", JSON_LINES)
    )
    headers = {
        "Cache-Control": "no-store",
        "Vary": "Accept",
        "Content-Disposition": f'attachment; filename="log-entries.{ending}"',
    }
    return StreamingResponse(lines(), headers=headers, media_type=media_type)

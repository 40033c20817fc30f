"""REST routes of consents, for the organisation that provides the dataset."""

from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.consent.models import Channel, ConsentState
from datahub.consent.schemas.records import (
    ConsentLineOut,
    ConsentOut,
    ConsentsOut,
    CutLooseOut,
    DecisionIn,
    EventsOut,
    LinkIn,
    LinkOut,
    MoveIn,
    SubjectIn,
)
from datahub.consent.service import mine, receipts
from datahub.consent.service import records as service
from datahub.consent.service.records import Consent
from datahub.consent.service.rules import get_rule
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, Reply, allow, page_out
from datahub.kernel.rest.accept import choose

router = APIRouter(tags=["consent"])

Reader = Annotated[Context, allow("consents:read")]
LoggedReader = Annotated[Context, allow("consents:read", is_logged=True)]
Publisher = Annotated[Context, allow("consents:write")]
CONSENTS = "/v1/datasets/{datasetId}/consents"
ONE = "/v1/consents/{consentId}"
JSON, JSON_LD, SIGNED = "application/json", "application/ld+json", "application/jose"
RECEIPT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The receipt; as application/jose signed by the exchange.",
        "content": {
            JSON: {"schema": {"type": "object"}},
            JSON_LD: {"schema": {"type": "object"}},
            SIGNED: {"schema": {"type": "string"}},
        },
    },
    406: {"description": f"Only {JSON}, {JSON_LD} and {SIGNED} can be given."},
}


@router.post(CONSENTS, status_code=201, response_model=ConsentOut)
def report_consent(datasetId: str, body: DecisionIn, ctx: Publisher, reply: Replies) -> Response:
    """Report what a person decided for one purpose. It is marked as reported by you, and shown so to the person."""
    reply.once(ctx)
    wish = body.wish(ctx.now, get_rule(ctx, datasetId).number)
    consent = service.report_decision(
        ctx, datasetId, body.subject, body.purpose, wish=wish, manner=body.manner()
    )
    return _created(ctx, reply, consent)


@router.get(CONSENTS)
def list_consents(
    datasetId: str,
    ctx: Reader,
    paging: Paging,
    purpose: Annotated[str | None, Query(max_length=300)] = None,
    state: ConsentState | None = None,
) -> PageOut[ConsentLineOut]:
    """List the consents on a dataset of your organisation; whose they are is not shown."""
    request = paging.request({"of": datasetId, "purpose": purpose, "state": state})
    page, topics = service.list_consents(ctx, datasetId, purpose, state, request)
    return page_out(
        page,
        lambda row: ConsentLineOut(
            id=row.id,
            purpose=topics[row.topic_no].purpose,
            state=ConsentState(row.state),
            valid_until=(standing := service.standing_of(row)) and standing.until,
            explicit=row.is_explicit,
            rule_number=row.rule_number,
            is_persons_own=row.is_persons_own,
        ),
    )


@router.post(CONSENTS + "/lookups")
def look_up_consents(datasetId: str, body: SubjectIn, ctx: LoggedReader) -> ConsentsOut:
    """Find the consents of one person by key. The key travels in the body and is kept nowhere; the look-up is logged."""
    found = service.find_consents(ctx, datasetId, body.subject)
    return ConsentsOut(items=[ConsentOut.of(each) for each in found])


@router.post(CONSENTS + "/erasures")
def cut_consents_loose(datasetId: str, body: SubjectIn, ctx: Publisher) -> CutLooseOut:
    """Cut a person's consents loose from the person, in all datasets of this key space (GDPR art. 17)."""
    return CutLooseOut(consents=service.forget_person(ctx, datasetId, body.subject))


@router.post("/v1/datasets/{datasetId}/consent-links", status_code=201)
def make_consent_link(datasetId: str, body: LinkIn, ctx: Publisher) -> LinkOut:
    """Make a one-time link that leads a person to their own consents with your organisation."""
    guardian = body.guardian
    made = mine.make_link(
        ctx,
        datasetId,
        body.subject,
        life=timedelta(hours=body.valid_hours),
        delivery=Channel(body.delivery),
        guardian=guardian.guardian() if guardian else None,
        guardian_key=guardian.key if guardian else None,
    )
    return LinkOut.of(made, ctx.settings.base_url)


@router.get(ONE, response_model=ConsentOut)
def get_consent(consentId: str, ctx: Reader, reply: Replies) -> Response:
    """Read a consent with all its events."""
    consent = service.get_consent(ctx, consentId)
    return reply.read(ConsentOut.of(consent), consent.record.last_event)


@router.get(ONE + "/receipt", responses=RECEIPT)
def get_receipt(consentId: str, ctx: LoggedReader, reply: Replies) -> Response:
    """Read a consent as a receipt: ISO/IEC TS 27560 in JSON, in DPV's terms as JSON-LD, or signed."""
    return receipt_answer(ctx, reply, service.get_consent(ctx, consentId))


@router.post(ONE + "/transitions", status_code=201, response_model=ConsentOut)
def move_consent(consentId: str, body: MoveIn, ctx: Publisher, reply: Replies) -> Response:
    """Report a withdrawal, a renewal or a refusal, ask anew, or invalidate a consent."""
    reply.once(ctx)
    number = service.get_consent(ctx, consentId)
    wish = body.wish(ctx.now, get_rule(ctx, number.topic.dataset_id).number)
    return _created(ctx, reply, service.move_consent(ctx, consentId, wish, body.manner()))


@router.get(ONE + "/transitions")
def consent_history(consentId: str, ctx: Reader) -> EventsOut:
    """Read the events of a consent's life."""
    return EventsOut.of(service.get_consent(ctx, consentId))


def receipt_answer(ctx: Context, reply: Reply, consent: Consent) -> Response:
    """Answer with a receipt in the form that is asked for; handing it out is logged."""
    media_type = choose(reply.request.headers.get("accept"), (JSON, JSON_LD, SIGNED))
    receipts.note_receipt(ctx, consent)
    body = (
        receipts.signed_receipt(ctx, consent).encode()
        if media_type == SIGNED
        else orjson.dumps(receipts.receipt(ctx, consent, is_linked=media_type == JSON_LD))
    )
    return Response(body, 200, {"Cache-Control": "no-store", "Vary": "Accept"}, media_type)


def _created(ctx: Context, reply: Reply, consent: Consent) -> Response:
    where = f"/v1/consents/{consent.record.id}"
    return reply.created(ctx, ConsentOut.of(consent), where, consent.record.last_event)

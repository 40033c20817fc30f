"""REST routes of agreements."""

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.contracts.models import Agreement, AgreementState
from datahub.contracts.rules.agreements import AgreementMove
from datahub.contracts.schemas.agreements import (
    AgreementHistoryOut,
    AgreementMoveIn,
    AgreementMoveOut,
    AgreementOut,
)
from datahub.contracts.service import agreements as service
from datahub.contracts.service.upstream import standing_of
from datahub.contracts.store import Filters, Side
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, allow, page_out
from datahub.kernel.rest.accept import choose

router = APIRouter(prefix="/v1/agreements", tags=["agreements"])

Reader = Annotated[Context, allow("agreements:read")]
Writer = Annotated[Context, allow("agreements:write")]

JSON, JSON_LD, PLAIN = "application/json", "application/ld+json", "text/plain"
LINKED: dict[int | str, dict[str, Any]] = {200: {"content": {JSON_LD: {"schema": {"type": "object"}}}}}
WORDS: dict[int | str, dict[str, Any]] = {200: {"content": {PLAIN: {"schema": {"type": "string"}}}}}


@router.get("")
def list_agreements(
    ctx: Reader,
    paging: Paging,
    state: AgreementState | None = None,
    dataset: Annotated[str | None, Query(pattern="^[0-9a-f-]{36}$", description="A dataset's id.")] = None,
    role: Annotated[Side | None, Query(description="The side you are on.")] = None,
) -> PageOut[AgreementOut]:
    """List your organisation's agreements, newest first."""
    filters = paging.request({"state": state, "dataset": dataset, "role": role})
    page = service.list_agreements(ctx, filters, Filters(state, dataset, role))
    return page_out(page, lambda agreement: _out(ctx, agreement))


@router.get("/{agreementId}", response_model=AgreementOut, responses=LINKED)
def get_agreement(agreementId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one agreement; as application/ld+json the ODRL Agreement alone."""
    agreement = service.get_agreement(ctx, agreementId)
    if choose(reply.request.headers.get("accept"), (JSON, JSON_LD)) == JSON:
        return reply.read(_out(ctx, agreement), agreement.revision)
    return Response(orjson.dumps(service.linked(agreement)), 200, {"Vary": "Accept"}, JSON_LD)


@router.get("/{agreementId}/text", response_class=Response, responses=WORDS)
def get_agreement_text(
    agreementId: str, ctx: Reader, lang: Annotated[Literal["nl", "en"], Query()] = "nl"
) -> Response:
    """Read the agreement in plain language: the text whose SHA-256 is in the signed statement."""
    agreement = service.get_agreement(ctx, agreementId)
    text = {"nl": agreement.text_nl, "en": agreement.text_en}[lang]
    return Response(text.encode(), 200, {"Content-Language": lang}, "text/plain; charset=utf-8")


@router.post("/{agreementId}/transitions", status_code=201, response_model=AgreementOut)
def move_agreement(agreementId: str, body: AgreementMoveIn, ctx: Writer, reply: Replies) -> Response:
    """Suspend, resume, end or revoke an agreement; this bites at the very next read."""
    reply.once(ctx)
    agreement = service.move_agreement(ctx, agreementId, AgreementMove(body.move), body.reason)
    return reply.created(ctx, _out(ctx, agreement), f"/v1/agreements/{agreement.id}", agreement.revision)


@router.get("/{agreementId}/transitions")
def agreement_history(agreementId: str, ctx: Reader) -> AgreementHistoryOut:
    """Read the moves of an agreement's life."""
    entries = service.agreement_history(ctx, agreementId)
    return AgreementHistoryOut(items=[AgreementMoveOut.of(entry) for entry in entries])


def _out(ctx: Context, agreement: Agreement) -> AgreementOut:
    return AgreementOut.of(agreement, standing_of(ctx.session, agreement, ctx.now), ctx.now)

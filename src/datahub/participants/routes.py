"""REST routes of organisations and people."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, TransitionIn, allow, allow_anyone, page_out
from datahub.participants import service
from datahub.participants.models import Participant, ParticipantState
from datahub.participants.schemas import (
    ApplicationIn,
    HistoryOut,
    ParticipantOut,
    ParticipantPatch,
    PersonIn,
    PersonOut,
    PersonPatch,
    TransitionOut,
    WebhookIn,
    WebhookOut,
    WebhooksOut,
)

router = APIRouter(prefix="/v1/participants", tags=["participants"])

Anyone = Annotated[Context, allow_anyone()]
Reader = Annotated[Context, allow("participants:read")]
Writer = Annotated[Context, allow("participants:write")]


@router.post("", status_code=201, response_model=ParticipantOut)
def apply(body: ApplicationIn, ctx: Anyone, reply: Replies) -> Response:
    """Apply to join the exchange. No token needed; an administrator of the exchange admits or declines."""
    reply.once(ctx)
    participant = service.apply(
        ctx,
        service.Application(body.name, body.slug, body.contact_email, body.legal_identifiers, body.website),
    )
    return reply.created(
        ctx, _out(ctx, participant), f"/v1/participants/{participant.id}", participant.revision
    )


@router.get("")
def list_participants(
    ctx: Anyone,
    paging: Paging,
    state: ParticipantState | None = None,
    q: Annotated[str | None, Query(max_length=200, description="Text in the name.")] = None,
) -> PageOut[ParticipantOut]:
    """List organisations: the admitted ones for everybody, all for the exchange's administrators."""
    page = service.list_participants(ctx, paging.request({"state": state, "q": q}), state, q)
    identifiers = service.identifiers_of(ctx, [p.id for p in page.items])
    return page_out(page, lambda p: ParticipantOut.of(p, identifiers[p.id]))


@router.get("/{participantId}", response_model=ParticipantOut)
def get_participant(participantId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read one organisation."""
    participant = service.get_participant(ctx, participantId)
    is_public = participant.state == ParticipantState.ADMITTED
    return reply.read(_out(ctx, participant), participant.revision, is_public=is_public)


@router.patch("/{participantId}", response_model=ParticipantOut)
def change_participant(participantId: str, body: ParticipantPatch, ctx: Writer, reply: Replies) -> Response:
    """Change name, contact or website. Needs If-Match."""
    reply.changing(service.get_participant(ctx, participantId).revision)
    participant = service.change_participant(ctx, participantId, body.model_dump(exclude_unset=True))
    return reply.read(_out(ctx, participant), participant.revision)


@router.post("/{participantId}/transitions", status_code=201, response_model=ParticipantOut)
def move_participant(participantId: str, body: TransitionIn, ctx: Writer, reply: Replies) -> Response:
    """Admit, decline, suspend or reinstate an organisation, or leave the exchange."""
    reply.once(ctx)
    participant = service.move_participant(ctx, participantId, body.move, body.reason)
    where = f"/v1/participants/{participantId}"
    return reply.created(ctx, _out(ctx, participant), where, participant.revision)


@router.get("/{participantId}/transitions")
def participant_history(participantId: str, ctx: Reader) -> HistoryOut:
    """Read the moves of an organisation's life."""
    return HistoryOut(items=[TransitionOut.of(e) for e in service.participant_history(ctx, participantId)])


@router.post("/{participantId}/people", status_code=201, response_model=PersonOut)
def add_person(participantId: str, body: PersonIn, ctx: Writer, reply: Replies) -> Response:
    """Add somebody who acts for the organisation, with roles."""
    reply.once(ctx)
    person = service.add_person(ctx, participantId, body.name, body.email, body.roles)
    where = f"/v1/participants/{participantId}/people/{person.id}"
    return reply.created(ctx, PersonOut.of(person), where, person.revision)


@router.get("/{participantId}/people")
def list_people(participantId: str, ctx: Reader, paging: Paging) -> PageOut[PersonOut]:
    """List the people of an organisation."""
    return page_out(
        service.list_people(ctx, participantId, paging.request({"of": participantId})), PersonOut.of
    )


@router.get("/{participantId}/people/{personId}", response_model=PersonOut)
def get_person(participantId: str, personId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one person."""
    person = service.get_person(ctx, participantId, personId)
    return reply.read(PersonOut.of(person), person.revision)


@router.patch("/{participantId}/people/{personId}", response_model=PersonOut)
def change_person(
    participantId: str, personId: str, body: PersonPatch, ctx: Writer, reply: Replies
) -> Response:
    """Change a person's name, roles, or whether they are active. Needs If-Match."""
    reply.changing(service.get_person(ctx, participantId, personId).revision)
    person = service.change_person(
        ctx, participantId, personId, name=body.name, roles=body.roles, is_active=body.is_active
    )
    return reply.read(PersonOut.of(person), person.revision)


@router.post("/{participantId}/webhooks", status_code=201, response_model=WebhookOut)
def add_webhook(participantId: str, body: WebhookIn, ctx: Writer, reply: Replies) -> Response:
    """Register an address that is told of requests, agreements and duties of the organisation's own."""
    reply.once(ctx)
    webhook = service.add_webhook(ctx, participantId, body.url)
    return reply.created(
        ctx, WebhookOut.of(webhook), f"/v1/participants/{participantId}/webhooks/{webhook.id}", 1
    )


@router.get("/{participantId}/webhooks")
def list_webhooks(participantId: str, ctx: Reader) -> WebhooksOut:
    """List the webhooks of an organisation, and the key that verifies their signatures."""
    items = [WebhookOut.of(w) for w in service.list_webhooks(ctx, participantId)]
    return WebhooksOut(items=items, public_key=service.webhook_public_key(ctx.settings))


@router.get("/{participantId}/webhooks/{webhookId}", response_model=WebhookOut)
def get_webhook(participantId: str, webhookId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one webhook."""
    webhook = service.get_webhook(ctx, participantId, webhookId)
    return reply.read(WebhookOut.of(webhook), webhook.revision)


@router.delete("/{participantId}/webhooks/{webhookId}", status_code=204)
def remove_webhook(participantId: str, webhookId: str, ctx: Writer, reply: Replies) -> Response:
    """Forget a webhook. Needs If-Match."""
    reply.changing(service.get_webhook(ctx, participantId, webhookId).revision)
    service.remove_webhook(ctx, participantId, webhookId)
    return Response(status_code=204)


def _out(ctx: Context, participant: Participant) -> ParticipantOut:
    return ParticipantOut.of(participant, service.identifiers_of(ctx, [participant.id])[participant.id])

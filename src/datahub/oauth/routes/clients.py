"""REST routes of OAuth clients, their secrets, and the exchange's public keys."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, allow, allow_anyone, page_out
from datahub.oauth import keys, service
from datahub.oauth.models import Client, ClientState
from datahub.oauth.schemas import (
    AuthEventOut,
    ClientHistoryOut,
    ClientIn,
    ClientOut,
    ClientPatch,
    ClientTransitionIn,
    ClientTransitionOut,
    NewSecretOut,
    SecretIn,
    SigningKeyOut,
    SigningKeysOut,
)

router = APIRouter(prefix="/v1", tags=["clients"])

Anyone = Annotated[Context, allow_anyone()]
Reader = Annotated[Context, allow("clients:read")]
# Reading the log first unrolls what the journal wrote
LogReader = Annotated[Context, allow("clients:read", is_logged=True)]
Writer = Annotated[Context, allow("clients:write")]


@router.post("/clients", status_code=201, response_model=ClientOut)
def register_client(body: ClientIn, ctx: Writer, reply: Replies) -> Response:
    """Register a client of your organisation. Send public keys only; a basic client gets its secret separately."""
    reply.once(ctx)
    asked = service.Registration(
        name=body.name,
        profile=body.security_profile,
        roles=body.roles,
        participant_id=body.participant_id,
        person_id=body.person_id,
        jwks=body.jwks.model_dump() if body.jwks is not None else None,
        jwks_uri=body.jwks_uri,
        metadata_uri=body.client_metadata_uri,
        is_dpop_bound=body.dpop_bound_access_tokens,
    )
    client = service.register_client(ctx, asked)
    return reply.created(ctx, _out(ctx, client), f"/v1/clients/{client.id}", client.revision)


@router.get("/clients")
def list_clients(
    ctx: Reader, paging: Paging, participantId: str | None = None, state: ClientState | None = None
) -> PageOut[ClientOut]:
    """List the clients of your organisation; of all organisations for the exchange's."""
    request = paging.request({"participantId": participantId, "state": state})
    return page_out(
        service.list_clients(ctx, request, participantId, state), lambda client: _out(ctx, client)
    )


@router.get("/clients/{clientId}", response_model=ClientOut)
def get_client(clientId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one client."""
    client = service.get_client(ctx, clientId)
    return reply.read(_out(ctx, client), client.revision)


@router.patch("/clients/{clientId}", response_model=ClientOut)
def change_client(clientId: str, body: ClientPatch, ctx: Writer, reply: Replies) -> Response:
    """Change name, roles or public keys. Its security profile stays: register another client. Needs If-Match."""
    reply.changing(service.get_client(ctx, clientId).revision)
    jwks = body.jwks.model_dump() if body.jwks is not None else None
    client = service.change_client(
        ctx, clientId, name=body.name, roles=body.roles, jwks=jwks, jwks_uri=body.jwks_uri
    )
    return reply.read(_out(ctx, client), client.revision)


@router.post("/clients/{clientId}/transitions", status_code=201, response_model=ClientOut)
def move_client(clientId: str, body: ClientTransitionIn, ctx: Writer, reply: Replies) -> Response:
    """Disable a client, which ends its tokens at once, or enable it again."""
    reply.once(ctx)
    client = service.move_client(ctx, clientId, body.move, body.reason)
    return reply.created(ctx, _out(ctx, client), f"/v1/clients/{clientId}", client.revision)


@router.get("/clients/{clientId}/transitions")
def client_history(clientId: str, ctx: Reader) -> ClientHistoryOut:
    """Read the moves of a client's life."""
    return ClientHistoryOut(items=[ClientTransitionOut.of(e) for e in service.client_history(ctx, clientId)])


@router.get("/clients/{clientId}/auth-events")
def list_auth_events(clientId: str, ctx: LogReader, paging: Paging) -> PageOut[AuthEventOut]:
    """List how the client's attempts to prove itself went, newest first: which check failed, and by how much."""
    return page_out(
        service.auth_events(ctx, clientId, paging.request({"clientId": clientId})), AuthEventOut.of
    )


@router.post("/clients/{clientId}/secrets", status_code=201, response_model=NewSecretOut)
def add_secret(clientId: str, body: SecretIn, ctx: Writer, reply: Replies) -> Response:
    """Make a secret for a basic client. It is shown in this answer only; at most two are live."""
    reply.once(ctx)
    made = service.add_secret(ctx, clientId, body.expires_at)
    out = NewSecretOut(**made.row.model_dump(exclude={"digest"}))
    # What is kept for a repeated request must not hold the secret; only this one answer does.
    kept = reply.created(ctx, out, f"/v1/clients/{clientId}")
    shown = out.model_copy(update={"secret": made.text}).model_dump_json(by_alias=True)
    headers = {name: value for name, value in kept.headers.items() if name != "content-length"}
    return Response(shown, kept.status_code, headers)


@router.delete("/clients/{clientId}/secrets/{secretId}", status_code=204)
def delete_secret(clientId: str, secretId: str, ctx: Writer, reply: Replies) -> Response:
    """Delete a secret; nothing opens with it from now on. Needs If-Match with the client's ETag."""
    reply.changing(service.get_client(ctx, clientId).revision)
    service.delete_secret(ctx, clientId, secretId)
    return Response(status_code=204)


@router.get("/signing-keys", tags=["oauth"], response_model=SigningKeysOut)
def list_signing_keys(ctx: Anyone, reply: Replies) -> Response:
    """List every public key the exchange ever signed with, to verify agreements for years. Tokens: /oauth/jwks."""
    found = SigningKeysOut(items=[SigningKeyOut.of(key) for key in keys.signing_keys(ctx)])
    return reply.read(found, is_public=True)


def _out(ctx: Context, client: Client) -> ClientOut:
    return ClientOut.of(client, service.secrets_of(ctx, client))

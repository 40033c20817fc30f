"""Token requests that are pushed ahead, authenticated, and then named by one address (RFC 9126).

There is no authorization endpoint here: what is pushed are the parameters of the client_credentials grant (scope,
authorization_details, resource), checked at once, and the token endpoint takes `request_uri` in their place. It is the
client's alone, bound to the key of the proof it was pushed with, good once, and for a minute and a half.
"""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from datahub.kernel.context import Context
from datahub.oauth import store
from datahub.oauth.client_authentication import ProvenClient
from datahub.oauth.errors import InvalidRequest, InvalidRequestUri, UnsupportedResponseType
from datahub.oauth.forms import Form
from datahub.oauth.models import PushedRequest

LIFETIME_S = 90
PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHABLE = ("scope", "authorization_details")


class Wish(NamedTuple):
    """What a token is asked to carry, in the client's own words."""

    scope: str | None
    authorization_details: str | None
    resources: tuple[str, ...]


def wish_of(form: Form) -> Wish:
    """Return what a form asks for."""
    return Wish(form.get("scope"), form.get("authorization_details"), form.resources)


def refuse_unpushable(form: Form) -> None:
    """Refuse what cannot be pushed (RFC 9126 §2.1). Raises InvalidRequest, UnsupportedResponseType."""
    if form.get("request_uri") is not None:
        raise InvalidRequest("request_uri cannot be pushed itself.", check="request-uri-pushed")
    if form.get("response_type") is not None:
        detail = "There is no authorization endpoint here; push a token request."
        raise UnsupportedResponseType(detail, check="response-type")


def keep(ctx: Context, proven: ProvenClient, wish: Wish, key_id: str | None) -> Mapping[str, Any]:
    """Keep a request that was found good, and return how it is named."""
    name = secrets.token_urlsafe(32)
    parameters = {
        "scope": wish.scope,
        "authorization_details": wish.authorization_details,
        "resources": list(wish.resources),
    }
    row = PushedRequest(
        digest=_digest(name),
        client_id=proven.client.id,
        parameters=parameters,
        key_id=key_id,
        expires_at=ctx.now + timedelta(seconds=LIFETIME_S),
    )
    ctx.session.add(row)
    ctx.session.flush()
    return {"request_uri": PREFIX + name, "expires_in": LIFETIME_S}


def take(ctx: Context, proven: ProvenClient, form: Form, key_id: str | None) -> Wish:
    """Return the request that the form's `request_uri` names, for its one use: undone if the rest is refused.

    Raises InvalidRequest: other parameters came beside it. InvalidRequestUri: not this client's or key's, used, expired.
    """
    if any(form.get(name) is not None for name in PUSHABLE) or form.resources:
        raise InvalidRequest("What was pushed stands alone.", check="request-uri-and-more")
    digest = _digest(form.require("request_uri").removeprefix(PREFIX))
    row = ctx.session.get(PushedRequest, digest)
    is_good = row is not None and row.client_id == proven.client.id and row.expires_at > ctx.now
    if row is None or not is_good or row.key_id not in (None, key_id):
        raise _not_good("request-uri", proven)
    parameters = row.parameters
    ctx.session.expunge(row)
    if not store.take_pushed(ctx.session, digest):
        raise _not_good("request-uri-used", proven)
    return Wish(parameters["scope"], parameters["authorization_details"], tuple(parameters["resources"]))


def _not_good(check: str, proven: ProvenClient) -> InvalidRequestUri:
    detail = "This request_uri is not known, was used, or has expired."
    return InvalidRequestUri(detail, check=check, clientId=proven.client.id)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()

"""Tokens that end before their time: one (RFC 7009), all of a client, all under an agreement.

A row on the deny list, or one step of the client's epoch: asked at every call, so it bites at the very next one.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from datahub.audit import About, record
from datahub.kernel.context import Context
from datahub.oauth import access_tokens, store
from datahub.oauth.client_authentication import authenticate_client, use_up
from datahub.oauth.errors import JwtNotGood, UnauthorizedClient
from datahub.oauth.forms import Form
from datahub.oauth.models import Client
from datahub.participants import Role

# No token lives longer (Settings.token_lifetime_s ≤ 3600); a row that is older cannot matter any more.
_KEEP = timedelta(hours=2)


def revoke_token(ctx: Context, form: Form) -> None:
    """End one token of the calling client, or of any client when an administrator of the exchange calls.

    A token that is not good anyway is no fault (RFC 7009 §2.2). Raises OAuthRefusal.
    """
    proven = authenticate_client(ctx, form.credential)
    unverified_token = form.require("token")
    ctx = replace(ctx, actor=proven.actor)
    try:
        claims = access_tokens.verify(ctx, unverified_token)
    except JwtNotGood:
        use_up(ctx, proven, None)
        return
    if claims["client_id"] != proven.client.id and not proven.actor.oversees(Role.ADMIN):
        detail = "This token was given to another client."
        raise UnauthorizedClient(detail, check="foreign-token", clientId=proven.client.id)
    use_up(ctx, proven, None)
    expires_at = datetime.fromtimestamp(claims["exp"], UTC) + _KEEP
    store.add_revocation(ctx.session, f"token:{claims['jti']}", ctx.now, expires_at)
    about = About(
        thing_id=claims["client_id"], consumer_id=claims["participant_id"], details={"tokenId": claims["jti"]}
    )
    record(ctx, "oauth.revoke", about)


def revoke_for_agreement(ctx: Context, agreement_id: str) -> None:
    """End every token given under an agreement until now; tokens given later, should it come back, are good.

    An instant is compared in whole seconds, as tokens hold it: one given later within this second ends too.
    """
    store.add_revocation(ctx.session, f"agreement:{agreement_id}", ctx.now, ctx.now + _KEEP)
    record(ctx, "oauth.revoke-agreement", About(thing_id=agreement_id, agreement_id=agreement_id))


def revoke_client(ctx: Context, client: Client) -> None:
    """End every token of a client; the caller has checked who may. Disabling a client includes it."""
    client.epoch += 1
    about = About(thing_id=client.id, consumer_id=client.participant_id, details={"epoch": client.epoch})
    record(ctx, "oauth.revoke-client", about)

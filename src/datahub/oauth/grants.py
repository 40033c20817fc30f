"""The token endpoint's one grant: an access token for a client that acts for itself.

RFC 6749 §4.4 (client credentials), §3.3 (scope), §5 (answers); RFC 9396 (authorization details).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import orjson

from datahub.audit import About, Outcome, record
from datahub.kernel.context import Context
from datahub.kernel.errors import JsonValue
from datahub.oauth import access_tokens, rules
from datahub.oauth.access_tokens import IssuedToken
from datahub.oauth.client_authentication import ProvenClient, authenticate_client, use_up_assertion
from datahub.oauth.errors import InvalidAuthorizationDetails, InvalidRequest, UnsupportedGrantType
from datahub.oauth.forms import Form

GrantCheck = Callable[[Context, str, Mapping[str, JsonValue]], Mapping[str, JsonValue]]
"""(context, participant id, one detail) → the detail as it is granted, or raises InvalidAuthorizationDetails."""

GRANT_TYPE = "client_credentials"
_DETAILS_SCOPE = "data:read"
# A token has to fit the header limits of servers and proxies.
_MAX_TOKEN_LENGTH = 6144


def grant_token(ctx: Context, form: Form, check_grant: GrantCheck | None) -> IssuedToken:
    """Return an access token for the client that proved itself; recorded with what it carries.

    Verifies everything first and uses the client's assertion up last, so that a refused request can be repaired and
    sent again. Raises OAuthRefusal, NoSigningKey.
    """
    proven = authenticate_client(ctx, form.credential)
    if form.require("grant_type") != GRANT_TYPE:
        raise UnsupportedGrantType(f"Only {GRANT_TYPE} is given here.", clientId=proven.client.id)
    scopes = rules.narrow_scopes(proven.actor.scopes, form.get("scope"))
    ctx = replace(ctx, actor=replace(proven.actor, scopes=scopes))
    details = _granted(ctx, proven, form.get("authorization_details"), check_grant)
    issued = access_tokens.issue(ctx, proven, scopes, details)
    if len(issued.token) > _MAX_TOKEN_LENGTH:
        raise InvalidAuthorizationDetails(
            "These are more details than one token can carry.", check="details-size"
        )
    use_up_assertion(ctx, proven)
    record(ctx, "oauth.token", _about(proven, issued), outcome=Outcome.PERMIT)
    return issued


def _granted(
    ctx: Context, proven: ProvenClient, asked: str | None, check_grant: GrantCheck | None
) -> Sequence[Mapping[str, JsonValue]]:
    if asked is None:
        return ()
    try:
        found = orjson.loads(asked)
    except ValueError as fault:
        raise InvalidRequest("authorization_details is not JSON.", check="details-json") from fault
    details = rules.read_details(found)
    if _DETAILS_SCOPE not in ctx.actor.scopes:
        raise InvalidAuthorizationDetails(f"They need the scope {_DETAILS_SCOPE}.", check="details-scope")
    if check_grant is None:
        raise InvalidAuthorizationDetails("No agreement covers them.", check="details-not-granted")
    return [check_grant(ctx, proven.client.participant_id, detail) for detail in details]


def _about(proven: ProvenClient, issued: IssuedToken) -> About:
    only = issued.details[0] if len(issued.details) == 1 else {}
    return About(
        thing_id=proven.client.id,
        consumer_id=proven.client.participant_id,
        agreement_id=_text(only.get("agreement")),
        purpose=_text(only.get("purpose")),
        details={
            "tokenId": issued.token_id,
            "scope": " ".join(sorted(issued.scopes)),
            "lifetimeS": issued.lifetime_s,
            "authorizationDetails": [dict(detail) for detail in issued.details],
        },
    )


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None

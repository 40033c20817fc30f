"""The authorization server: clients of organisations, their access tokens, and the exchange's signing keys.

OAuth 2.0 client credentials (RFC 6749 §4.4) at the level of the FAPI 2.0 Security Profile: each client keeps one security
profile (`profiles`). RFC 7523 and Basic client authentication, RFC 9068 tokens bound to a key (RFC 9449), RFC 9396 details,
RFC 8707 resources, RFC 9126 pushed requests, RFC 7009 revocation, RFC 7662 introspection, RFC 8414 and RFC 9728 metadata.
One file per RFC; `jose` alone touches signatures.
"""

from datahub.oauth.access_tokens import ProvenToken, authenticate, check, holder_of, prove
from datahub.oauth.challenges import challenge
from datahub.oauth.errors import InvalidAuthorizationDetails, OAuthRefusal, SignatureNotValid
from datahub.oauth.grants import GrantByHeart, GrantCheck
from datahub.oauth.keys import rotate_keys, sign_text, verify_text
from datahub.oauth.models import Client, ClientSecret, ClientState, Profile
from datahub.oauth.openid import Flow, Provider, Returned, authorization_url, redeem
from datahub.oauth.replay import Use, use_up, use_up_groups
from datahub.oauth.revocation import revoke_client, revoke_for_agreement
from datahub.oauth.rules import ROLE_SCOPES
from datahub.oauth.service import NewSecret, Registration, add_secret, register_client, register_first_client
from datahub.oauth.store import client_by_id

__all__ = [
    "ROLE_SCOPES",
    "Client",
    "ClientSecret",
    "ClientState",
    "Flow",
    "GrantByHeart",
    "GrantCheck",
    "InvalidAuthorizationDetails",
    "NewSecret",
    "OAuthRefusal",
    "Profile",
    "ProvenToken",
    "Provider",
    "Registration",
    "Returned",
    "SignatureNotValid",
    "Use",
    "add_secret",
    "authenticate",
    "authorization_url",
    "challenge",
    "check",
    "client_by_id",
    "holder_of",
    "prove",
    "redeem",
    "register_client",
    "register_first_client",
    "revoke_client",
    "revoke_for_agreement",
    "rotate_keys",
    "sign_text",
    "use_up",
    "use_up_groups",
    "verify_text",
]

"""The authorization server: clients of organisations, their access tokens, and the exchange's signing keys.

OAuth 2.0 client credentials (RFC 6749 §4.4) with RFC 7523 and Basic client authentication, RFC 9068 tokens, RFC 9396
details, RFC 7009 revocation, RFC 7662 introspection, RFC 8414 and RFC 9728 metadata. One file per RFC; `jose` alone
touches signatures.
"""

from datahub.oauth.access_tokens import authenticate
from datahub.oauth.errors import InvalidAuthorizationDetails, OAuthRefusal, SignatureNotValid
from datahub.oauth.grants import GrantCheck
from datahub.oauth.keys import rotate_keys, sign_text, verify_text
from datahub.oauth.models import Client, ClientSecret, ClientState, Profile
from datahub.oauth.revocation import revoke_client, revoke_for_agreement
from datahub.oauth.rules import ROLE_SCOPES
from datahub.oauth.service import NewSecret, Registration, add_secret, register_client, register_first_client
from datahub.oauth.store import client_by_id

__all__ = [
    "ROLE_SCOPES",
    "Client",
    "ClientSecret",
    "ClientState",
    "GrantCheck",
    "InvalidAuthorizationDetails",
    "NewSecret",
    "OAuthRefusal",
    "Profile",
    "Registration",
    "SignatureNotValid",
    "add_secret",
    "authenticate",
    "client_by_id",
    "register_client",
    "register_first_client",
    "revoke_client",
    "revoke_for_agreement",
    "rotate_keys",
    "sign_text",
    "verify_text",
]

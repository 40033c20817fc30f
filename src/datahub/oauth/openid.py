"""The exchange as a client of somebody else's OpenID provider, for people who log in.

OpenID Connect Core 1.0 §3.1 (authorization code), Discovery 1.0, RFC 7636 (PKCE), RFC 9207 (issuer in the answer). Every
call passes the guard on outgoing calls; what comes back is believed as far as it is signed.
"""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]

from datahub.kernel import http
from datahub.kernel.errors import Refusal
from datahub.kernel.settings import Settings
from datahub.oauth import jose
from datahub.oauth.errors import JwtNotGood, LoginNotGood, LoginProviderFailed

KNOWN_S: Final = 3600
MAX_BYTES: Final = 64 * 1024
_WELL_KNOWN: Final = "/.well-known/openid-configuration"
_NEEDED: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_OK: Final = 200
# A claim is asked of the provider's userinfo where the ID token does not bring it.
_USERINFO: Final = "userinfo_endpoint"


@dataclass(frozen=True)
class Provider:
    """An OpenID provider, and as whom the exchange is registered there. Without a secret it is a public client."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scope: str = "openid"


@dataclass(frozen=True)
class Flow:
    """One login under way: what only who began it, and the provider, may know."""

    redirect_uri: str
    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Returned:
    """What the person's browser brought back from the provider; unverified."""

    code: str = field(repr=False)
    state: str
    issuer: str | None = None


_found: dict[str, tuple[float, Mapping[str, Any]]] = {}
_lock = Lock()


def discover(settings: Settings, provider: Provider) -> Mapping[str, Any]:
    """Return what the provider says of itself, asked at most once an hour. Raises LoginProviderFailed."""
    with _lock:
        at, known = _found.get(provider.issuer, (0.0, {}))
    if known and time.monotonic() - at < KNOWN_S:
        return known
    found = _json(settings, provider.issuer.rstrip("/") + _WELL_KNOWN)
    # Discovery §4.3: another issuer's metadata is not this one's, whoever serves it.
    if found.get("issuer") != provider.issuer or not all(isinstance(found.get(n), str) for n in _NEEDED):
        raise LoginProviderFailed(
            "The provider of this login describes itself as somebody else, or not at all."
        )
    with _lock:
        _found[provider.issuer] = (time.monotonic(), found)
    return found


def authorization_url(settings: Settings, provider: Provider, flow: Flow) -> str:
    """Return where the person goes to log in. Raises LoginProviderFailed."""
    where = discover(settings, provider)["authorization_endpoint"]
    url: str = prepare_grant_uri(
        where,
        provider.client_id,
        "code",
        redirect_uri=flow.redirect_uri,
        scope=provider.scope,
        state=flow.state,
        nonce=flow.nonce,
        code_challenge=create_s256_code_challenge(flow.verifier),
        code_challenge_method="S256",
    )
    return url


def redeem(
    settings: Settings, provider: Provider, flow: Flow, returned: Returned, now: datetime
) -> Mapping[str, Any]:
    """Return the claims about the person who logged in: those of the ID token, and of userinfo where it has more.

    Raises LoginNotGood when it is not this login's answer, LoginProviderFailed when the provider does not do its part.
    """
    found = discover(settings, provider)
    says_issuer = found.get("authorization_response_iss_parameter_supported") is True
    if returned.state != flow.state or returned.issuer not in (
        provider.issuer,
        *(() if says_issuer else (None,)),
    ):
        raise LoginNotGood("This is not the answer to the login that was begun.", remedy="Log in again.")
    tokens = _tokens(settings, provider, found, flow, returned.code)
    jwks = _json(settings, found["jwks_uri"])
    try:
        claims = jose.verify_id_token(
            str(tokens.get("id_token")),
            jwks,
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=flow.nonce,
            now=now,
        )
    except JwtNotGood as fault:
        detail = f"The provider's statement about who logged in does not hold ({fault.check})."
        raise LoginNotGood(detail, remedy="Log in again.") from fault
    return {**_userinfo(settings, found, tokens, claims["sub"]), **claims}


def _tokens(
    settings: Settings, provider: Provider, found: Mapping[str, Any], flow: Flow, code: str
) -> Mapping[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if provider.client_secret:
        pair = f"{quote(provider.client_id, safe='')}:{quote(provider.client_secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = provider.client_id
    try:
        status, body = http.send(settings, found["token_endpoint"], urlencode(form).encode(), headers)
    except Refusal as fault:
        raise LoginProviderFailed("The provider of this login cannot be reached now.") from fault
    if status != _OK:
        detail = (
            "The provider does not take the code: it was used, it is too old, or it was made for another."
        )
        raise LoginNotGood(detail, remedy="Log in again.")
    return _read(body)


def _userinfo(
    settings: Settings, found: Mapping[str, Any], tokens: Mapping[str, Any], subject: str
) -> Mapping[str, Any]:
    """Return what userinfo says, which must be about the same person (Core §5.3.2); {} where there is none."""
    where, token = found.get(_USERINFO), tokens.get("access_token")
    if not isinstance(where, str) or not isinstance(token, str):
        return {}
    try:
        body = http.get(settings, where, MAX_BYTES, headers={"Authorization": f"Bearer {token}"})
    except Refusal:
        return {}  # what is missing then is told by who needs it
    said = _read(body)
    if said.get("sub") != subject:
        raise LoginNotGood(
            "The provider says two different things about who logged in.", remedy="Log in again."
        )
    return said


def _json(settings: Settings, url: str) -> Mapping[str, Any]:
    try:
        return _read(http.get(settings, url, MAX_BYTES))
    except Refusal as fault:
        if isinstance(fault, LoginProviderFailed):
            raise
        raise LoginProviderFailed("The provider of this login cannot be reached now.") from fault


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except ValueError as fault:
        raise LoginProviderFailed("The provider of this login does not answer in JSON.") from fault
    if not isinstance(found, dict):
        raise LoginProviderFailed("The provider of this login does not answer in JSON.")
    return found

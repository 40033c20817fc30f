"""Proofs of who calls: the form that asks for a token, and the proof of possession with each call.

RFC 7523 §2.2 (private_key_jwt), RFC 6749 §2.3.1 (client_secret_basic), RFC 9449 (DPoP). No network here.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from datahub.client.errors import NotConfigured
from datahub.client.profiles import Profile

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_S = 60
# The key's own algorithm, where it names none.
_ALGORITHMS = {"EC": "ES256", "OKP": "Ed25519", "RSA": "PS256"}


def new_key() -> tuple[str, dict[str, Any]]:
    """Make a key pair (P-256); return the private JWK as JSON and the public one."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    return json.dumps(key.as_dict(private=True)), dict(key.as_dict(private=False))


@dataclass(frozen=True)
class AccessToken:
    """A token and how long it is good, by the monotonic clock."""

    text: str
    kind: str
    good_until: float
    scope: str = ""
    authorization_details: Sequence[Mapping[str, Any]] = ()

    def is_good(self, now: float, margin_s: float) -> bool:
        """Tell whether it is good for some time yet."""
        return now < self.good_until - margin_s


def read_key(text: str) -> tuple[Any, str]:
    """Return a private key and the algorithm it signs with, from its JWK as JSON. Raises NotConfigured."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        raw = json.loads(text)
        algorithm = raw.get("alg") or _ALGORITHMS[raw["kty"]]
        key = import_key(raw)
    except (ValueError, TypeError, KeyError, AttributeError, JoseError) as fault:
        raise NotConfigured("The private key cannot be read: a JWK in JSON is needed (RFC 7517).") from fault
    if not key.is_private:
        raise NotConfigured("The key is a public one; the private JWK is needed, with its member d.")
    return key, algorithm


class Signer:
    """What a profile can prove; the private key stays in this process."""

    def __init__(self, profile: Profile) -> None:
        """Read the profile's key, if it has one."""
        self._profile = profile
        self._key: Any = None
        self._algorithm = ""
        if profile.private_key:
            self._key, self._algorithm = read_key(profile.private_key)

    @property
    def is_dpop(self) -> bool:
        """Tell whether tokens are bound to the key."""
        return self._key is not None and self._profile.is_dpop

    @property
    def can_ask(self) -> bool:
        """Tell whether a token can be asked for at all."""
        return bool(self._profile.client_id and (self._key is not None or self._profile.secret))

    def token_request(
        self, issuer: str, scope: str | None, details: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Return form and headers that ask for a token at `issuer`."""
        profile = self._profile
        form = {"grant_type": "client_credentials"}
        headers: dict[str, str] = {}
        if scope:
            form["scope"] = scope
        if details:
            form["authorization_details"] = json.dumps(list(details))
        if self._key is not None:
            form |= {
                "client_id": profile.client_id,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._assertion(issuer),
            }
        else:
            pair = f"{quote(profile.client_id, safe='')}:{quote(profile.secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        return form, headers

    def authorization(self, token: AccessToken, method: str, url: str, nonce: str | None) -> dict[str, str]:
        """Return the headers that show a token, with the proof it is bound to."""
        if token.kind.lower() != "dpop":
            return {"Authorization": f"Bearer {token.text}"}
        return {
            "Authorization": f"DPoP {token.text}",
            "DPoP": self.proof(method, url, nonce, token.text),
        }

    def proof(self, method: str, url: str, nonce: str | None, token: str | None = None) -> str:
        """Return a DPoP proof for one call (RFC 9449 §4.2): good once."""
        parts = urlsplit(url)
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
            "iat": _wall_clock(),
        }
        if nonce:
            claims["nonce"] = nonce
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        public = {name: value for name, value in self._key.as_dict(private=False).items() if name in _PUBLIC}
        return self._sign({"typ": "dpop+jwt", "jwk": public}, claims)

    def _assertion(self, issuer: str) -> str:
        now, client_id = _wall_clock(), self._profile.client_id
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + ASSERTION_LIFE_S,
        }
        return self._sign({"typ": "JWT", "kid": self._key.kid}, {**claims, "jti": secrets.token_urlsafe(16)})

    def _sign(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        from joserfc import jwt

        return jwt.encode({"alg": self._algorithm, **header}, claims, self._key, algorithms=[self._algorithm])


_PUBLIC = ("kty", "crv", "x", "y", "n", "e")


def _wall_clock() -> int:
    return int(time.time())

"""Those who call the exchange in the story: programs of organisations, each with its own key or secret.

Client authentication by private_key_jwt (RFC 7523 §2.2) with tokens bound to the same key (RFC 9449), or by
client_secret_basic; the key never leaves its holder.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIFE_S = 60


@dataclass
class Caller:
    """Somebody's program: shown as `name`; without a client id it calls without an account."""

    name: str
    client_id: str = ""
    secret: str = ""
    key: ECKey | None = None
    token: str = ""
    nonce: str = ""

    def headers(self, method: str, url: str) -> dict[str, str]:
        """Return the headers that show the token; with a key, also the proof that it is the caller's own."""
        if not self.token:
            return {}
        if self.key is None:
            return {"Authorization": f"Bearer {self.token}"}
        return {"Authorization": f"DPoP {self.token}", "DPoP": self.proof(method, url, self.token)}

    def proof(self, method: str, url: str, token: str = "") -> str:
        """Sign that this call is made by the holder of the key: for one method, address and token, and once (RFC 9449)."""
        key = self._own_key()
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(time.time()),
        }
        if self.nonce:
            claims["nonce"] = self.nonce
        if token:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        return jwt.encode(header, claims, key)

    def asking(self, method: str, url: str) -> dict[str, str]:
        """Return the headers with which it asks for a token: its secret (RFC 6749 §2.3.1), or a proof of its key."""
        if self.key is not None:
            return {"DPoP": self.proof(method, url)}
        pair = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"} if self.secret else {}

    def make_key(self) -> dict[str, Any]:
        """Make this caller's key and return the public part, as JWK set."""
        self.key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        return {"keys": [dict(self.key.as_dict(private=False))]}

    def assertion(self, issuer: str) -> str:
        """Sign a statement of who this is: good for a minute, and once."""
        key = self._own_key()
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + _ASSERTION_LIFE_S,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def _own_key(self) -> ECKey:
        if self.key is None:
            msg = f"{self.name} has no key"
            raise ValueError(msg)
        return self.key

    def token_form(
        self, issuer: str, scope: str = "", details: Sequence[Mapping[str, Any]] = ()
    ) -> dict[str, str]:
        """Return the form that asks for a token."""
        form = {"grant_type": "client_credentials", "client_id": self.client_id}
        if scope:
            form["scope"] = scope
        if details:
            form["authorization_details"] = orjson.dumps(list(details)).decode()
        if self.key is not None:
            form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(issuer)}
        return form


ANYBODY = Caller("anybody, without an account")

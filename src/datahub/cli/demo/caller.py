"""Those who call the exchange in the story: programs of organisations, each with its own key or secret.

Client authentication by private_key_jwt (RFC 7523 §2.2) or client_secret_basic; the key never leaves its holder.
"""

import base64
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

    @property
    def headers(self) -> dict[str, str]:
        """Return the header that shows the token."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def login(self) -> dict[str, str]:
        """Return the header that shows the secret, for a client that has one (RFC 6749 §2.3.1)."""
        pair = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"} if self.secret else {}

    def make_key(self) -> dict[str, Any]:
        """Make this caller's key and return the public part, as JWK set."""
        self.key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
        return {"keys": [dict(self.key.as_dict(private=False))]}

    def assertion(self, issuer: str) -> str:
        """Sign a statement of who this is: good for a minute, and once."""
        if self.key is None:
            msg = f"{self.name} has no key"
            raise ValueError(msg)
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": issuer,
            "iat": now,
            "exp": now + _ASSERTION_LIFE_S,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

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

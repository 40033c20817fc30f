"""One authorization server as a client sees it, and everything a client can send it, well or badly made.

A claim or header member that is set to None is left out. Nonces are kept as they come (RFC 9449 §8.2).
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

Answer = Any  # an httpx2.Response; the library is loaded when it is needed
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS: Mapping[str, str] = {"EC": "ES256", "OKP": "EdDSA", "RSA": "PS256"}
_LIFE_S = 60


class Missing(Exception):  # noqa: N818 — no fault: the reason for skipping
    """What a check needs is not there; the text says what."""


@dataclass(frozen=True)
class Party:
    """A client and its private keys, by the algorithm each signs with."""

    client_id: str
    keys: Mapping[str, Any]

    @property
    def algorithm(self) -> str:
        """Return the algorithm it uses unless told."""
        return next(iter(self.keys))


@dataclass
class Probe:
    """The server, and who may call it."""

    http: "httpx2.Client"
    issuer: str
    metadata: Mapping[str, Any]
    one: Party | None = None
    two: Party | None = None
    resource: str | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    nonces: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    _key: Any = None

    @property
    def party(self) -> Party:
        """Return the client. Raises Missing."""
        if self.one is None:
            raise Missing("needs a client: -p PROFILE of an administrator, or --client-id and --key")
        return self.one

    @property
    def other(self) -> Party:
        """Return the second client. Raises Missing."""
        if self.two is None:
            raise Missing("needs a second client: --other-client-id and --other-key")
        return self.two

    @property
    def door(self) -> str:
        """Return the protected address. Raises Missing."""
        if self.resource is None:
            raise Missing("needs a protected address: --resource")
        return self.resource

    @property
    def proof_key(self) -> Any:
        """Return the key that proofs are made with."""
        if self._key is None:
            self._key = new_key("ES256")
        return self._key

    def endpoint(self, name: str) -> str:
        """Return an endpoint's address from the metadata. Raises Missing."""
        found = self.metadata.get(f"{name}_endpoint")
        if not isinstance(found, str):
            raise Missing(f"the metadata name no {name}_endpoint")
        return found

    # --- what is sent ---------------------------------------------------------------------------------------------

    def assertion(
        self,
        party: Party | None = None,
        *,
        alg: str | None = None,
        key: Any = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a client assertion (RFC 7523 §3)."""
        who = party or self.party
        alg = alg or who.algorithm
        key = key if key is not None else who.keys.get(alg, who.keys[who.algorithm])
        now = wall_clock()
        made = {
            "iss": who.client_id,
            "sub": who.client_id,
            "aud": self.issuer,
            "iat": now,
            "exp": now + _LIFE_S,
            "jti": secrets.token_urlsafe(16),
        }
        kid = getattr(key, "kid", None)
        return sign({"alg": alg, "typ": "JWT", "kid": kid, **(header or {})}, made | claims, key)

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        alg: str = "ES256",
        key: Any = None,
        header: Mapping[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a DPoP proof (RFC 9449 §4.2)."""
        key = key if key is not None else self.proof_key
        made: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": wall_clock(),
            "nonce": self.nonces.get(_origin(url)),
        }
        if token is not None:
            made["ath"] = digest(token)
        head = {"typ": "dpop+jwt", "alg": alg, "jwk": public_jwk(key), **(header or {})}
        return sign(head, made | claims, key)

    # --- how it is sent -------------------------------------------------------------------------------------------

    def credential(self, party: Party | None = None, assertion: str | None = None) -> dict[str, str | None]:
        """Return the parameters that prove a client."""
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(party),
        }

    def ask(
        self,
        *,
        party: Party | None = None,
        assertion: str | None = None,
        proofs: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        more: Sequence[tuple[str, str]] = (),
        **form: str | None,
    ) -> Answer:
        """Ask for a token by the client_credentials grant; `proofs`: those headers instead of one good proof."""
        asked: dict[str, str | None] = {"grant_type": "client_credentials", **self.form}
        asked |= self.credential(party, assertion) | form
        return self.post(self.endpoint("token"), asked, proofs=proofs, headers=headers, more=more)

    def post(
        self,
        url: str,
        form: Mapping[str, str | None],
        *,
        proofs: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        more: Sequence[tuple[str, str]] = (),
    ) -> Answer:
        """Send a form with proofs, one good one unless told; after a challenge for a nonce once more with it."""
        from urllib.parse import urlencode

        pairs = [(name, value) for name, value in form.items() if value is not None]
        body = urlencode([*pairs, *more])
        sent: list[tuple[str, str]] = [("Content-Type", "application/x-www-form-urlencoded")]
        sent += list((headers or {}).items())

        def send() -> Answer:
            shown = proofs if proofs is not None else [self.proof("POST", url)]
            return self.keep(
                self.http.post(url, content=body, headers=[*sent, *(("DPoP", each) for each in shown)])
            )

        had = self.nonces.get(_origin(url))
        answer = send()
        is_stale = proofs is None and self.nonces.get(_origin(url)) != had
        return send() if is_stale and answer.status_code == 400 else answer  # noqa: PLR2004

    def token(self, **more: Any) -> str:
        """Get a token that is bound to the key of proofs. Raises Missing when that does not work."""
        answer = self.ask(**more)
        if answer.status_code != 200:  # noqa: PLR2004
            raise Missing("no token was given; see the checks of the token endpoint")
        found: str = answer.json()["access_token"]
        return found

    def call(
        self,
        token: str,
        *,
        proofs: Sequence[str] | None = None,
        scheme: str = "DPoP",
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Answer:
        """Call the protected address with a token."""
        url = self.door
        shown = proofs if proofs is not None else [self.proof("GET", url, token=token)]
        sent = [("Authorization", f"{scheme} {token}"), *(("DPoP", each) for each in shown)]
        return self.keep(self.http.get(url + query, headers=[*sent, *(headers or {}).items()]))

    def keep(self, answer: Answer) -> Answer:
        """Keep the nonce that came with an answer."""
        if "dpop-nonce" in answer.headers:
            self.nonces[_origin(str(answer.request.url))] = answer.headers["dpop-nonce"]
        return answer


def new_key(alg: str, bits: int = 2048) -> Any:
    """Make a private key for an algorithm."""
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    if alg == "ES256":
        return ECKey.generate_key("P-256", auto_kid=True)
    if alg in ("EdDSA", "Ed25519"):
        return OKPKey.generate_key("Ed25519", auto_kid=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a key that is too small is made on purpose
        return RSAKey.generate_key(bits, auto_kid=True)


def public_jwk(key: Any) -> dict[str, Any]:
    """Return the public half, bare."""
    return {
        name: value for name, value in key.as_dict(private=False).items() if name not in ("kid", "alg", "use")
    }


def sign(header: Mapping[str, Any], claims: Mapping[str, Any], key: Any) -> str:
    """Return a compact JWS, also by algorithms and with members that nobody should use."""
    from joserfc import jws

    head = {name: value for name, value in header.items() if value is not None}
    payload = json.dumps({name: value for name, value in claims.items() if value is not None})
    alg = head.get("alg")
    signed = f"{encoded(json.dumps(head).encode())}.{encoded(payload.encode())}"
    if alg == "none":
        return f"{signed}."
    if alg == "HS256":
        secret = key.as_pem(private=False)
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"
    model: Any = jws.JWSRegistry.algorithms[str(alg) if alg else ALGORITHMS[key.key_type]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f"{signed}.{encoded(model.sign(signed.encode(), key))}"


def digest(token: str) -> str:
    """Return the `ath` of a token."""
    return encoded(hashlib.sha256(token.encode()).digest())


def encoded(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> Any:
    """Return the JSON of one part of a JWT."""
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def wall_clock() -> int:
    """Return the instant, in seconds."""
    return int(time.time())


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"

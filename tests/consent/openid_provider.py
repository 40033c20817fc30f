"""A small OpenID provider on loopback, at the network's edge: it says what a test tells it to say."""

import hashlib
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

SECRET = "a secret: with & odd characters"


@dataclass
class OpenIdProvider:
    """Who logs in and what is said of them; `tells` changes the ID token, `more` is what userinfo adds."""

    now: datetime
    issuer: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "s-1", "citizen_number": "ann"})
    tells: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    key: Key = field(
        default_factory=lambda: RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    )
    signs_with: Key | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def log_in(self, authorization_url: str) -> dict[str, str]:
        """Do what the provider's pages do with a person at hand: return what the browser brings back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def answer(self, path: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        """Answer a call."""
        self.calls.append(path)
        if path == "/.well-known/openid-configuration":
            known = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/auth",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "userinfo_endpoint": f"{self.issuer}/me",
                "authorization_response_iss_parameter_supported": True,
            }
            return 200, known | self.metadata
        if path == "/jwks":
            return 200, {"keys": [self.key.as_dict(private=False)]}
        if path == "/me":
            assert headers["authorization"] == "Bearer at"
            return 200, {"sub": self.person["sub"], **self.more}
        return self._token(form, headers)

    def _token(self, form: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        assert b64decode(headers["authorization"].split()[1]) == (
            b"datahub:a%20secret%3A%20with%20%26%20odd%20characters"
        )
        asked = self.codes.pop(form["code"], None)
        made = (
            urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        )
        if asked is None or asked["code_challenge"] != made or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(self.now.timestamp())
        claims = {
            "iss": self.issuer, "aud": "datahub", "iat": now, "exp": now + 60, "nonce": asked["nonce"],
            **self.person, **self.tells,
        }  # fmt: skip
        key = self.signs_with or self.key
        header = {"alg": "ES256" if isinstance(key, ECKey) else "RS256", "kid": self.key.kid}
        return 200, {
            "access_token": "at",
            "token_type": "Bearer",
            "id_token": jwt.encode(header, claims, key),
        }


@contextmanager
def an_openid_provider(now: datetime) -> Iterator[OpenIdProvider]:
    """Serve one on loopback."""
    provider = OpenIdProvider(now)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer({name: values[0] for name, values in parse_qs(text).items()})

        def _answer(self, form: dict[str, str]) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = provider.answer(urlsplit(self.path).path, form, headers)
            raw = orjson.dumps(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the library's word
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

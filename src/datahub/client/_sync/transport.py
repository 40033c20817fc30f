# Made from _async/transport.py by tests/client/unasync.py; change it there.
"""One connection to an exchange: tokens asked for and renewed, safe calls retried, refusals raised as errors."""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2

from datahub.client import wire
from datahub.client._sync.waiting import pause
from datahub.client.credentials import AccessToken, Signer
from datahub.client.errors import (
    DatahubError,
    NotConfigured,
    NotReachable,
    RateLimited,
    ServerFailed,
    TransferBroken,
)
from datahub.client.profiles import Profile

Details = Sequence[Mapping[str, Any]]
_METADATA = "/.well-known/oauth-authorization-server"
_CREATED = "POST"


@dataclass(frozen=True)
class _Asked:
    """One call, as often as it is sent."""

    method: str
    url: str
    params: Mapping[str, Any] | None
    content: Any
    headers: Mapping[str, str]
    details: Details
    timeout_s: float | None

    @property
    def is_safe(self) -> bool:
        """Tell whether sending it twice does no more than once."""
        return self.method in wire.SAFE_METHODS or "Idempotency-Key" in self.headers


class Transport:
    """Calls one exchange as one client."""

    def __init__(
        self,
        profile: Profile,
        *,
        timeout_s: float = 30.0,
        retries: wire.Retries | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        """Make ready; nothing is sent before the first call."""
        wire.must_be_address(profile.url)
        self.profile = profile
        self._signer = Signer(profile)
        self._retries = retries or wire.Retries()
        self._http = http or httpx2.Client(timeout=timeout_s, headers={"User-Agent": wire.USER_AGENT})
        self._base = profile.url.rstrip("/")
        self._tokens: dict[str, AccessToken] = {}
        self._nonces: dict[str, str] = {}
        self._metadata: Mapping[str, Any] | None = None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        address: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        details: Details = (),
        timeout_s: float | None = None,
    ) -> httpx2.Response:
        """Send one call and return the answer, read whole; `timeout_s`: for one that takes long to be answered.

        Raises Refused, NotReachable.
        """
        more = dict(headers or {})
        content = None
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            more.setdefault("Content-Type", "application/json")
        if method == _CREATED:
            more.setdefault("Idempotency-Key", str(uuid.uuid4()))
        with self.stream(
            method,
            address,
            params=params,
            content=content,
            headers=more,
            details=details,
            timeout_s=timeout_s,
        ) as answer:
            answer.read()
            return answer

    def json(self, method: str, address: str, **more: Any) -> Any:
        """Send one call and return the JSON it brings; None when it brings none."""
        answer = self.call(method, address, **more)
        try:
            return answer.json() if answer.content else None
        except ValueError as fault:
            raise NotConfigured(f"{self._base} is no exchange: its answer is not JSON.") from fault

    def pages(
        self, address: str, params: Mapping[str, Any], limit: int | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Give the items of a list, page after page, as many as asked for."""
        given, cursor = 0, None
        while True:
            page = self.json("GET", address, params={**params, **({"cursor": cursor} if cursor else {})})
            for item in page["items"]:
                if limit is not None and given >= limit:
                    return
                yield item
                given += 1
            cursor = page.get("nextCursor")
            if not cursor or (limit is not None and given >= limit):
                return

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        address: str,
        *,
        params: Mapping[str, Any] | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        details: Details = (),
        timeout_s: float | None = None,
    ) -> Iterator[httpx2.Response]:
        """Send one call and give its answer while it comes in. `content`: bytes, or a function that opens a stream.

        What is safe to repeat is repeated while the answer has not begun: reads, changes that replace, and creations,
        which carry an Idempotency-Key. Raises Refused, NotReachable, TransferBroken.
        """
        more = dict(headers or {})
        asked = _Asked(
            method,
            self._base + address if address.startswith("/") else address,
            wire.clean(params or {}) or None,
            content,
            more,
            details,
            timeout_s,
        )
        answer = self._persist(asked)
        try:
            yield answer
        except (httpx2.TransportError, httpx2.StreamError) as fault:
            raise TransferBroken(
                f"The answer of {self._base} broke off: the network failed, or the read is no longer permitted."
            ) from fault
        finally:
            answer.close()

    def _persist(self, asked: "_Asked") -> httpx2.Response:
        until = time.monotonic() + self._retries.deadline_s
        attempt = 0
        while True:
            fault: DatahubError
            try:
                answer = self._once(asked)
            except httpx2.TransportError as lost:
                fault = NotReachable(f"{self._base} does not answer: {_words(lost)}")
                fault.__cause__ = lost
            else:
                if answer.status_code < httpx2.codes.BAD_REQUEST:
                    return answer
                fault = _refused(answer)
                if not wire.is_passing(answer.status_code, fault.code):
                    raise fault
            if not asked.is_safe:
                raise fault
            attempt += 1
            self._bear(fault, attempt, until)

    def _bear(self, fault: DatahubError, attempt: int, until: float) -> None:
        """Wait for the next try, or raise what went wrong when there is none left."""
        wait_s = self._retries.pause(attempt - 1, fault.retry_after)
        if attempt >= self._retries.attempts or time.monotonic() + wait_s > until:
            raise fault
        pause(wait_s)

    def _once(self, asked: "_Asked") -> httpx2.Response:
        """Send with a good token; once more with the exchange's nonce, or with a new token, when it asks for that."""
        tries = {"nonce", "token"}
        timeout = httpx2.USE_CLIENT_DEFAULT if asked.timeout_s is None else asked.timeout_s
        while True:
            token = self.token(asked.details)
            nonce = self._nonces.get("data")
            proof = self._signer.authorization(token, asked.method, asked.url, nonce) if token else {}
            body = asked.content() if callable(asked.content) else asked.content
            request = self._http.build_request(
                asked.method,
                asked.url,
                params=asked.params,
                content=body,
                headers={**asked.headers, **proof},
                timeout=timeout,
            )
            answer = self._http.send(request, stream=True)
            if nonce := answer.headers.get("dpop-nonce"):
                self._nonces["data"] = nonce
            if answer.status_code != httpx2.codes.UNAUTHORIZED or token is None:
                return answer
            answer.read()
            if wire.is_nonce_asked(answer.status_code, answer.headers, None):
                reason = "nonce"
            elif self._signer.can_ask:
                reason = "token"
                self._tokens.pop(_key(asked.details), None)
            else:
                return answer
            if reason not in tries:
                return answer
            tries.discard(reason)

    def token(self, details: Details = ()) -> AccessToken | None:
        """Return a token that is good for a while yet, or None for a caller without credential."""
        if self.profile.token:
            return AccessToken(self.profile.token, "Bearer", float("inf"))
        if not self._signer.can_ask:
            return None
        kept = self._tokens.get(_key(details))
        if kept is None or not kept.is_good(time.monotonic(), wire.RENEW_S):
            kept = self._tokens[_key(details)] = self._new_token(details)
        return kept

    def _new_token(self, details: Details) -> AccessToken:
        until = time.monotonic() + self._retries.deadline_s
        attempt = 0
        while True:
            try:
                return self.ask_token(details=details)
            except (NotReachable, RateLimited, ServerFailed) as fault:
                attempt += 1
                self._bear(fault, attempt, until)

    def ask_token(self, scope: str | None = None, details: Details = ()) -> AccessToken:
        """Ask for a new token. Raises NotAuthenticated, PolicyDenied, Invalid, NotReachable."""
        metadata = self.metadata()
        url = str(metadata["token_endpoint"])
        asked_at = time.monotonic()
        nonce = self._nonces.get("token")
        is_last = not self._signer.is_dpop
        while True:
            form, headers = self._signer.token_request(str(metadata["issuer"]), scope, details)
            if self._signer.is_dpop:
                headers["DPoP"] = self._signer.proof("POST", url, nonce)
            try:
                answer = self._http.post(url, data=form, headers=headers)
            except httpx2.TransportError as lost:
                raise NotReachable(f"{url} does not answer: {_words(lost)}") from lost
            nonce = answer.headers.get("dpop-nonce", nonce)
            if nonce:
                self._nonces["token"] = nonce
            if is_last or not wire.is_nonce_asked(answer.status_code, answer.headers, _body(answer)):
                break
            is_last = True
        if answer.status_code != httpx2.codes.OK:
            raise wire.refused(answer.status_code, answer.headers, _body(answer))
        said = answer.json()
        return AccessToken(
            said["access_token"],
            said["token_type"],
            asked_at + float(said.get("expires_in", 0)),
            said.get("scope", ""),
            said.get("authorization_details", ()),
        )

    def metadata(self) -> Mapping[str, Any]:
        """Return the authorization server's metadata (RFC 8414), asked for once."""
        if self._metadata is None:
            try:
                answer = self._http.get(self._base + _METADATA)
            except httpx2.TransportError as lost:
                raise NotReachable(f"{self._base} does not answer: {_words(lost)}") from lost
            body = _body(answer)
            if not isinstance(body, dict):
                raise NotConfigured(f"{self._base} is no exchange: nothing of one is at {_METADATA}.")
            if answer.status_code != httpx2.codes.OK:
                raise wire.refused(answer.status_code, answer.headers, body)
            self._metadata = body
        return self._metadata


def _words(fault: Exception) -> str:
    return str(fault) or type(fault).__name__


def _key(details: Details) -> str:
    return json.dumps(list(details), sort_keys=True)


def _body(answer: httpx2.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _refused(answer: httpx2.Response) -> DatahubError:
    with contextlib.suppress(httpx2.TransportError):
        answer.read()
        return wire.refused(answer.status_code, answer.headers, _body(answer))
    return wire.refused(answer.status_code, answer.headers, None)

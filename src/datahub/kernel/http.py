"""HTTP out: every URL that somebody else gave us passes this guard.

Resolve once, judge every address, connect to the judged address with the original name for TLS and Host: an answer
that changes between check and connect (DNS rebinding) has no second chance. No redirects, no proxies, small answers.
"""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from datahub.kernel.errors import Invalid, Unavailable
from datahub.kernel.settings import Settings

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024
OK = 200
PORTS = frozenset({443, 8443})
Ways = Mapping[str, frozenset[int]]
"""Which ports may be called by which scheme."""
HTTPS: Ways = {"https": PORTS}
# For what bears a signature of its own and is published so: certificates' revocation lists (RFC 5280 §4.2.1.13).
HTTPS_OR_HTTP: Ways = {**HTTPS, "http": frozenset({80})}
_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
# For what is a stream of bytes and no HTTP: syslog over TLS (RFC 5425 §4.1).
STREAM_PORTS = frozenset({6514})
CLOSING_S = 5.0
# Ranges that `is_global` lets through although they lead inside: NAT64 and 6to4 hold an IPv4 address.
_TUNNELS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressNotAllowed(Invalid):
    """The URL leads somewhere the exchange does not connect to."""

    title = "Address not allowed"


class Unreachable(Unavailable):
    """The other side did not answer, or not in time."""

    title = "Other side not reachable"


class TooSlow(Unreachable):
    """The other side did not answer in full within the time it had."""

    title = "Other side too slow"


class AnswerTooLong(Unreachable):
    """The other side sent more than was wanted of it."""

    title = "Other side said too much"


def check_url(url: str, settings: Settings, ways: Ways = HTTPS) -> None:
    """Refuse a URL whose form alone rules it out. Raises AddressNotAllowed."""
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise AddressNotAllowed("This is not a URL.", url=url) from None
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        raise AddressNotAllowed("A URL to call has a host, and neither user, password nor fragment.")
    if settings.is_egress_private:
        return
    if (port or _DEFAULT_PORTS.get(parts.scheme)) not in ways.get(parts.scheme, ()):
        raise AddressNotAllowed(
            "A URL to call must use https on port 443 or 8443.", remedy="https://host/path"
        )


def may_connect(address: Address) -> bool:
    """Tell whether an address is out in the open internet, whatever form it is written in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return may_connect(address.ipv4_mapped)
        if any(address in tunnel for tunnel in _TUNNELS):
            return False
    return address.is_global and not address.is_multicast


class _PinnedTransport(httpx2.BaseTransport):
    """Resolves and judges the host, then connects to the address it judged."""

    def __init__(self, settings: Settings, ways: Ways) -> None:
        self._settings = settings
        self._ways = ways
        self._inner = httpx2.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = _target(request, self._settings, self._ways)
        _pin(request, host, socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), self._settings)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class _AwaitingTransport(httpx2.AsyncBaseTransport):
    """The same for callers that await."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = _target(request, self._settings)
        loop = asyncio.get_running_loop()
        _pin(request, host, await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), self._settings)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def _target(request: httpx2.Request, settings: Settings, ways: Ways = HTTPS) -> tuple[str, int]:
    check_url(str(request.url), settings, ways)
    return request.url.host, request.url.port or _DEFAULT_PORTS[request.url.scheme]


def _pin(request: httpx2.Request, host: str, found: Sequence[tuple[Any, ...]], settings: Settings) -> None:
    """Judge all addresses of a host and send the request to the first, under the host's own name."""
    address = _judged(found, settings)
    request.headers["Host"] = request.url.netloc.decode("ascii")
    request.extensions = {**request.extensions, "sni_hostname": host}
    request.url = request.url.copy_with(host=str(address))


def _judged(found: Sequence[tuple[Any, ...]], settings: Settings) -> Address:
    """Return the first of a host's addresses, when all of them may be connected to. Raises AddressNotAllowed."""
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not settings.is_egress_private and not all(map(may_connect, addresses)):
        raise AddressNotAllowed("The host of this URL leads to an address inside a private network.")
    return addresses[0]


@contextmanager
def outbound(settings: Settings, ways: Ways = HTTPS) -> Iterator[httpx2.Client]:
    """Give a client for URLs of others; use it for one errand."""
    with httpx2.Client(
        transport=_PinnedTransport(settings, ways), timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
    ) as client:
        yield client


def post(settings: Settings, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Post a body and return the status. Raises AddressNotAllowed, Unreachable."""
    return send(settings, url, body, headers)[0]


def send(settings: Settings, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Post a body and return the status and the answer's body, of which MAX_ANSWER_BYTES and a little are read.

    Raises AddressNotAllowed, Unreachable.
    """
    try:
        with (
            outbound(settings) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as answer,
        ):
            read = b""
            for chunk in answer.iter_raw():
                read += chunk
                if len(read) > MAX_ANSWER_BYTES:
                    break
            return answer.status_code, read
    except (httpx2.HTTPError, OSError) as fault:
        raise Unreachable(f"{type(fault).__name__} at {url}") from fault


def send_stream(settings: Settings, host: str, port: int, body: bytes, *, is_tls: bool) -> None:
    """Send bytes over a connection of their own, and return once the other side has closed it too, or has had time to.

    A stream has no answer: a connection that is reset tells that not all was taken, one that is closed tells no more
    than that. Raises AddressNotAllowed, Unreachable.
    """
    try:
        address = _judged(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), settings)
        with socket.create_connection((str(address), port), TIMEOUT_S) as plain:
            if is_tls:
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secure:
                    _send_and_close(secure, body)
            else:
                _send_and_close(plain, body)
    except OSError as fault:
        raise Unreachable(f"{type(fault).__name__} at {host}:{port}") from fault


def _send_and_close(connection: socket.socket, body: bytes) -> None:
    connection.sendall(body)
    connection.settimeout(CLOSING_S)
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection = connection.unwrap()
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    except (TimeoutError, ssl.SSLError):  # it keeps the connection open, or closes it without a word
        pass


def get(
    settings: Settings,
    url: str,
    max_bytes: int,
    ways: Ways = HTTPS,
    *,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return the body that a URL answers 200 with, of at most `max_bytes` and within the timeout as a whole.

    Raises AddressNotAllowed, Unreachable.
    """
    deadline = time.monotonic() + TIMEOUT_S
    try:
        with (
            outbound(settings, ways) as client,
            client.stream("GET", url, headers=dict(headers or {})) as answer,
        ):
            if answer.status_code != OK:
                raise Unreachable(f"{answer.status_code} at {url}")
            body = bytearray()
            for chunk in answer.iter_bytes(8192):
                body += chunk
                if len(body) > max_bytes or time.monotonic() > deadline:
                    raise Unreachable(f"too long an answer at {url}")
            return bytes(body)
    except (httpx2.HTTPError, OSError) as fault:
        raise Unreachable(f"{type(fault).__name__} at {url}") from fault


@dataclass(frozen=True)
class Errand:
    """One request to somebody else's server, with what it may cost: bytes of the answer, seconds for all of it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None
    max_bytes: int = MAX_ANSWER_BYTES
    within_s: float = TIMEOUT_S


@dataclass(frozen=True)
class Answer:
    """What came back, whole: names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def run_errand(settings: Settings, errand: Errand) -> Answer:
    """Return the whole answer to a request; cut off when its time is over, wherever the other side is stuck then.

    Raises AddressNotAllowed, Unreachable, TooSlow, AnswerTooLong.
    """
    where = errand.url.partition("?")[0]
    try:
        async with (
            asyncio.timeout(errand.within_s),
            httpx2.AsyncClient(
                transport=_AwaitingTransport(settings),
                timeout=errand.within_s,
                follow_redirects=False,
                trust_env=False,
            ) as client,
            client.stream(
                errand.method, errand.url, headers=dict(errand.headers), content=errand.body
            ) as answer,
        ):
            body = bytearray()
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > errand.max_bytes:
                    raise AnswerTooLong(f"more than {errand.max_bytes} bytes from {where}")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status_code, headers, bytes(body))
    except (TimeoutError, httpx2.TimeoutException) as fault:
        raise TooSlow(f"no whole answer within {errand.within_s:g} s from {where}") from fault
    except (httpx2.HTTPError, OSError) as fault:
        raise Unreachable(f"{type(fault).__name__} at {where}") from fault

"""HTTP out: every URL that somebody else gave us passes this guard.

Resolve once, judge every address, connect to the judged address with the original name for TLS and Host: an answer
that changes between check and connect (DNS rebinding) has no second chance. No redirects, no proxies, small answers.
"""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2

from datahub.kernel.errors import Invalid, Unavailable
from datahub.kernel.settings import Settings

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024
PORTS = frozenset({443, 8443})
# Ranges that `is_global` lets through although they lead inside: NAT64 and 6to4 hold an IPv4 address.
_TUNNELS = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressNotAllowed(Invalid):
    """The URL leads somewhere the exchange does not connect to."""

    title = "Address not allowed"


class Unreachable(Unavailable):
    """The other side did not answer, or not in time."""

    title = "Other side not reachable"


def check_url(url: str, settings: Settings) -> None:
    """Refuse a URL whose form alone rules it out. Raises AddressNotAllowed."""
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        raise AddressNotAllowed("This is not a URL.", url=url) from None
    if parts.username or parts.password or parts.fragment or not parts.hostname:
        raise AddressNotAllowed("A callback URL has a host, and neither user, password nor fragment.")
    if settings.is_egress_private:
        return
    if parts.scheme != "https" or (port or 443) not in PORTS:
        raise AddressNotAllowed(
            "A callback URL must use https on port 443 or 8443.", remedy="https://host/path"
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

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._inner = httpx2.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        check_url(str(request.url), self._settings)
        host = request.url.host
        port = request.url.port or {"http": 80, "https": 443}[request.url.scheme]
        address = self._resolve(host, port)
        request.headers["Host"] = request.url.netloc.decode("ascii")
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(address))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()

    def _resolve(self, host: str, port: int) -> Address:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not self._settings.is_egress_private and not all(map(may_connect, addresses)):
            raise AddressNotAllowed("The host of this URL leads to an address inside a private network.")
        return addresses[0]


@contextmanager
def outbound(settings: Settings) -> Iterator[httpx2.Client]:
    """Give a client for URLs of others; use it for one errand."""
    with httpx2.Client(
        transport=_PinnedTransport(settings), timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
    ) as client:
        yield client


def post(settings: Settings, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Post a body and return the status; the answer's body is read to a limit and thrown away.

    Raises AddressNotAllowed, Unreachable.
    """
    try:
        with (
            outbound(settings) as client,
            client.stream("POST", url, content=body, headers=dict(headers)) as answer,
        ):
            size = 0
            for chunk in answer.iter_raw():
                size += len(chunk)
                if size > MAX_ANSWER_BYTES:
                    break
            return answer.status_code
    except (httpx2.HTTPError, OSError) as fault:
        raise Unreachable(f"{type(fault).__name__} at {url}") from fault

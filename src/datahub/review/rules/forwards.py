"""Where the log can be forwarded to, and what a batch looks like there. Pure.

`https://…` gets lines of OCSF events; `syslog+tls://host[:6514]` (RFC 5425) and `syslog+tcp://host[:601]` (RFC 6587)
get framed messages of RFC 5424.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from datahub.audit import profiles
from datahub.review.rules.syslog import frame

SYSLOG_PORTS: Mapping[str, int] = {"syslog+tls": 6514, "syslog+tcp": 601}
OCSF_LINES = "application/x-ndjson"

Shown = Mapping[str, Any]


@dataclass(frozen=True)
class Collector:
    """A syslog receiver."""

    host: str
    port: int
    is_tls: bool


def collector_of(url: str) -> Collector | None:
    """Return the syslog receiver that a URL names; None for any other kind of URL. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in SYSLOG_PORTS:
        return None
    has_more = parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    if not parts.hostname or has_more:
        msg = "a syslog address is a host and a port, and nothing more"
        raise ValueError(msg)
    return Collector(parts.hostname, parts.port or SYSLOG_PORTS[parts.scheme], parts.scheme == "syslog+tls")


def as_frames(entries: Sequence[Shown], host: str) -> bytes:
    """Write entries as framed messages of syslog, each with its OCSF event as the text."""
    return b"".join(frame(entry, profiles.ocsf.event(entry), host) for entry in entries)


def as_lines(entries: Sequence[Shown]) -> bytes:
    """Write entries as OCSF events, one a line."""
    return b"".join(orjson.dumps(profiles.ocsf.event(entry)) + b"\n" for entry in entries)

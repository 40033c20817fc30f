"""What passes between the facade and the network, without the network: addresses, retries, answers, pages."""

import email.utils
import random
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from datahub import __version__
from datahub.client.errors import NotConfigured, Refused, refusal

USER_AGENT = f"datahub-client/{__version__}"
RETRIED = frozenset({429, 502, 503, 504})
# The first try of this same call is still being worked on: its answer is there in a moment.
_IN_PROGRESS = "request-in-progress"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
# A token is renewed this long before it ends, so that none dies on its way.
RENEW_S = 30.0


@dataclass(frozen=True)
class Retries:
    """How often and how long to try again: only what is safe to repeat, and never past the deadline."""

    attempts: int = 4
    first_pause_s: float = 0.25
    longest_pause_s: float = 20.0
    deadline_s: float = 120.0

    def pause(self, attempt: int, retry_after: float | None) -> float:
        """Return how long to wait before attempt `attempt` + 1: what the exchange asks for, or growing with chance."""
        if retry_after is not None:
            return retry_after
        ceiling: float = min(self.longest_pause_s, self.first_pause_s * 2**attempt)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 — spreads load, protects nothing


def must_be_address(url: str) -> None:
    """Refuse what no exchange can be called at. Raises NotConfigured."""
    if not url:
        raise NotConfigured(
            "No exchange to call: give url=…, set DATAHUB_URL, or make a profile "
            "(datahub profile add --url https://…)."
        )
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise NotConfigured(f"“{url}” is no address of an exchange; one begins with https:// or http://.")


def is_passing(status: int, code: str) -> bool:
    """Tell whether a refusal is likely to be over in a while."""
    return status in RETRIED or code == _IN_PROGRESS


def path(*parts: str) -> str:
    """Return an address under /v1 with each part escaped; dataset references keep their slash."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def is_id(text: str) -> bool:
    """Tell whether a text is an id of the exchange's, and no name."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def clean(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that were given."""
    return {name: value for name, value in params.items() if value is not None and value != ()}


def seconds_of(retry_after: str | None) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110 §10.2.3)."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        at = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, at.timestamp() - time.time())


def refused(status: int, headers: Mapping[str, str], body: Any) -> Refused:
    """Return what an answer of 400 and above says."""
    problem = body if isinstance(body, dict) else {}
    return refusal(
        status,
        problem,
        request_id=headers.get("x-request-id"),
        retry_after=seconds_of(headers.get("retry-after")),
    )


def is_nonce_asked(status: int, headers: Mapping[str, str], body: Any) -> bool:
    """Tell whether the exchange only wants its nonce in the proof (RFC 9449 §8, §9)."""
    if not headers.get("dpop-nonce"):
        return False
    said = headers.get("www-authenticate", "")
    error = body.get("error") if isinstance(body, dict) else None
    return status in (400, 401) and ("use_dpop_nonce" in said or error == "use_dpop_nonce")

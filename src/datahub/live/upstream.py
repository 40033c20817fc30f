"""One call to a provider's service, and what of its answer may go on: nothing of it but a body of the kind announced.

Only the headers named here go up, and none come down: no cookies, no hop-by-hop fields (RFC 9110 §7.6.1).
"""

from dataclasses import dataclass
from typing import Any

from datahub.kernel import http
from datahub.kernel.settings import Settings
from datahub.live.errors import UpstreamFailed, UpstreamNotFound, UpstreamRefusedCall, UpstreamTooSlow
from datahub.live.rules import Call, Definition

_REFUSED = frozenset({400, 409, 413, 414, 415, 422})
_ABSENT = frozenset({404, 410})
_OK = range(200, 300)
_NOTHING = 204
_BUSY = frozenset({429, 503})


@dataclass(frozen=True)
class Heard:
    """What a service answered: only of a kind that may go on."""

    status: int
    media_type: str
    body: bytes


async def ask(settings: Settings, definition: Definition, call: Call, credential: dict[str, str]) -> Heard:
    """Return a service's answer to a call.

    Raises UpstreamFailed, UpstreamTooSlow, UpstreamNotFound, UpstreamRefusedCall; each with `reason`.
    """
    limits, kinds = definition["limits"], definition["mediaTypes"]
    headers = {
        **credential,
        "Accept": ", ".join(kinds),
        "Accept-Encoding": "identity",
        "User-Agent": "datahub",
        "Connection": "close",
    }
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    errand = http.Errand(
        "GET" if call.method == "HEAD" else call.method,
        definition["baseUrl"].rstrip("/") + call.target,
        headers,
        call.body,
        limits["responseBytes"],
        limits["timeS"],
    )
    try:
        answer = await http.run_errand(settings, errand)
    except http.TooSlow as fault:
        raise UpstreamTooSlow(
            f"The provider's service gave no whole answer in {limits['timeS']:g} seconds.", reason="too-slow"
        ) from fault
    except http.AnswerTooLong as fault:
        detail = f"The provider's service answered with more than {limits['responseBytes']} bytes."
        raise UpstreamFailed(detail, reason="too-large") from fault
    except http.AddressNotAllowed as fault:
        detail = "The provider's service is at an address that the exchange does not connect to."
        raise UpstreamFailed(detail, reason="address-not-allowed") from fault
    except http.Unreachable as fault:
        detail = "The provider's service cannot be reached, or broke off."
        raise UpstreamFailed(detail, reason="unreachable") from fault
    return _judged(answer, kinds)


def _judged(answer: http.Answer, kinds: list[str]) -> Heard:
    status: Any = answer.status
    if status in _ABSENT:
        raise UpstreamNotFound("The provider's service knows nothing there.", upstreamStatus=status)
    if status in _REFUSED:
        raise UpstreamRefusedCall("The provider's service refused this call.", upstreamStatus=status)
    if status not in _OK:
        reason = "redirect" if status in range(300, 400) else "busy" if status in _BUSY else "status"
        detail = f"The provider's service answered with status {status}."
        raise UpstreamFailed(detail, reason=reason, upstreamStatus=status)
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        detail = "The provider's service answered in an encoding that was not asked for."
        raise UpstreamFailed(detail, reason="encoding", upstreamStatus=status)
    said = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if status != _NOTHING and said not in kinds:
        detail = "The provider's service answered in a form that this API does not offer."
        raise UpstreamFailed(detail, reason="media-type", upstreamStatus=status)
    return Heard(status, said, answer.body)

"""What can go wrong for a caller, as a small tree; each carries the exchange's own words.

DatahubError
├─ NotReachable      no answer, or not in time
├─ TransferBroken    the bytes that came are not the ones that were promised
└─ Refused           the exchange answered with a problem (RFC 9457) or an OAuth error (RFC 6749 §5.2)
   ├─ Invalid           400, 406, 413, 415, 416, 422
   ├─ NotAuthenticated  401, and an OAuth `invalid_client`
   ├─ PolicyDenied      403 that a policy decided, and a token that an agreement or its policy does not give
   ├─ Forbidden         403
   ├─ NotFound          404, 410
   ├─ Conflict          409, 412, 428
   ├─ RateLimited       429
   └─ ServerFailed      5xx
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_AS_WORDS = re.compile("[-_]")


class DatahubError(Exception):
    """Anything this client raises by itself."""

    code = "client-error"
    problem: Mapping[str, Any] = {}
    request_id: str | None = None
    remedy: str | None = None
    retry_after: float | None = None


class NotReachable(DatahubError):
    """The exchange did not answer, or not in time."""

    code = "not-reachable"


class TransferBroken(DatahubError):
    """A stream ended early or its digest is another; what had come was not handed out."""

    code = "transfer-broken"


class NotConfigured(DatahubError):
    """No profile, address or credential to call with."""

    code = "not-configured"


class Refused(DatahubError):
    """The exchange said no, and why."""

    def __init__(
        self,
        status: int,
        problem: Mapping[str, Any],
        *,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Take over what the exchange said."""
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code") or problem.get("error") or f"http-{status}")
        self.title = str(problem.get("title") or _AS_WORDS.sub(" ", self.code).capitalize())
        self.detail = str(problem.get("detail") or problem.get("error_description") or "")
        self.remedy = str(problem["remedy"]) if problem.get("remedy") else None
        self.request_id = request_id or (str(problem["requestId"]) if problem.get("requestId") else None)
        self.retry_after = retry_after
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        lines = [f"{self.title}: {self.detail}" if self.detail else self.title]
        faults = self.problem.get("errors") or ()
        lines += [f"  {': '.join(filter(None, (_at(fault), str(fault.get('detail')))))}" for fault in faults]
        lines += [f"  {self.remedy}"] if self.remedy else []
        return "\n".join(lines)


def _at(fault: Mapping[str, Any]) -> str:
    """Return where a fault is; nothing for what is about the whole."""
    return str(fault.get("pointer") or "").removesuffix("/")


class Invalid(Refused):
    """What was sent cannot be; `problem["errors"]` names every fault."""


class NotAuthenticated(Refused):
    """The credential or token is not good."""


class Forbidden(Refused):
    """The caller may not do this."""


class PolicyDenied(Forbidden):
    """A policy denies it; `decision_id` leads to the facts, `would_permit` to what would change the answer."""

    @property
    def decision_id(self) -> str | None:
        """Return the decision's id: `hub.decisions[id]` tells all that the caller may know."""
        found = self.problem.get("decisionId")
        return str(found) if found else None

    @property
    def would_permit(self) -> list[Mapping[str, Any]]:
        """Return the nearest changes that would permit."""
        return list(_would_permit(self.problem))


class NotFound(Refused):
    """Not there, gone, or not for the caller to see."""


class Conflict(Refused):
    """The state of things does not allow it now, or somebody else was first."""


class RateLimited(Refused):
    """Too much in too little time; `retry_after` says when to come back, in seconds."""


class ServerFailed(Refused):
    """The exchange failed, or cannot serve at the moment."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    428: Conflict,
    429: RateLimited,
}
_BY_OAUTH: Mapping[str, type[Refused]] = {
    "invalid_client": NotAuthenticated,
    "invalid_dpop_proof": NotAuthenticated,
    "invalid_scope": Forbidden,
    "unauthorized_client": Forbidden,
}
_SERVER = 500
_NO_AGREEMENT = "agreement-required"


def _would_permit(problem: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the changes, from where a read's refusal has them, or a request's."""
    decision = problem.get("decision")
    inner = decision.get("wouldPermit") if isinstance(decision, Mapping) else None
    return problem.get("wouldPermit") or inner or ()


def refusal(
    status: int,
    problem: Mapping[str, Any],
    *,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> Refused:
    """Return the refusal that an answer stands for."""
    kind = _BY_STATUS.get(status, ServerFailed if status >= _SERVER else Invalid)
    kind = _BY_OAUTH.get(str(problem.get("error")), kind)
    is_decided = problem.get("decisionId") or problem.get("decision") or _would_permit(problem)
    is_no_token = problem.get("error") == "invalid_authorization_details" and problem.get("code")
    if (kind is Forbidden and is_decided) or is_no_token:
        kind = PolicyDenied
    return kind(status, problem, request_id=request_id, retry_after=retry_after)


def nearest(read: Refused, token: Refused | None) -> Refused:
    """Return the refusal that says most: why no token names the data, where a read could say only that none does."""
    if not isinstance(token, PolicyDenied) or read.code != _NO_AGREEMENT or token.code == _NO_AGREEMENT:
        return read
    told = {**token.problem, "decisionId": read.problem.get("decisionId")}
    return PolicyDenied(token.status, told, request_id=read.request_id)

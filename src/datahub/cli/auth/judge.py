"""A check and its verdict: what is asked, by which clause, and what was seen instead. Pure but for the call itself."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from datahub.cli.auth.probe import Answer, Missing, Probe

PASS, FAIL, SKIP = "pass", "fail", "skip"


class Wrong(Exception):  # noqa: N818 — not a bug: what a check saw that should not be
    """The server did not do what the clause asks."""


@dataclass(frozen=True)
class Check:
    """One check: the clause, a name, and the probing that raises Wrong, or Missing when it cannot be done."""

    clause: str
    name: str
    run: Callable[[Probe], None]


@dataclass(frozen=True)
class Finding:
    """What a check came to."""

    clause: str
    check: str
    result: str
    seen: str


def judge(check: Check, probe: Probe) -> Finding:
    """Run one check; whatever goes wrong on the way is a failure of the server, not of the report."""
    try:
        check.run(probe)
    except Missing as reason:
        return Finding(check.clause, check.name, SKIP, str(reason))
    except Wrong as seen:
        return Finding(check.clause, check.name, FAIL, str(seen))
    except Exception as fault:  # noqa: BLE001 — an answer of any shape may come
        return Finding(check.clause, check.name, FAIL, f"{type(fault).__name__}: {fault}"[:200])
    return Finding(check.clause, check.name, PASS, "")


def must(holds: object, seen: str) -> None:
    """Hold a fact. Raises Wrong."""
    if not holds:
        raise Wrong(seen)


def granted(answer: Answer) -> dict[str, Any]:
    """Return the token answer. Raises Wrong when there is none."""
    must(answer.status_code == 200, f"expected a token, got {told(answer)}")  # noqa: PLR2004
    found: dict[str, Any] = answer.json()
    must(isinstance(found.get("access_token"), str), "the answer holds no access_token")
    return found


def refused(answer: Answer, errors: Iterable[str] = ()) -> None:
    """Hold an answer to be a refusal in OAuth's form, with one of these errors if any are named. Raises Wrong."""
    must(answer.status_code in (400, 401), f"expected 400 or 401, got {told(answer)}")
    error = answer.json().get("error")
    allowed = tuple(errors)
    must(isinstance(error, str), "the refusal holds no `error` (RFC 6749 §5.2)")
    must(not allowed or error in allowed, f"error {error}, expected {' or '.join(allowed)}")


def closed(answer: Answer) -> None:
    """Hold a resource to have refused a call for its credentials. Raises Wrong."""
    must(answer.status_code in (400, 401), f"expected 400 or 401, got {told(answer)}")
    is_challenge = answer.status_code != 401 or "www-authenticate" in answer.headers  # noqa: PLR2004
    must(is_challenge, "a 401 without WWW-Authenticate")


def opened(answer: Answer) -> None:
    """Hold a resource to have answered. Raises Wrong."""
    must(200 <= answer.status_code < 300, f"expected an answer, got {told(answer)}")  # noqa: PLR2004


def told(answer: Answer) -> str:
    """Say what came, short, with no token in it."""
    try:
        found = answer.json()
        error = found.get("error") or found.get("code") or ""
    except (ValueError, AttributeError):
        error = ""
    return f"{answer.status_code} {error}".strip()

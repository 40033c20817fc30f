"""Checks of our own for Schemathesis, beside all of its: what holds for every answer of the exchange.

Loaded by the `st` command (see `test_schemathesis.py`); `DATAHUB_UNSEEN` names the ids that this persona must not see.
"""

import json
import os
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

UNSEEN = json.loads(os.environ.get("DATAHUB_UNSEEN", "[]"))
# RFC 6749 §5.2 and RFC 7662 have a form of their own.
LONG = 1 << 15
# Fault codes that say what a value means, or what text may hold (RFC 7493), which JSON Schema has no words for.
MEANING = {"value-error", "control-character"}
OAUTH = ("/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par")


# What the server under the exchange says to a request line that it does not read; no application has a part in that.
NOT_READ = b"Invalid HTTP request received."


# The bytes of an upload in stretches (tus 1.0) go as any other bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: object, case: Case[Any], response: Response
) -> bool:
    """Tell which failures count. Those that do not are three, each by a rule of the house.

    A request line of 64 KiB is not read at all. A change without If-Match is 428 (RFC 6585), not 400. A request of the
    right shape can still be wrong in what it means, which is 400 here (never 422).
    """
    if response.content == NOT_READ and len(str(response.request.url)) > LONG:
        return False
    if type(failure).__name__ == "MissingHeaderNotRejected" and response.status_code == 428:
        return False
    if type(failure).__name__ == "RejectedPositiveData":
        return response.status_code == 400 and _is_about_shape(response)
    return True


def _is_about_shape(response: Response) -> bool:
    """Tell whether a refusal blames the shape, and nothing else."""
    said = json.loads(response.content)
    faults = [fault["code"] for fault in said.get("errors", ())]
    return said.get("code") == "invalid-body" and not MEANING & set(faults)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Send every other change against whatever state there is: a made-up ETag would never get any further."""
    if case.headers and "If-Match" in case.headers and hash(case.id) % 2:
        case.headers["If-Match"] = "*"
    # Following the log takes as long as it was asked to; nobody waits for that here.
    if case.path == "/v1/log-entries/stream" and "seconds" not in (case.query or {}):
        case.query = {**(case.query or {}), "seconds": 1}
    elif case.path == "/v1/log-entries/stream" and case.query and str(case.query["seconds"]).isdigit():
        case.query["seconds"] = min(int(case.query["seconds"]), 1)


@schemathesis.check
def a_refusal_is_a_problem(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """RFC 9457: every 4xx is a problem, but for OAuth's own errors."""
    if response.status_code < 400 or (case.path in OAUTH and response.status_code != 405):
        return
    assert _header(response, "content-type") == "application/problem+json"
    if case.method.upper() == "HEAD":
        return
    said = json.loads(response.content)
    assert said["status"] == response.status_code
    assert said["requestId"] == _header(response, "x-request-id")
    assert said["type"].endswith(f"/problems/{said['code']}")
    assert said["title"]
    assert said["detail"]
    for fault in said.get("errors", ()):
        assert fault["pointer"] == "" or fault["pointer"].startswith("/")
        assert fault["detail"]


@schemathesis.check
def an_answer_carries_the_headers(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """NL API Design Rules: the version and the security headers are on every answer."""
    assert _header(response, "api-version")
    assert _header(response, "x-content-type-options") == "nosniff"
    assert "frame-ancestors 'none'" in _header(response, "content-security-policy")
    assert _header(response, "referrer-policy")
    assert _header(response, "strict-transport-security")


@schemathesis.check
def only_what_is_public_is_kept_by_caches(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Answers to a scope of their own, and refusals, are `no-store`."""
    declared = case.operation.definition.raw.get("security", [{}])
    is_public = {} in declared or not declared
    if response.status_code >= 400 or not is_public:
        assert "no-store" in _header(response, "cache-control")


@schemathesis.check
def nothing_of_others_is_told(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """OWASP API1: no id of what this persona may not know of is in any answer, unless it sent it itself."""
    for name in UNSEEN:
        sent = repr((case.path_parameters, case.query, case.body))
        assert name in sent or name.encode() not in response.content


def _header(response: Response, name: str) -> str:
    return ", ".join(response.headers.get(name, []))

"""What a token is asked to be: details (RFC 9396), resources (RFC 8707), pushed requests (RFC 9126)."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from datahub.cli.auth.judge import Check, granted, must, refused, told
from datahub.cli.auth.probe import Answer, Missing, Probe

_NOBODY = "00000000-0000-7000-8000-000000000000"
_DETAILS = ("invalid_authorization_details",)
_URI = ("invalid_request_uri", "invalid_request", "invalid_grant")
_LONGEST_S = 600


def _refuses_details(details: object, *, is_text: bool = False) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        if not probe.metadata.get("authorization_details_types_supported"):
            raise Missing("the server takes no authorization_details")
        sent = str(details) if is_text else json.dumps(details)
        refused(probe.ask(authorization_details=sent), (*_DETAILS, *(["invalid_request"] if is_text else [])))

    return run


def _detail(**more: Any) -> list[Mapping[str, Any]]:
    return [{"type": "dataset", "identifier": _NOBODY, "actions": ["read"], **more}]


def _refuses_resource(value: Callable[[Probe], str]) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        if "resource" in probe.form:
            raise Missing("another resource has to be named with this server")
        refused(probe.ask(resource=value(probe)), ("invalid_target", "invalid_request"))

    return run


def _push(probe: Probe, **more: Any) -> Answer:
    form = {**probe.form, **probe.credential(), **more}
    return probe.post(probe.endpoint("pushed_authorization_request"), form, proofs=more.pop("proofs", None))


def _named(probe: Probe) -> str:
    answer = _push(probe)
    must(answer.status_code == 201, f"expected 201, got {told(answer)}")  # noqa: PLR2004
    found: str = answer.json()["request_uri"]
    return found


def _grant_pushes(probe: Probe) -> None:
    """Hold that what is pushed here is a request of the client_credentials grant."""
    probe.endpoint("pushed_authorization_request")
    if "authorization_endpoint" in probe.metadata:
        raise Missing("what is pushed here are requests of an authorization endpoint")


def _pushed_once(probe: Probe) -> None:
    _grant_pushes(probe)
    name = _named(probe)
    granted(probe.ask(request_uri=name))
    refused(probe.ask(request_uri=name), _URI)


def _pushed_short(probe: Probe) -> None:
    _grant_pushes(probe)
    must(0 < _push(probe).json()["expires_in"] < _LONGEST_S, "lives 600 s or longer (FAPI 2.0 §5.3.2.2)")


def _pushed_own(probe: Probe) -> None:
    _grant_pushes(probe)
    refused(probe.ask(party=probe.other, request_uri=_named(probe)), _URI)


def _pushed_proven(probe: Probe) -> None:
    url = probe.endpoint("pushed_authorization_request")
    answer = probe.post(url, {**probe.form, "client_id": probe.party.client_id})
    refused(answer, ("invalid_client", "invalid_request"))


def _pushed_uri(probe: Probe) -> None:
    refused(
        _push(probe, request_uri="urn:example:x"),
        ("invalid_request", "invalid_request_object", "request_uri_not_supported"),
    )


def _pushed_get(probe: Probe) -> None:
    answer = probe.http.get(probe.endpoint("pushed_authorization_request"))
    must(answer.status_code in (404, 405), f"expected 405 to GET, got {answer.status_code}")


CHECKS = (
    Check("RFC 9396 §5", "details-of-an-unknown-type", _refuses_details([{"type": "no-such-type"}])),
    Check("RFC 9396 §5", "details-with-an-unknown-field", _refuses_details(_detail(colour="red"))),
    Check("RFC 9396 §5", "details-of-the-wrong-shape", _refuses_details(_detail(actions="read"))),
    Check("RFC 9396 §5", "details-not-agreed", _refuses_details(_detail())),
    Check("RFC 9396 §5", "details-not-json", _refuses_details("[{", is_text=True)),
    Check("RFC 9396 §2", "details-nested-deep", _refuses_details("[" * 9000 + "]" * 9000, is_text=True)),
    Check("RFC 8707 §2", "resource-with-a-fragment", _refuses_resource(lambda p: f"{p.issuer}/v1/clients#a")),
    Check("RFC 8707 §2", "resource-not-absolute", _refuses_resource(lambda _: "/v1/clients")),
    Check("RFC 8707 §2", "resource-not-known", _refuses_resource(lambda _: "https://resource.example.org/")),
    Check("RFC 9126 §2.2", "pushed-request-works-once", _pushed_once),
    Check("FAPI 2.0 §5.3.2.2", "pushed-request-is-short-lived", _pushed_short),
    Check("RFC 9126 §2.2", "pushed-request-is-its-clients", _pushed_own),
    Check("RFC 9126 §2.1", "pushing-needs-a-proven-client", _pushed_proven),
    Check("RFC 9126 §2.1", "request-uri-is-not-pushed", _pushed_uri),
    Check("RFC 9126 §2.3", "pushing-is-by-post", _pushed_get),
)

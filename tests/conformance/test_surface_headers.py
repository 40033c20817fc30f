"""What every answer carries, whatever it answers: security headers, the version, no caching of what is not public.

NL API Design Rules 2.1 /core/version-header, /core/transport/security-headers; RFC 9110 §10.2.1 (Allow); OWASP
API8:2023. Answers of each kind are made in one world that they do not change.
"""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.testclient import TestClient

from datahub.kernel.rest import Envelope
from datahub.kernel.rest.middleware import SECURITY_HEADERS
from tests.conformance.world import World, a_world

BIG = b'{"name": "' + b"x" * (2 << 20) + b'"}'
JSON = {"Content-Type": "application/json"}
# Which status who gets for which method on which address, and what is sent with it.
ANSWERS: list[tuple[int, str, str, str, dict[str, Any]]] = [
    (200, "anonymous", "GET", "/", {}),
    (200, "anonymous", "GET", "/docs", {}),
    (200, "anonymous", "GET", "/docs/assets/swagger-ui.css", {}),
    (200, "anonymous", "GET", "/problems", {}),
    (200, "anonymous", "GET", "/problems/dataset-not-found", {}),
    (200, "anonymous", "GET", "/v1/openapi.json", {}),
    (200, "anonymous", "GET", "/health/live", {}),
    (200, "anonymous", "GET", "/.well-known/api-catalog", {}),
    (200, "anonymous", "GET", "/oauth/jwks", {}),
    (200, "anonymous", "GET", "/v1/datasets", {}),
    (200, "consumer", "GET", "/v1/agreements/{agreement}", {}),
    (200, "consumer", "GET", "/v1/agreements/{agreement}/text", {}),
    (200, "agreed", "GET", "/v1/datasets/{published}/data", {}),
    (200, "provider", "GET", "/v1/log-entries", {"headers": {"Accept": "text/csv"}}),
    (304, "anonymous", "GET", "/v1/datasets/{published}", {"headers": {"If-None-Match": "{etag}"}}),
    (400, "provider", "POST", "/v1/datasets", {"json": {}}),
    (400, "anonymous", "GET", "/v1/datasets?pageSize=0", {}),
    (400, "anonymous", "POST", "/oauth/token", {"content": b"{}", "headers": JSON}),
    (401, "anonymous", "GET", "/v1/agreements", {}),
    (401, "anonymous", "POST", "/oauth/token", {"data": {"grant_type": "client_credentials"}}),
    (401, "anonymous", "GET", "/v1/datasets/{published}/data", {}),
    (403, "clerk", "POST", "/v1/datasets", {"json": {}}),
    (403, "outsider", "GET", "/v1/datasets/{published}/data", {}),
    (404, "anonymous", "GET", "/nowhere", {}),
    (404, "anonymous", "GET", "/v1/datasets/", {}),
    (404, "outsider", "GET", "/v1/agreements/{agreement}", {}),
    (404, "anonymous", "GET", "/docs/assets/nothing.js", {}),
    (405, "anonymous", "DELETE", "/v1/datasets", {}),
    (405, "anonymous", "POST", "/docs", {}),
    (405, "anonymous", "GET", "/oauth/token", {}),
    (406, "anonymous", "GET", "/v1/datasets", {"headers": {"Accept": "image/png"}}),
    (409, "provider", "DELETE", "/v1/datasets/{published}", {"headers": {"If-Match": "*"}}),
    (
        412,
        "provider",
        "PATCH",
        "/v1/datasets/{draft}",
        {"headers": {"If-Match": '"0"'}, "json": {"keywords": []}},
    ),
    (413, "provider", "POST", "/v1/datasets", {"content": BIG, "headers": JSON}),
    (413, "provider", "POST", "/v1/datasets", {"content": iter([BIG]), "headers": JSON}),
    (413, "anonymous", "POST", "/v1/datasets", {"content": BIG, "headers": JSON}),
    (413, "anonymous", "POST", "/oauth/token", {"content": BIG[:100_000]}),
    (415, "provider", "POST", "/v1/datasets", {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}),
    (
        415,
        "provider",
        "POST",
        "/v1/datasets/{draft}/versions",
        {"content": b"x", "headers": {"Content-Type": "a/b"}},
    ),
    (428, "provider", "PATCH", "/v1/datasets/{draft}", {"json": {"keywords": []}}),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("surface")
    with a_world(home, f"sqlite:///{home}/datahub.sqlite3") as world:
        world.ids["etag"] = world.call("anonymous", "GET", "/v1/datasets/{published}").headers["etag"]
        yield world


def _must_carry(answer: httpx2.Response) -> None:
    for name, value in SECURITY_HEADERS.items():
        if name == "Content-Security-Policy":
            assert "default-src 'none'" in answer.headers[name]
            assert "frame-ancestors 'none'" in answer.headers[name]
        else:
            assert answer.headers[name] == value
    assert answer.headers["api-version"].count(".") == 2
    assert len(answer.headers["x-request-id"]) == 32
    names = [name.lower() for name, _ in answer.headers.multi_items()]
    assert len(names) == len(set(names)), "a header comes twice"
    assert "server" not in names
    assert "x-powered-by" not in names
    assert "cache-control" in names


@pytest.mark.parametrize("case", ANSWERS, ids=[f"{a[0]} {a[2]} {a[3]}" for a in ANSWERS])
def test_every_kind_of_answer_carries_the_headers(
    world: World, case: tuple[int, str, str, str, dict[str, Any]]
) -> None:
    status, persona, method, path, more = case
    answer = world.call(persona, method, path, **{**more, "headers": world.fill(more.get("headers", {}))})
    assert answer.status_code == status, answer.text[:500]
    _must_carry(answer)
    if status >= 400:
        assert answer.headers["cache-control"] == "no-store"
        is_oauth = path.startswith("/oauth/") and status != 405
        form = "application/json" if is_oauth else "application/problem+json"
        assert answer.headers["content-type"] == form
        if not is_oauth:
            said = answer.json()
            assert said["status"] == status
            assert said["requestId"] == answer.headers["x-request-id"]
            assert said["type"].endswith(f"/problems/{said['code']}")
            assert world.hub.http.get(said["type"]).status_code == 200, "the type leads to a page"


def test_a_bug_is_answered_with_the_same_headers_and_without_its_words(world: World) -> None:
    app = FastAPI()
    app.state.door = world.hub.app.state.door
    app.exception_handlers = dict(world.hub.app.exception_handlers)

    @app.get("/bug")
    def bug() -> None:
        message = "password=hunter2"
        raise RuntimeError(message)

    with TestClient(Envelope(app, "1.0.0"), raise_server_exceptions=False) as client:
        answer = client.get("/bug", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert answer.status_code == 500
    _must_carry(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["requestId"] == "ab" * 16
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


def test_what_is_not_public_is_never_kept_by_caches(world: World) -> None:
    paths = [
        ("consumer", "/v1/agreements"),
        ("consumer", "/v1/agreements/{agreement}"),
        ("consumer", "/v1/agreements/{agreement}/text"),
        ("consumer", "/v1/access-requests/{openRequest}"),
        ("consumer", "/v1/access-requests/{openRequest}/comments"),
        ("consumer", "/v1/log-entries"),
        ("consumer", "/v1/decisions/{decision}"),
        ("agreed", "/v1/datasets/{published}/data"),
        ("provider", "/v1/datasets"),
        ("provider", "/v1/datasets/{draft}"),
        ("provider", "/v1/datasets/{draft}/versions"),
        ("provider", "/v1/datasets/{draft}/versions/1"),
        ("provider", "/v1/datasets/{draft}/offers"),
        ("provider", "/v1/datasets/{draft}/offers/{draftOffer}"),
        ("provider", "/v1/datasets/{published}/offers/{hiddenOffer}"),
        ("provider", "/v1/participants/{provider}/people/{person}"),
        ("provider", "/v1/clients/{client}"),
        ("exchange", "/v1/participants/{applicant}"),
    ]
    kept = {}
    for persona, path in paths:
        for accept in ("application/json", "application/ld+json"):
            answer = world.call(persona, "GET", path, headers={"Accept": accept})
            if answer.status_code == 200 and "no-store" not in answer.headers["cache-control"]:
                kept[f"{persona} {path} {accept}"] = answer.headers["cache-control"]
    assert kept == {}


def _addresses(world: World) -> dict[str, set[str]]:
    """Every address there is, and all its methods."""
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(world.hub.app.routes):
        if route.path and route.methods:
            found.setdefault(route.path, set()).update(route.methods)
    return found


def _filled(path: str) -> str:
    """Put something of the right kind where an address takes a value."""
    return re.sub(r"\{(\w+)(:int)?[^}]*\}", lambda found: "1" if found[2] else found[1], path)


def test_every_address_answers_a_method_it_has_not_with_all_those_it_has(world: World) -> None:
    wrong = {}
    for path, methods in _addresses(world).items():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            if method not in methods:
                answer = world.hub.http.request(method, _filled(path))
                allowed = set(answer.headers.get("allow", "").split(", "))
                if answer.status_code != 405 or not methods <= allowed:
                    wrong[f"{method} {path}"] = (answer.status_code, allowed)
    assert wrong == {}


def test_no_address_has_a_second_spelling_with_a_slash(world: World) -> None:
    for path in _addresses(world):
        if path != "/":
            bare = _filled(path)
            for spelling in (f"{bare}/", f"/{bare}"):
                answer = world.hub.http.request("GET", f"{world.hub.settings.base_url}{spelling}")
                assert answer.status_code in (404, 405), spelling
                assert "location" not in answer.headers


def test_a_token_in_the_address_or_the_body_is_no_credential(world: World) -> None:
    token = world.tokens["provider"]
    assert world.call("provider", "GET", "/v1/agreements").status_code == 200
    assert world.hub.http.get(f"/v1/agreements?access_token={token}").status_code == 401
    form = {"access_token": token, "name": "x"}
    assert world.hub.http.post("/v1/datasets", data=form).status_code == 401
    cookies = {"Cookie": f"access_token={token}"}
    assert world.hub.http.get("/v1/agreements", headers=cookies).status_code == 401


def test_two_credentials_are_none(world: World) -> None:
    pair = [("Authorization", f"Bearer {world.tokens[name]}") for name in ("outsider", "provider")]
    for path in ("/v1/agreements", "/v1/datasets", "/v1/datasets/{published}/data"):
        answer = world.hub.http.get(world.fill(path), headers=pair)
        assert answer.status_code == 401, path

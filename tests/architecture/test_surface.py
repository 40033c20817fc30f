"""What the exchange shows outside is whole: every route names its scope, every refusal is explained, OpenAPI is fresh."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, APIRouter

from datahub.app import _ROUTERS, build
from datahub.kernel.rest.access import ANYONE, SCOPES, open_context, open_logging_context
from datahub.web import pages
from tests.architecture.problems import document
from tests.build import some_settings

ROOT = Path(__file__).parents[2]
# Routes that open no transaction of the door's: they check their own credentials, or give nothing that needs one.
OWN_DOOR = {"oauth", "web", "dataplane", "live", "queries"}


def _routes() -> list[APIRoute]:
    return [route for router in _ROUTERS for route in _below(router)]


def _below(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:  # a router included in a router
            yield from _below(route.original_router)  # type: ignore[attr-defined]


@pytest.mark.parametrize("route", _routes(), ids=lambda r: f"{min(r.methods)} {r.path}")
def test_every_route_names_its_scope(route: APIRoute) -> None:
    package = route.endpoint.__module__.split(".")[1]
    if package in OWN_DOOR:
        return
    named = [
        scope
        for dependency in route.dependant.dependencies
        if dependency.call in (open_context, open_logging_context)
        for scope in dependency.own_oauth_scopes or []
    ]
    assert named, f"{route.path}: use allow('…') or allow_anyone()"
    assert set(named) <= {*SCOPES, ANYONE}


def test_every_refusal_says_what_it_is() -> None:
    for kind in pages.refusals():
        assert kind.title != "Refused", kind
        assert pages.meaning(kind).endswith("."), kind


def test_two_refusals_never_share_a_code() -> None:
    codes = [kind.code() for kind in pages.refusals()]
    assert len(codes) == len(set(codes))


def test_the_page_of_refusals_is_fresh() -> None:
    assert (ROOT / "docs" / "problems.md").read_text() == document(), "run: make openapi"


def test_every_v1_route_is_in_the_document(tmp_path: Path) -> None:
    app = build(some_settings(tmp_path))
    described = set(app.state.openapi.full["paths"])
    served = {
        route.path_format for route in _routes() if route.path.startswith("/v1/") and route.include_in_schema
    }
    assert served == {path for path in described if path.startswith("/v1/")}
    hidden = {r.path_format for r in _routes() if not r.include_in_schema and r.path.startswith("/v1/")}
    assert hidden - served == {"/v1/openapi.json"}, "a HEAD beside its GET is described with it"


def test_every_operation_has_a_summary_and_its_own_id(tmp_path: Path) -> None:
    paths = build(some_settings(tmp_path)).state.openapi.published["paths"]
    operations = [op for item in paths.values() for op in item.values() if isinstance(op, dict)]
    ids = [op["operationId"] for op in operations]
    assert len(ids) == len(set(ids))
    assert all(op.get("summary") for op in operations), json.dumps([o["operationId"] for o in operations])

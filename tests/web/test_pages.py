"""The few pages for people: served from here alone, explained, and read in a real answer."""

import re

import pytest
from sqlalchemy import text

from datahub.catalog import storage
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.errors import Refusal
from datahub.kernel.outbox import announce, work_off
from datahub.web import pages
from tests.hub import Hub


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/problems/agreement-not-found", "/log/verify"])
def test_a_page_takes_nothing_from_elsewhere(sqlite_hub: Hub, path: str) -> None:
    answer = sqlite_hub.http.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r'(?:src|href)="(?:https?:)?//', answer.text), "no CDN, no foreign script or style"


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "start.js"])
def test_the_reference_serves_its_own_assets(sqlite_hub: Hub, name: str) -> None:
    answer = sqlite_hub.http.get(f"/docs/assets/{name}")
    assert answer.status_code == 200
    assert answer.content


def test_other_files_of_the_package_are_not_served(sqlite_hub: Hub) -> None:
    assert sqlite_hub.http.get("/docs/assets/favicon.png").status_code == 404


@pytest.mark.parametrize("kind", pages.refusals(), ids=lambda kind: kind.code())
def test_every_refusal_has_a_page(kind: type[Refusal]) -> None:
    page = pages.problem_page(kind)
    assert kind.code() in page
    assert pages.meaning(kind).split()[0] in page


def test_an_unknown_refusal_is_not_found(sqlite_hub: Hub) -> None:
    answer = sqlite_hub.http.get("/problems/no-such-thing")
    assert (answer.status_code, answer.json()["code"]) == (404, "page-not-found")


def test_health_tells_whether_database_and_storage_answer(sqlite_hub: Hub) -> None:
    assert sqlite_hub.http.get("/health/live").json() == {"status": "live"}
    assert sqlite_hub.http.get("/health/ready").json() == {"status": "ready"}
    staging = storage(sqlite_hub.settings).staging
    staging.rename(staging.with_name("gone"))
    refused = sqlite_hub.http.get("/health/ready")
    staging.with_name("gone").rename(staging)
    assert (refused.status_code, refused.json()["failed"]) == (503, "storage")
    assert "DATAHUB_STORAGE_URL" in refused.json()["remedy"]
    with db.transaction(sqlite_hub.engine) as session:
        session.execute(text("alter table participant rename to participant_gone"))
    refused = sqlite_hub.http.get("/health/ready")
    assert (refused.status_code, refused.json()["failed"]) == (503, "database")


def test_health_tells_whether_a_worker_takes_care_of_what_is_due(hub: Hub) -> None:
    assert hub.http.get("/health/worker").json() == {"status": "working"}
    with db.transaction(hub.engine) as session:
        ctx = Context(session, ANONYMOUS, hub.clock(), "t", hub.settings)
        announce(ctx, "ParticipantMoved", {"participantId": "p"})
    assert hub.http.get("/health/worker").status_code == 200
    hub.clock.forward(minutes=5)
    refused = hub.http.get("/health/worker")
    assert (refused.status_code, refused.json()["failed"]) == (503, "worker")
    work_off(hub.engine, hub.settings, {"ParticipantMoved": lambda ctx, payload: None}, hub.clock())
    assert hub.http.get("/health/worker").status_code == 200


def test_the_well_known_files_lead_on(sqlite_hub: Hub) -> None:
    assert "Contact: mailto:" in sqlite_hub.http.get("/.well-known/security.txt").text
    catalog = sqlite_hub.http.get("/.well-known/api-catalog").json()["linkset"][0]
    assert catalog["service-desc"][0]["href"].endswith("/v1/openapi.json")
    assert sqlite_hub.http.get("/v1/openapi.json").headers["access-control-allow-origin"] == "*"

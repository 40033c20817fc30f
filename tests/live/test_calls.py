"""A live API through the front door: who may call what, what goes up, and what comes down."""

from typing import Any

import httpx2
import pytest

from datahub.kernel.errors import Refusal
from datahub.live.rules import Wanted, read_call
from datahub.live.schemas import Path
from tests.hub import Hub, Party
from tests.live.conftest import PATHS, SECRET, Stage, a_live_api, a_stage, said
from tests.live.upstream import Service, an_answer


@pytest.fixture
def both(hub: Hub, service: Service) -> Stage:
    """A live table on SQLite and on PostgreSQL in turn."""
    return a_stage(hub, service)


def test_a_call_is_decided_logged_and_then_asked_of_the_service(both: Stage) -> None:
    denied = both.call()
    assert (denied.status_code, denied.json()["code"]) == (401, "token-required")
    assert both.service.heard == []
    token = both.agreed()
    answer = both.call("stations/Dam%20plein/values?unit=C&limit=07", token=token)
    assert [row["owner"] for row in said(answer)] == ["Anna", "Bram", "Clara"]
    assert said(answer)[2]["at"] == "2026-05-02T08:00:00Z"
    attempt, outcome = both.world.last()
    assert attempt.id == answer.headers["datahub-log-entry"]
    assert attempt.details["path"] == "/stations/{station}/values"
    assert sorted(attempt.details["parameters"]) == ["limit", "station", "unit"]
    assert "Dam plein" not in str(attempt.details)
    assert (str(outcome.outcome), outcome.rows, outcome.bytes) == ("finished", 3, len(answer.content))
    assert outcome.details["upstreamStatus"] == 200
    [request] = both.service.heard
    line, *fields = request.split("\r\n\r\n")[0].split("\r\n")
    assert line == "GET /root/stations/Dam%20plein/values?limit=7&unit=C HTTP/1.1"
    names = {field.partition(":")[0].lower() for field in fields}
    assert names == {"host", "x-api-key", "accept", "accept-encoding", "user-agent", "connection"}
    assert f"X-Api-Key: {SECRET}" in fields
    sent_down = set(answer.headers)
    assert not sent_down & {"set-cookie", "x-internal", "keep-alive"}
    assert answer.headers.get("server") != "old"


def test_rows_columns_and_masks_hold_in_every_form(stage: Stage) -> None:
    world = stage.world
    masked = world.offer(
        stage.dataset_id, "columns-masked", parameters={"columns": ["owner"], "method": "hmac"}
    )
    token = stage.agreed(masked)
    codes = {row["owner"] for row in said(stage.call(token=token))}
    assert len(codes) == 3
    assert all(len(code) == 32 for code in codes)
    for kind in (
        "text/csv",
        "application/jsonl",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
    ):
        answer = stage.call(token=token, headers={"Accept": kind})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith(kind)
        assert b"Anna" not in answer.content
    assert stage.call(token=token, headers={"Accept": "image/png"}).status_code == 406
    assert world.entries("data.read")[-2].details["masks"] == {"owner": ["hmac"]}


def test_rows_and_columns_that_may_not_leave_do_not(stage: Stage) -> None:
    where = {"column": "station", "values": ["Dam", "IJ"]}
    token = stage.agreed(stage.world.offer(stage.dataset_id, "rows-where", parameters=where))
    assert [row["station"] for row in said(stage.call(token=token))] == ["Dam", "IJ"]
    assert stage.world.last()[1].rows == 2
    other = stage.world.offer(stage.dataset_id, "columns-without", parameters={"columns": ["owner"]})
    agreement = stage.world.agreement(stage.dataset_id, other)
    token = stage.world.token(stage.dataset_id, agreement=agreement)
    assert set(said(stage.call(token=token))[0]) == {"id", "station", "at", "value"}
    assert "owner" not in (stage.world.last()[0].columns or ())


def test_without_rows_only_a_policy_on_the_whole_is_served(sqlite_hub: Hub, service: Service) -> None:
    stage = a_stage(sqlite_hub, service, "files", mapping=None)
    service.answer = an_answer(b'{"any": [1, 2]}')
    answer = stage.call(token=stage.agreed())
    assert (answer.status_code, answer.content) == (200, b'{"any": [1, 2]}')
    assert answer.headers["x-content-type-options"] == "nosniff"
    entry, outcome = stage.world.last()
    assert (entry.columns, outcome.rows, outcome.bytes) == (None, None, 15)
    chosen = stage.world.offer(stage.dataset_id, "columns-without", parameters={"columns": ["owner"]})
    agreement = stage.world.agreement(stage.dataset_id, chosen)
    refused = stage.world.ask_token(stage.dataset_id, agreement=agreement)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_authorization_details")
    assert len(service.heard) == 1


def test_head_is_logged_and_asks_nothing(stage: Stage) -> None:
    token = stage.agreed()
    answer = stage.call(token=token, method="HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert stage.world.last()[1].code == "head"
    assert stage.service.heard == []


def test_a_post_carries_json_written_anew(stage: Stage) -> None:
    token = stage.agreed()
    where = "stations/Dam/values"
    body = {"content": b'{ "a" : 1 }', "headers": {"Content-Type": "application/json"}}
    assert stage.call(where, token=token, method="POST", **body).status_code == 200
    assert stage.service.heard[-1].endswith('\r\n\r\n{"a":1}')
    for content, kind, code in (
        (b"{", "application/json", "invalid-json"),
        (b"[" + b"1," * 600 + b"1]", "application/json", "too-large"),
        (b"<a/>", "application/xml", "media-type"),
    ):
        answer = stage.call(
            where, token=token, method="POST", content=content, headers={"Content-Type": kind}
        )
        assert answer.status_code == 400, answer.text
        assert answer.json()["errors"][0]["code"] == code
    assert stage.call("stations", token=token, method="POST").json()["code"] == "call-not-offered"
    assert len(stage.service.heard) == 1


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("stations/../admin", [], "call-not-offered"),
        ("stations/%2e%2e/values", [], "call-not-offered"),
        ("stations/a%2Fb/values", [], "call-not-offered"),
        ("stations/a%5Cb/values", [], "call-not-offered"),
        ("stations/a%3Fx=1/values", [], "call-not-offered"),
        ("stations/a%0d%0aX: y/values", [], "call-not-offered"),
        ("stations/%ff/values", [], "call-not-offered"),
        ("stations//values", [], "call-not-offered"),
        ("Stations", [], "call-not-offered"),
        ("stations/" + "a" * 21 + "/values", [], "invalid-call"),
        ("stations/a/values", [("admin", "1")], "invalid-call"),
        ("stations/a/values", [("limit", "1"), ("limit", "2")], "invalid-call"),
        ("stations/a/values", [("limit", "1e1")], "invalid-call"),
        ("stations/a/values", [("limit", "101")], "invalid-call"),
        ("stations/a/values", [("unit", "K")], "invalid-call"),
        ("stations/a/values", [("since", "2026-02-30")], "invalid-call"),
    ],
)
def test_what_is_not_offered_goes_nowhere(path: str, query: list[tuple[str, str]], code: str) -> None:
    paths = [Path.model_validate(each).model_dump(mode="json", by_alias=True) for each in PATHS]
    with pytest.raises(Refusal) as refused:
        read_call({"paths": paths}, Wanted("GET", path, query))
    assert refused.value.code() == code


def test_the_credential_is_never_seen_again(stage: Stage) -> None:
    provider, where = stage.world.provider, stage.where
    shown = provider.get(where)
    assert SECRET not in shown.text
    assert shown.json()["upstream"]["hasCredential"]
    assert stage.world.consumer.get(where).json()["upstream"] is None
    assert stage.world.hub.http.get(where).json()["paths"][1]["path"] == "/stations"
    token, etag = stage.agreed(), {"If-Match": shown.headers["etag"]}
    kept = a_live_api(stage.service)
    del kept["credential"]
    assert provider.call("PUT", where, json=kept).status_code == 428
    etag = {"If-Match": _put(provider, where, kept, etag).headers["etag"]}
    stage.call(token=token)
    assert SECRET in stage.service.heard[-1]
    new = kept | {"credential": {"type": "basic", "user": "u", "password": "p4ss"}}
    etag = {"If-Match": _put(provider, where, new, etag).headers["etag"]}
    stage.call(token=token)
    assert "Authorization: Basic dTpwNHNz" in stage.service.heard[-1]
    gone = kept | {"credential": None}
    etag = {"If-Match": _put(provider, where, gone, etag).headers["etag"]}
    stage.call(token=token)
    assert "uthorization" not in stage.service.heard[-1]
    for path in stage.world.hub.settings.home.parent.rglob("*sqlite3*"):
        assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in str([entry.details for entry in stage.world.entries("api.write")])
    assert provider.call("DELETE", where, headers=etag).status_code == 204
    assert stage.call(token=token).json()["code"] == "live-api-not-found"


def test_so_many_calls_in_a_minute(sqlite_hub: Hub, service: Service) -> None:
    stage = a_stage(sqlite_hub, service, limits={"callsPerMinute": 2})
    token = stage.agreed()
    assert [stage.call(token=token).status_code for _ in range(3)] == [200, 200, 429]
    refused = stage.call(token=token)
    assert refused.json()["code"] == "too-many-calls"
    assert int(refused.headers["retry-after"]) <= 60
    assert len(service.heard) == 2
    stage.world.hub.clock.forward(seconds=61)
    assert stage.call(token=token).status_code == 200


def test_an_ended_agreement_ends_the_calls(stage: Stage) -> None:
    agreement = stage.world.agreement(stage.dataset_id)
    token = stage.world.token(stage.dataset_id)
    assert stage.call(token=token).status_code == 200
    where = f"/v1/agreements/{agreement}/transitions"
    stage.world.provider.done("POST", where, 201, json={"move": "revoke", "reason": "over"})
    assert stage.call(token=token).status_code in (401, 403)
    assert len(stage.service.heard) == 1


def test_stored_and_live_do_not_mix(stage: Stage) -> None:
    where = f"/v1/datasets/{stage.dataset_id}"
    provider = stage.world.provider
    sent = provider.post(f"{where}/versions", content=b"a\n1\n", headers={"Content-Type": "text/csv"})
    assert (sent.status_code, sent.json()["code"]) == (409, "dataset-is-live")
    stored = stage.world.dataset("stored")
    refused = provider.call("PUT", f"/v1/datasets/{stored}/api", json=a_live_api(stage.service))
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset-is-stored")
    assert stage.world.fetch(stage.dataset_id, provider.token()).json()["code"] == "data-is-live"


def test_the_catalogue_tells_of_the_service(stage: Stage) -> None:
    answer = stage.world.hub.http.get(
        f"/v1/datasets/{stage.dataset_id}", headers={"Accept": "application/ld+json"}
    )
    [distribution] = answer.json()["dcat:distribution"]
    service = distribution["dcat:accessService"]
    assert service["@type"] == "dcat:DataService"
    assert service["dcat:endpointURL"]["@id"].endswith(stage.where)


def test_a_description_that_does_not_fit_is_refused_whole(stage: Stage) -> None:
    made = stage.world.provider.done(
        "POST",
        "/v1/datasets",
        201,
        json={
            "slug": "x",
            "kind": "files",
            "title": {"en": "X"},
            "description": {"en": "X"},
            "accessRights": "RESTRICTED",
        },
    )
    where = f"/v1/datasets/{made['id']}/api"
    doubled = a_live_api(stage.service, paths=[{"path": "/a/{x}"}, {"path": "/a/{y}"}])
    refused = stage.world.provider.call("PUT", where, json=doubled)
    assert {each["pointer"] for each in refused.json()["errors"]} == {"/mapping", "/paths/1/path"}


def _put(provider: Party, where: str, body: dict[str, Any], etag: dict[str, str]) -> httpx2.Response:
    answer = provider.call("PUT", where, json=body, headers=etag)
    assert answer.status_code == 200, answer.text
    return answer

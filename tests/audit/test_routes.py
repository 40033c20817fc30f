"""Who reads what of the log, and that the reading is in it."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from datahub.audit import About, Entry, Outcome, record, store
from datahub.kernel.ids import new_id
from tests.audit.conftest import Exchange
from tests.audit.test_service import a_decision
from tests.build import NOON, a_context

DATASET = new_id()
FORMULA = "=cmd|'/c calc'!A1"


@pytest.fixture
def client(exchange: Exchange) -> TestClient:
    """The audit routes, over a log with one read by the consumer of the provider's data."""
    with a_context(exchange.engine, exchange.settings, exchange.actors["consumer"]) as ctx:
        about: dict[str, Any] = {
            "dataset_id": DATASET,
            "provider_id": exchange.provider.id,
            "consumer_id": exchange.consumer.id,
            "purpose": "https://w3id.org/dpv#ResearchAndDevelopment",
        }
        attempt = record(ctx, "data.read", About(**about), outcome=Outcome.PERMIT)
        done = About(**about, of_entry_id=attempt.id, rows=336_776, bytes=3_000_000_000)
        record(ctx, "data.deliver", done, outcome=Outcome.FINISHED)
        record(ctx, "data.read", About(**about), outcome=Outcome.DENY, code="agreement-ended")
    with a_context(exchange.engine, exchange.settings, exchange.actors["stranger"]) as ctx:
        record(ctx, "dataset.publish", About(provider_id=exchange.stranger.id, details={"title": FORMULA}))
    return exchange.client()


def get(client: TestClient, who: str, path: str, accept: str = "*/*", **query: str) -> Any:
    headers = {"Authorization": f"Bearer {who}", "Accept": accept}
    answer = client.get(path, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def items(client: TestClient, who: str, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(client, who, "/v1/log-entries", **query).json()["items"]
    return found


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("provider", ["data.read", "data.deliver", "data.read"]),
        ("consumer", ["data.read", "data.deliver", "data.read"]),
        ("stranger", ["dataset.publish"]),
        ("auditor", ["dataset.publish", "data.read", "data.deliver", "data.read"]),
        ("exchange", []),  # of the exchange, but neither auditor nor admin
    ],
)
def test_each_sees_what_concerns_them(client: TestClient, who: str, sees: list[str]) -> None:
    assert [entry["action"] for entry in items(client, who)] == sees


def test_the_log_needs_its_scope(client: TestClient) -> None:
    assert client.get("/v1/log-entries").status_code == 401
    assert client.get("/v1/log-entries", headers={"Authorization": "Bearer blind"}).status_code == 403


def test_reading_the_log_is_in_the_log_with_filters_and_reason(
    client: TestClient, exchange: Exchange
) -> None:
    items(client, "auditor", dataset=DATASET, reason="quarterly review")
    newest = items(client, "auditor", action="log.read")[0]
    assert newest["actorParticipantId"] == exchange.exchange.id
    assert newest["details"] == {
        "filters": {"dataset_id": DATASET},
        "reason": "quarterly review",
        "entries": 3,
    }


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"outcome": "deny"}, 1),
        ({"code": "agreement-ended"}, 1),
        ({"action": "data.read"}, 2),
        ({"action": "data.read", "outcome": "permit"}, 1),
        ({"dataset": DATASET}, 3),
        ({"dataset": "nothing"}, 0),
        ({"purpose": "https://w3id.org/dpv#ResearchAndDevelopment"}, 3),
        ({"from": NOON.isoformat()}, 4),
        ({"from": (NOON + timedelta(seconds=1)).isoformat()}, 0),
        ({"to": NOON.isoformat()}, 0),
    ],
)
def test_filters_narrow_the_list(client: TestClient, query: dict[str, str], count: int) -> None:
    assert len(items(client, "auditor", **query)) == count


def test_a_filter_by_organisation_finds_its_entries(client: TestClient, exchange: Exchange) -> None:
    assert len(items(client, "auditor", provider=exchange.provider.id)) == 3
    assert len(items(client, "auditor", consumer=exchange.consumer.id)) == 3
    assert len(items(client, "auditor", actorParticipant=exchange.stranger.id)) == 1


@pytest.mark.parametrize(
    "query", [{"from": "yesterday"}, {"from": "2026-01-01T00:00:00"}, {"outcome": "maybe"}]
)
def test_a_filter_that_cannot_be_is_refused(client: TestClient, query: dict[str, str]) -> None:
    answer = client.get("/v1/log-entries", params=query, headers={"Authorization": "Bearer auditor"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_hold_every_entry_once(client: TestClient, order: str) -> None:
    seen: list[str] = []
    query = {"dataset": DATASET, "order": order, "pageSize": "1"}
    while True:
        page = get(client, "provider", "/v1/log-entries", **query).json()
        seen += [entry["id"] for entry in page["items"]]
        if not page.get("nextCursor"):
            break
        query["cursor"] = page["nextCursor"]
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=order == "newest")


def test_one_entry_is_read_by_its_sides_only(client: TestClient) -> None:
    entry = items(client, "consumer")[0]
    assert get(client, "provider", f"/v1/log-entries/{entry['id']}").json()["id"] == entry["id"]
    foreign = client.get(f"/v1/log-entries/{entry['id']}", headers={"Authorization": "Bearer stranger"})
    absent = client.get("/v1/log-entries/nothing", headers={"Authorization": "Bearer stranger"})
    assert (foreign.status_code, absent.status_code) == (404, 404)
    assert foreign.json()["detail"] == absent.json()["detail"]


def test_which_person_acted_stays_within_their_organisation(client: TestClient, exchange: Exchange) -> None:
    actor = exchange.actors["consumer"]
    object.__setattr__(actor, "person_id", new_id())
    with a_context(exchange.engine, exchange.settings, actor) as ctx:
        record(ctx, "data.read", About(provider_id=exchange.provider.id), outcome=Outcome.PERMIT)
    readers = ("consumer", "provider", "auditor")
    shown = {who: items(client, who, action="data.read")[0]["actorPersonId"] for who in readers}
    assert shown == {"consumer": actor.person_id, "provider": None, "auditor": actor.person_id}


def rows(text: str) -> list[Mapping[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_export_holds_what_the_list_holds(
    client: TestClient, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BATCH", 2)
    listed = [entry["id"] for entry in items(client, "provider", dataset=DATASET)]
    as_csv = get(client, "provider", "/v1/log-entries", "text/csv", dataset=DATASET)
    assert as_csv.headers["content-type"].startswith("text/csv")
    assert "attachment" in as_csv.headers["content-disposition"]
    assert [row["id"] for row in rows(as_csv.text)] == listed
    assert [row["bytes"] for row in rows(as_csv.text)] == ["", "3000000000", ""]
    as_lines = get(
        client, "provider", "/v1/log-entries", "application/x-ndjson", dataset=DATASET, order="oldest"
    )
    assert [orjson.loads(line)["id"] for line in as_lines.content.splitlines()] == listed[::-1]
    with Session(exchange.engine) as session:
        found = select(Entry).where(Entry.action == "log.export").order_by(col(Entry.id))
        assert [e.details["form"] for e in session.exec(found)] == ["text/csv", "application/x-ndjson"]


def test_an_export_can_be_made_safe_for_spreadsheets(client: TestClient, exchange: Exchange) -> None:
    with a_context(exchange.engine, exchange.settings, exchange.actors["stranger"]) as ctx:
        record(ctx, "dataset.publish", About(purpose=FORMULA))
    plain = rows(get(client, "stranger", "/v1/log-entries", "text/csv").text)
    safe = rows(get(client, "stranger", "/v1/log-entries", "text/csv", safe="spreadsheet").text)
    assert plain[0]["purpose"] == FORMULA
    assert [row["purpose"] for row in safe if row["purpose"]] == [f"'{FORMULA}"]


def test_an_unknown_form_is_refused_with_what_there_is(client: TestClient) -> None:
    headers = {"Authorization": "Bearer provider", "Accept": "application/xml"}
    answer = client.get("/v1/log-entries", headers=headers)
    assert answer.status_code == 406
    assert answer.json()["available"] == ["application/json", "text/csv", "application/x-ndjson"]


def test_use_is_counted_per_group(client: TestClient, exchange: Exchange) -> None:
    query = {"groupBy": "dataset,consumer,purpose,day"}
    [counted] = get(client, "provider", "/v1/log-statistics", **query).json()["items"]
    assert counted == {
        "dataset": DATASET,
        "provider": None,
        "consumer": exchange.consumer.id,
        "agreement": None,
        "purpose": "https://w3id.org/dpv#ResearchAndDevelopment",
        "day": "2026-06-01",
        "permitted": 1,
        "denied": 1,
        "finished": 1,
        "aborted": 0,
        "rows": 336_776,
        "bytes": 3_000_000_000,
    }
    assert get(client, "stranger", "/v1/log-statistics", **query).json()["items"] == []


def test_counts_come_in_pages(client: TestClient, exchange: Exchange) -> None:
    with a_context(exchange.engine, exchange.settings, exchange.actors["consumer"]) as ctx:
        for _ in range(3):
            record(
                ctx,
                "data.read",
                About(provider_id=exchange.provider.id, dataset_id=new_id()),
                outcome=Outcome.DENY,
            )
    seen: list[str] = []
    query = {"groupBy": "dataset", "pageSize": "3"}
    while True:
        page = get(client, "provider", "/v1/log-statistics", **query).json()
        seen += [group["dataset"] for group in page["items"]]
        if not page.get("nextCursor"):
            break
        query["cursor"] = page["nextCursor"]
    assert len(seen) == len(set(seen)) == 4


@pytest.mark.parametrize("group_by", ["colour", "day,day", ","])
def test_counts_by_something_unknown_are_refused(client: TestClient, group_by: str) -> None:
    headers = {"Authorization": "Bearer provider"}
    answer = client.get("/v1/log-statistics", params={"groupBy": group_by}, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/query/groupBy"


def test_a_decision_is_explained_to_each_side_in_its_own_words(
    client: TestClient, exchange: Exchange
) -> None:
    decision = a_decision(exchange)
    path = f"/v1/decisions/{decision.id}"
    assert get(client, "consumer", path).json()["explanation"] == {"requester": {"en": "for you"}}
    assert get(client, "provider", path).json()["explanation"] == {"provider": {"en": "for them"}}
    assert set(get(client, "auditor", path).json()["explanation"]) == {"requester", "provider", "facts"}
    assert client.get(path, headers={"Authorization": "Bearer stranger"}).status_code == 404

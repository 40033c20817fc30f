"""Fetching a table under an agreement: in four forms, by columns and rows, each attempt in the log."""

import io

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from datahub.audit import Decision
from tests.dataplane.conftest import RESEARCH, World

ROWS = [
    {"name": "Dam", "country": "NL", "value": 1},
    {"name": "IJ", "country": "NL", "value": 2},
    {"name": "Spree", "country": "DE", "value": 3},
    {"name": "Seine", "country": "FR", "value": 4},
]


def rows_of(form: str, body: bytes) -> list[dict[str, object]]:
    match form:
        case "csv":
            found = pa.csv.read_csv(io.BytesIO(body))
        case "jsonl":
            return [orjson.loads(line) for line in body.splitlines()]
        case "parquet":
            found = pq.read_table(io.BytesIO(body))
        case _:
            found = pa.ipc.open_stream(body).read_all()
    rows: list[dict[str, object]] = found.to_pylist()
    return rows


def test_a_table_is_fetched_in_each_form_by_name_and_by_accept(world: World) -> None:
    dataset = world.dataset("rivers")
    agreement = world.agreement(dataset)
    token = world.token(dataset)
    accepts = {
        "csv": "text/csv",
        "jsonl": "application/x-ndjson",
        "parquet": "application/vnd.apache.parquet",
        "arrow": "application/vnd.apache.arrow.stream",
    }
    for form, media_type in accepts.items():
        by_name = world.fetch(dataset, token, params={"format": form})
        by_accept = world.fetch(dataset, token, headers={"Accept": f"{media_type}, */*;q=0.1"})
        for answer in (by_name, by_accept):
            assert answer.status_code == 200, answer.text
            assert rows_of(form, answer.content) == ROWS
            attempt, outcome = world.last()
            assert answer.headers["datahub-log-entry"] in {attempt.id, world.entries("data.read")[-2].id}
        assert by_accept.headers["datahub-log-entry"] == attempt.id
        assert (attempt.outcome, attempt.code, attempt.agreement_id) == ("permit", "permitted", agreement)
        assert (attempt.purpose, attempt.columns, attempt.dataset_version) == (
            RESEARCH,
            ["name", "country", "value"],
            1,
        )
        assert (outcome.outcome, outcome.code, outcome.rows) == ("finished", "ok", 4)
        assert outcome.bytes == len(by_accept.content)


def test_columns_and_rows_are_chosen(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    token = world.token(dataset)
    query = {"fields": "value,name", "filter": ["country:eq:NL", "value:ge:2"], "format": "jsonl"}
    answer = world.fetch(dataset, token, params=query)
    assert rows_of("jsonl", answer.content) == [{"value": 2, "name": "IJ"}]
    attempt, outcome = world.last()
    assert attempt.columns == ["value", "name"]
    assert attempt.details["filters"] == ["country eq", "value ge"]  # which columns, never which values
    assert outcome.rows == 1
    either = world.fetch(dataset, token, params={"filter": "country:in:DE,FR", "format": "jsonl"})
    assert [row["name"] for row in rows_of("jsonl", either.content)] == ["Spree", "Seine"]
    none = world.fetch(dataset, token, params={"filter": "name:isNull", "format": "jsonl"})
    assert none.content == b""


def test_no_more_rows_leave_than_were_asked_for(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    token = world.token(dataset)
    whole = world.fetch(dataset, token)
    for form in ("csv", "jsonl", "parquet", "arrow"):
        two = world.fetch(dataset, token, params={"format": form, "limit": 2})
        found = rows_of(form, two.content)
        assert len(found) == 2
        assert all(row in ROWS for row in found)
        attempt, outcome = world.last()
        assert (attempt.details["limit"], outcome.rows) == (2, 2)
    assert two.headers["etag"] != whole.headers["etag"]
    filtered = world.fetch(dataset, token, params={"filter": "country:eq:FR", "limit": 1, "format": "jsonl"})
    assert [row["name"] for row in rows_of("jsonl", filtered.content)] == ["Seine"]
    more = world.fetch(dataset, token, params={"limit": 100, "format": "jsonl"})
    assert rows_of("jsonl", more.content) == ROWS


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ({"limit": "0"}, ["/query/limit"]),
        ({"fields": "name,colour,name"}, ["/query/fields", "/query/fields"]),
        ({"filter": "colour:eq:red"}, ["/query/filter"]),
        ({"filter": "value:like:1"}, ["/query/filter"]),
        ({"filter": "value:eq:one"}, ["/query/filter"]),
        ({"format": "xlsx"}, ["/query/format"]),
        ({"file": "a.csv"}, ["/query/file"]),
    ],
)
def test_a_query_that_cannot_be_is_refused_with_every_fault(
    world: World, query: dict[str, str], pointers: list[str]
) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    answer = world.fetch(dataset, params=query)
    assert answer.status_code == 400
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
    assert world.entries("data.read") == []


def test_a_form_that_is_not_there_is_refused_with_what_there_is(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    answer = world.fetch(dataset, headers={"Accept": "application/xml"})
    assert answer.status_code == 406
    assert "text/csv" in answer.json()["available"]


def test_open_data_is_for_everybody_and_still_logged(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    answer = world.fetch(dataset)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    attempt, outcome = world.last()
    assert (attempt.code, attempt.actor_client_id, outcome.outcome) == ("open-offer", None, "finished")
    assert attempt.offer_id is not None


def test_an_organisation_reads_its_own_data(world: World) -> None:
    dataset = world.dataset("rivers")
    answer = world.provider.get(f"/v1/datasets/{dataset}/data")
    assert answer.status_code == 200
    assert world.last()[0].code == "own-data"


def test_before_agreement_the_refusal_says_what_would_help(world: World) -> None:
    dataset = world.dataset("rivers")
    offer = world.offer(dataset)
    nobody = world.fetch(dataset)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "token-required")
    refused = world.consumer.get(f"/v1/datasets/{dataset}/data")
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-required")
    assert refused.json()["offers"] == [offer["id"]]
    assert [e.outcome for e in world.entries("data.read")] == ["deny", "deny"]
    assert world.entries("call.refuse") == []  # the denial stands in the log once
    decision = world.consumer.get(f"/v1/decisions/{refused.json()['decisionId']}")
    assert decision.json()["explanation"]["requester"]["code"] == "agreement-required"
    theirs = world.provider.get(f"/v1/decisions/{refused.json()['decisionId']}")
    assert set(theirs.json()["explanation"]) == {"provider"}
    assert world.stranger.get(f"/v1/decisions/{refused.json()['decisionId']}").status_code == 404


def test_with_an_agreement_but_a_plain_token_the_refusal_names_the_details_to_ask_for(world: World) -> None:
    dataset = world.dataset("rivers")
    agreement = world.agreement(dataset)
    refused = world.consumer.get(f"/v1/datasets/{dataset}/data")
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-required")
    [detail] = refused.json()["authorizationDetails"]
    assert detail["agreement"] == agreement
    asked = world.consumer.ask_token(authorization_details=orjson.dumps([detail]).decode())
    assert world.fetch(dataset, asked.json()["access_token"]).status_code == 200


@pytest.mark.parametrize(
    ("move", "code"),
    [("revoke", "agreement-revoked"), ("end", "agreement-ended"), ("suspend", "agreement-suspended")],
)
def test_what_stopped_gives_no_data_at_the_very_next_read(world: World, move: str, code: str) -> None:
    dataset = world.dataset("rivers")
    agreement = world.agreement(dataset)
    token = world.token(dataset)
    assert world.fetch(dataset, token).status_code == 200
    body = {"move": move, "reason": "because"}
    world.provider.done("POST", f"/v1/agreements/{agreement}/transitions", 201, json=body)
    assert world.fetch(dataset, token).status_code == 401  # the token died with it
    again = world.consumer.get(f"/v1/datasets/{dataset}/data")
    assert (again.status_code, again.json()["code"]) == (403, code)
    assert again.json()["agreementId"] == agreement
    assert world.ask_token(dataset).status_code == 400
    assert world.ask_token(dataset, agreement=agreement).status_code == 400


def test_an_agreement_ends_by_the_clock(world: World) -> None:
    dataset = world.dataset("rivers")
    end = world.hub.clock.now.replace(hour=13).isoformat()
    world.agreement(dataset, wishedUntil=end)
    assert world.fetch(dataset, world.token(dataset)).status_code == 200
    world.hub.clock.forward(hours=2)
    refused = world.consumer.get(f"/v1/datasets/{dataset}/data")
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-expired")


def test_a_purpose_beyond_the_agreed_one_gets_no_token(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    answer = world.ask_token(dataset, purpose="https://w3id.org/dpv#Marketing")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


def test_somebody_elses_agreement_is_of_no_use(world: World) -> None:
    dataset = world.dataset("rivers")
    agreement = world.agreement(dataset)
    assert world.ask_token(dataset, world.stranger, agreement=agreement).status_code == 400
    assert world.stranger.get(f"/v1/datasets/{dataset}/data").json()["code"] == "agreement-required"


def test_withdrawn_data_is_gone_for_everybody(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    token = world.token(dataset)
    world.provider.done("POST", f"/v1/datasets/{dataset}/transitions", 201, json={"move": "withdraw"})
    for answer in (world.fetch(dataset, token), world.provider.get(f"/v1/datasets/{dataset}/data")):
        assert (answer.status_code, answer.json()["code"]) == (410, "data-withdrawn")


def test_a_draft_and_a_dataset_that_is_not_there_look_the_same(world: World) -> None:
    from tests.catalog.conftest import a_description

    draft = world.provider.done("POST", "/v1/datasets", 201, json=a_description("draft"))["id"]
    answers = [world.stranger.get(f"/v1/datasets/{ref}/data") for ref in (draft, "nothing", draft[:-1] + "0")]
    assert {a.status_code for a in answers} == {404}
    assert len({a.json()["detail"] for a in answers}) == 1


def test_an_older_version_stays_fetchable_and_one_that_never_was_is_not_found(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    more = {"content": b"name,country,value\nElbe,DE,9\n", "headers": {"Content-Type": "text/csv"}}
    world.provider.done("POST", f"/v1/datasets/{dataset}/versions", 201, **more)
    where = f"/v1/datasets/{dataset}"
    assert b"Elbe" in world.fetch(dataset).content
    assert b"Elbe" not in world.fetch(dataset, path=f"{where}/versions/1/data").content
    assert world.last()[0].dataset_version == 1
    assert world.fetch(dataset, path=f"{where}/versions/3/data").status_code == 404
    assert world.fetch(dataset, path=f"{where}/versions/99999999999/data").status_code == 400


def test_decisions_keep_their_facts(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    world.fetch(dataset, world.token(dataset))
    attempt, _ = world.last()
    from sqlmodel import Session

    with Session(world.hub.engine) as session:
        decision = session.get_one(Decision, attempt.decision_id)
    assert decision.is_permit
    assert decision.facts["purpose"] == RESEARCH
    assert world.consumer.id in decision.facts["recipient"]

"""Samples through the front door: what leaves before an agreement, and what never does."""

import io
from typing import Any

import httpx2
import orjson
import pyarrow as pa
import pytest

from tests.dataplane.conftest import World, a_world
from tests.hub import Hub

PEOPLE = b"name,city,born,income,member\n" + b"".join(
    f"Person {at},{('Amsterdam', 'Zaanstad')[at % 2]},{1950 + at % 40}-03-0{1 + at % 9},{20000 + at * 7},{'true' if at % 3 else 'false'}\n".encode()
    for at in range(60)
)
REAL = [line.split(",") for line in PEOPLE.decode().splitlines()[1:]]
ALL = [{"name": name} for name in ("name", "city", "born", "income", "member")]

_RULE = {
    "subjects": ["name"],
    "keySpace": "citizen",
    "purposes": [
        {
            "purpose": "https://w3id.org/dpv#AcademicResearch",
            "basis": "consent",
            "recipients": ["class:participants"],
        }
    ],
    "notice": {"nl": "Wij vragen.", "en": "We ask."},
    "handling": {"address": "Plein 1", "retention": "P1Y"},
}


@pytest.fixture
def world(sqlite_hub: Hub) -> World:
    return a_world(sqlite_hub)


def _set(world: World, dataset: str, *, status: int = 200, **body: Any) -> httpx2.Response:
    answer = world.provider.call("PUT", f"/v1/datasets/{dataset}/sample", json=body)
    assert answer.status_code == status, answer.text
    return answer


def _look(world: World, dataset: str, token: str | None = None, **more: Any) -> httpx2.Response:
    return world.fetch(dataset, token, path=f"/v1/datasets/{dataset}/sample", **more)


def test_the_first_rows_leave_behind_their_masks(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    columns = [
        {"name": "city"},
        {"name": "name", "mask": "fixed", "replacement": "hidden"},
        {"name": "born", "mask": "year"},
        {"name": "income", "mask": "null"},
    ]
    made = _set(world, dataset, kind="masked", rows=3, columns=columns).json()
    assert {each["column"] for each in made["warnings"]} <= {"born", "city"}
    assert _look(world, dataset).status_code == 401
    token = world.consumer.token()
    answer = _look(world, dataset, token, params={"format": "json"})
    assert answer.headers["datahub-sample"] == "masked"
    rows = orjson.loads(answer.content)["items"]
    assert rows[0] == {"city": "Amsterdam", "name": "hidden", "born": "1950-01-01", "income": None}
    assert len(rows) == 3
    for form in ("csv", "jsonl", "arrow", "parquet"):
        shown = _look(world, dataset, token, params={"format": form})
        assert shown.status_code == 200
        assert b"Person" not in shown.content
    entry = world.entries("sample.read")[-1]
    assert (entry.columns, entry.details["kind"]) == (["city", "name", "born", "income"], "masked")


def test_a_made_up_row_holds_no_real_value(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    _set(world, dataset, kind="synthetic", rows=500, columns=ALL, open=True)
    answer = _look(world, dataset, headers={"Accept": "application/vnd.apache.arrow.stream"})
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.num_rows == 500
    for at, name in enumerate(table.schema.names):
        real = {row[at] for row in REAL}
        shown = {str(value) for value in table.column(name).to_pylist() if value is not None}
        assert not shown & real, name
    assert (
        answer.content
        == _look(world, dataset, headers={"Accept": "application/vnd.apache.arrow.stream"}).content
    )


def test_listed_columns_show_what_many_share_and_no_more(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    columns = [{"name": "city", "listed": True}, {"name": "name", "listed": True}]
    _set(world, dataset, kind="synthetic", rows=50, columns=columns)
    text = _look(world, dataset, world.consumer.token()).text
    assert {line.partition(",")[0].strip('"') for line in text.splitlines()[1:]} == {"Amsterdam", "Zaanstad"}
    assert "Person" not in text


def test_real_rows_need_consent_where_a_rule_stands(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    _set(world, dataset, kind="masked", columns=[{"name": "city"}], open=True)
    world.provider.done("POST", f"/v1/datasets/{dataset}/consent-rules", 201, json=_RULE)
    refused = _look(world, dataset)
    assert (refused.status_code, refused.json()["code"]) == (409, "sample-needs-consent")
    etag = {"If-Match": "*"}
    where = f"/v1/datasets/{dataset}/sample"
    again = {"kind": "masked", "columns": [{"name": "city"}]}
    assert (
        world.provider.call("PUT", where, json=again, headers=etag).json()["code"] == "sample-needs-consent"
    )
    made_up = {"kind": "synthetic", "columns": ALL, "open": True}
    assert world.provider.call("PUT", where, json=made_up, headers=etag).status_code == 200
    assert _look(world, dataset).status_code == 200
    assert world.provider.call("DELETE", where, headers=etag).status_code == 204
    assert _look(world, dataset).json()["code"] == "sample-not-found"


def test_a_sample_that_does_not_fit_is_refused_whole(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    columns = [{"name": "city", "mask": "fixed"}, {"name": "gone"}, {"name": "city"}]
    faults = _set(world, dataset, status=400, kind="synthetic", columns=columns).json()["errors"]
    assert {each["code"] for each in faults} == {"misplaced", "column-unknown", "column-doubled"}
    _set(world, dataset, status=400, kind="masked", rows=1001, columns=ALL)


def test_where_a_rule_stands_made_up_rows_and_figures_tell_nothing_of_the_table(world: World) -> None:
    dataset = world.dataset("people", PEOPLE)
    where = f"/v1/datasets/{dataset}/sample"
    chosen = [{"name": "city", "listed": True}, {"name": "income"}, {"name": "born"}]
    _set(world, dataset, kind="synthetic", rows=20, columns=chosen, open=True)
    version = f"/v1/datasets/{dataset}/versions/1"

    def profiles(**more: Any) -> list[Any]:
        found = world.hub.http.get(version, **more).json()["columns"]
        return [each["profile"] for each in found]

    assert all(profiles())
    world.provider.done("POST", f"/v1/datasets/{dataset}/consent-rules", 201, json=_RULE)
    assert not any(profiles()), "people who said no count in them"
    assert not any(each["profile"] for each in world.consumer.get(version).json()["columns"])
    listed = world.hub.http.get(f"/v1/datasets/{dataset}/versions").json()["items"]
    assert not any(each["profile"] for each in listed[0]["columns"])
    assert all(each["profile"] for each in world.provider.get(version).json()["columns"])
    assert _look(world, dataset).json()["code"] == "sample-needs-consent", "listed values are people's"
    refused = world.provider.call(
        "PUT", where, json={"kind": "synthetic", "columns": chosen}, headers={"If-Match": "*"}
    )
    assert refused.json()["code"] == "sample-needs-consent"
    plain = {"kind": "synthetic", "rows": 40, "columns": ALL, "open": True}
    assert world.provider.call("PUT", where, json=plain, headers={"If-Match": "*"}).status_code == 200
    rows = orjson.loads(_look(world, dataset, params={"format": "json"}).content)["items"]
    assert {row["income"] for row in rows} <= set(range(101, 1202)), "beyond no figure of the table"
    assert all(row["city"].startswith("city synthetic-") for row in rows)

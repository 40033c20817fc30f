"""Questions over HTTP: what leaves, what is withheld, what is counted and what the log says."""

import io
from typing import Any

import pyarrow as pa
import pytest

from tests.queries.conftest import COUNT, Room

CITY = [{"column": "city"}]


def test_groups_that_are_large_enough_leave_and_the_log_knows(room_anywhere: Room) -> None:
    room = room_anywhere
    dataset, token = room.results_only()
    measures = [
        COUNT,
        {"function": "sum", "column": "income"},
        {"function": "avg", "column": "income", "as": "mean"},
    ]
    answer = room.ask(dataset, token, dimensions=CITY, measures=measures)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["rows"] == [
        {"city": "A", "n": 60, "sum_income": sum(range(1000, 1060)), "mean": 1029.5},
        {"city": "B", "n": 37, "sum_income": sum(range(1060, 1097)), "mean": 1078.0},
    ]
    assert said["minimumGroup"] == 5
    asked, given = room.entries("data.query")[-1], room.entries("data.answer")[-1]
    assert (asked.outcome, asked.code, given.outcome, given.rows) == (
        "permit",
        "permitted-with-plan",
        "finished",
        2,
    )
    assert given.of_entry_id == asked.id == said["entryId"] == answer.headers["datahub-log-entry"]
    for party in (room.consumer, room.provider):
        kept = party.done("GET", f"/v1/queries/{said['queryId']}", 200)
        assert kept["asked"]["dimensions"] == CITY
        assert (kept["state"], kept["rows"], kept["kind"]) == ("answered", 2, "question")
        assert [each["id"] for each in party.done("GET", "/v1/queries", 200)["items"]] == [said["queryId"]]
    assert room.stranger.get(f"/v1/queries/{said['queryId']}").status_code == 404
    assert room.stranger.done("GET", "/v1/queries", 200)["items"] == []
    again = room.provider.done("GET", f"/v1/decisions/{said['decisionId']}/replay", 200)
    assert again["isSame"] is True


def test_a_results_only_agreement_gives_no_rows_and_says_where_to_ask(room: Room) -> None:
    dataset, token = room.results_only()
    for answer in (room.fetch(dataset, token), room.sql(dataset, token, "select 1 from data")):
        assert answer.status_code == 403
    asked = room.ask_token(dataset)
    assert "results in groups only" in asked.json()["error_description"]
    parameters = {"minimumGroup": 5}
    aggregated = room.dataset("aggregated")
    room.agreement(aggregated, offer=room.offer(aggregated, "aggregated", parameters=parameters))
    both = room.ask_token(aggregated, actions=["read", "query"])
    assert both.status_code == 400
    assert room.token(aggregated, actions=["query"])


def test_two_questions_that_differ_by_one_person_are_not_both_answered(room: Room) -> None:
    dataset, token = room.results_only()
    assert room.groups(dataset, token) == {None: 100}
    without = [{"column": "person", "operator": "ne", "values": ["p7"]}]
    refused = room.ask(dataset, token, filters=without)
    assert (refused.status_code, refused.json()["code"]) == (403, "result-withheld")
    small = room.ask(dataset, token, filters=[{"column": "person", "operator": "eq", "values": ["p7"]}])
    assert small.json()["detail"] == refused.json()["detail"], "too few and too close must look the same"
    entry = room.entries("data.answer")[-1]
    assert (entry.outcome, entry.code, entry.rows) == ("aborted", "result-withheld", 0)
    assert room.groups(dataset, token) == {None: 100}


def test_what_is_left_out_of_a_total_is_not_alone(room: Room) -> None:
    dataset, token = room.results_only()
    assert room.groups(dataset, token) == {None: 100}
    # C is three people; B goes with it, or the total would tell C.
    assert room.groups(dataset, token, dimensions=CITY) == {"A": 60}


def test_small_groups_are_merged_only_when_together_they_are_large_enough(room: Room) -> None:
    dataset, token = room.results_only()
    ages = [{"column": "born", "truncate": "year"}]
    merged = room.ask(dataset, token, dimensions=CITY, smallGroups="merge").json()["rows"]
    assert [(row["city"], row["is_other"]) for row in merged] == [("A", False), ("B", False)]
    years = room.ask(dataset, token, dimensions=ages, smallGroups="merge")
    assert years.status_code == 403, "every year holds two, and together they would be near the others"


def test_a_new_version_with_one_more_person_tells_nothing_about_them(room: Room) -> None:
    from tests.queries.conftest import PEOPLE

    dataset, token = room.results_only()
    assert room.groups(dataset, token) == {None: 100}
    for more, expected in (
        (b"p100,A,1990-01-02,9\n", 403),
        (b"".join(b"q%d,A,1990-01-02,9\n" % n for n in range(6)), 200),
    ):
        headers = {"Content-Type": "text/csv"}
        where = f"/v1/datasets/{dataset}/versions"
        room.provider.done("POST", where, 201, content=PEOPLE + more, headers=headers)
        assert room.ask(dataset, token).status_code == expected


def test_other_columns_end_the_asking_but_not_of_earlier_versions(room: Room) -> None:
    dataset, token = room.results_only()
    assert room.groups(dataset, token) == {None: 100}
    headers = {"Content-Type": "text/csv"}
    content = b"person,city\n" + b"".join(b"p%d,A\n" % n for n in range(50))
    room.provider.done("POST", f"/v1/datasets/{dataset}/versions", 201, content=content, headers=headers)
    refused = room.ask(dataset, token)
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset-columns-changed")
    assert room.groups(dataset, token, version=1) == {None: 100}


def test_least_and_greatest_are_values_that_enough_people_share(room: Room) -> None:
    content = b"person,group,score\n" + b"".join(
        b"p%d,g,%d\n" % (n, 10 if n < 6 else 20 if n < 12 else 99) for n in range(13)
    )
    dataset, token = room.results_only(content=content)
    measures = [{"function": "min", "column": "score"}, {"function": "max", "column": "score"}]
    assert room.ask(dataset, token, measures=measures).json()["rows"] == [{"min_score": 10, "max_score": 20}]


def test_values_that_few_have_are_not_summed(room: Room) -> None:
    content = b"person,group,debt\n" + b"".join(
        b"p%d,g,%s\n" % (n, b"5000" if n == 3 else b"") for n in range(50)
    )
    dataset, token = room.results_only(content=content)
    total = [{"function": "sum", "column": "debt"}]
    assert room.ask(dataset, token, measures=total).status_code == 403
    assert room.groups(dataset, token) == {None: 50}


def test_hidden_columns_are_unknown_and_masked_ones_are_masked(room: Room) -> None:
    dataset, token = room.results_only()
    for body in (
        {"dimensions": [{"column": "nothing"}]},
        {"filters": [{"column": "nothing", "operator": "eq", "values": ["x"]}]},
        {"measures": [{"function": "sum", "column": "city"}]},
        {"measures": [COUNT, COUNT]},
        {"filters": [{"column": "born", "operator": "eq", "values": ["yesterday"]}]},
        {"dimensions": [{"column": "city", "bucket": 5}]},
        {"measures": [{"function": "sum"}]},
        {"epsilon": 1},
    ):
        refused = room.ask(dataset, token, **body)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid-question"), refused.text
        assert refused.json()["errors"][0]["pointer"]
    last = room.provider.done("GET", "/v1/queries", 200)["items"][0]
    assert (last["state"], last["code"]) == ("failed", "invalid-question")


def test_the_budget_of_a_day_is_counted_and_told(tmp_path: Any, migrated_sqlite_url: str) -> None:
    from tests.queries.conftest import a_room

    for room in a_room(tmp_path, migrated_sqlite_url, queries_per_day=2):
        dataset, token = room.results_only()
        where = f"/v1/datasets/{dataset}/queries/allowed"
        headers = {"Authorization": f"Bearer {token}"}
        for left in (2, 1):
            assert room.hub.http.get(where, headers=headers).json()["queriesLeft"] == left
            assert room.ask(dataset, token).status_code == 200
        refused = room.ask(dataset, token)
        assert (refused.status_code, refused.json()["code"]) == (403, "query-budget-spent")
        assert room.entries("data.query")[-1].code == "query-budget-spent"
        room.hub.clock.forward(hours=25)
        assert room.ask(dataset, room.token(dataset, actions=["query"])).status_code == 200


def test_what_is_allowed_is_told_before_anything_is_asked(room: Room) -> None:
    dataset, token = room.results_only()
    headers = {"Authorization": f"Bearer {token}"}
    said = room.hub.http.get(f"/v1/datasets/{dataset}/queries/allowed", headers=headers).json()
    assert [each["name"] for each in said["columns"]] == ["person", "city", "born", "income"]
    assert (said["minimumGroup"], said["entityKey"], said["isResultsOnly"]) == (5, "person", True)
    where = f"/v1/datasets/{dataset}/queries/preview"
    assert room.post(where, token, {"measures": [COUNT]}).json()["queriesLeft"] == 100
    wrong = room.post(where, token, {"measures": [{"function": "sum", "column": "city"}]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid-question")
    assert room.provider.done("GET", "/v1/queries", 200)["items"] == []


@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_an_answer_comes_in_the_form_that_is_asked_for(room: Room, form: str) -> None:
    dataset, token = room.results_only()
    where = f"/v1/datasets/{dataset}/queries"
    answer = room.post(where, token, {"measures": [COUNT], "dimensions": CITY}, params={"format": form})
    if form == "csv":
        assert answer.text == '"city","n"\n"A",60\n"B",37\n'
    else:
        with pa.ipc.open_stream(io.BytesIO(answer.content)) as stream:
            assert stream.read_all().to_pylist() == [{"city": "A", "n": 60}, {"city": "B", "n": 37}]
    assert answer.headers["datahub-query"]


def test_who_may_have_rows_may_ask_of_groups_of_any_size(room: Room) -> None:
    dataset, token = room.rows()
    assert room.groups(dataset, token, dimensions=CITY) == {"A": 60, "B": 37, "C": 3}
    assert room.groups(dataset, room.provider.token(), dimensions=CITY)["C"] == 3
    assert room.ask(dataset, None).status_code == 401
    assert room.ask(dataset, room.stranger.token()).status_code == 403
    nobody = [{"column": "city", "operator": "eq", "values": ["nowhere"]}]
    measures = [{"function": "count"}, {"function": "max", "column": "city"}]
    answer = room.ask(dataset, token, filters=nobody, measures=measures)
    assert answer.json()["rows"] == [{"count": 0, "max_city": None}]
    assert room.groups(dataset, token, dimensions=CITY, filters=nobody) == {}


def test_an_ended_agreement_answers_nothing(room: Room) -> None:
    dataset = room.dataset("people")
    offer = room.offer(dataset, "results-only", parameters={"minimumGroup": 5})
    agreement = room.agreement(dataset, offer=offer)
    token = room.token(dataset, actions=["query"])
    move = {"move": "revoke", "reason": "enough"}
    room.provider.done("POST", f"/v1/agreements/{agreement}/transitions", 201, json=move)
    assert room.ask(dataset, token).status_code in {401, 403}

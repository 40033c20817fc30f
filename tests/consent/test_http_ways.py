"""By every other way out than a plain read: nothing of whoever said no, in whatever it is wrapped."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from datahub.participants import Role
from tests.consent.building import RESEARCH, Clinic, a_clinic, a_rule
from tests.consent.test_reads import FORMS, Reading, read
from tests.hub import Hub
from tests.live.upstream import Service, a_service, an_answer

ROWS = [
    {"person": "ann", "partner": None, "area": "north", "visits": 3},
    {"person": "bob", "partner": "cat", "area": "north", "visits": 1},
    {"person": "cat", "partner": None, "area": "south", "visits": 2},
]
CSV_TYPE = {"Content-Type": "text/csv"}


@pytest.fixture
def service() -> Iterator[Service]:
    """The clinic's own service."""
    with a_service() as service:
        service.answer = an_answer(orjson.dumps({"rows": ROWS}))
        yield service


def a_dataset(hub: Hub, like: Clinic, slug: str, **more: Any) -> Clinic:
    """Make another dataset of the same organisation."""
    body = {
        "slug": slug,
        "kind": "table",
        "title": {"en": slug},
        "description": {"en": slug},
        "accessRights": "RESTRICTED",
    }
    made = like.party.done("POST", "/v1/datasets", 201, json=body | more)
    return Clinic(hub, like.party, made["id"])


def test_rows_of_a_live_api_pass_the_gate_in_every_form(sqlite_hub: Hub, service: Service) -> None:
    columns = [
        {"name": "person", "type": "string", "sensitivity": "personal"},
        {"name": "visits", "type": "int64"},
    ]
    clinic = a_dataset(sqlite_hub, a_clinic(sqlite_hub), "live")
    api = {
        "baseUrl": service.url,
        "paths": [{"path": "/visits"}],
        "mapping": {"rows": "/rows", "columns": columns},
        "limits": {"timeS": 5, "responseBytes": 100_000, "callsPerMinute": 50},
    }
    clinic.party.done("PUT", f"{clinic.at}/api", 200, json=api)
    clinic.rule()
    assert clinic.publish().status_code == 201
    reading = Reading(clinic, sqlite_hub.party("university", Role.REQUESTER))
    reading.agree()
    for key in ("ann", "bob"):
        clinic.say(key, "give")
    types = {
        "csv": "text/csv",
        "jsonl": "application/jsonl",
        "parquet": "application/vnd.apache.parquet",
        "arrow": "application/vnd.apache.arrow.stream",
    }

    def rows(form: str) -> list[Any]:
        answer = reading.get(
            form, path="api/visits", params={"format": None}, headers={"Accept": types[form]}
        )
        assert answer.status_code == 200, answer.text
        return read(form, answer.content)

    assert [rows(form) for form in FORMS] == [[("ann", 3), ("bob", 1)]] * 4
    clinic.say("ann", "withdraw")
    assert [rows(form) for form in FORMS] == [[("bob", 1)]] * 4
    assert reading.received("ann") == [reading.agreement_id], "what left has left"
    assert reading.received("cat") == []


@pytest.mark.parametrize("what", ["file", "api"])
def test_what_has_no_rows_leaves_nobody_out_so_it_does_not_go_out_beside_a_rule(
    sqlite_hub: Hub, service: Service, what: str
) -> None:
    party = a_clinic(sqlite_hub)

    def made(slug: str) -> Clinic:
        clinic = a_dataset(sqlite_hub, party, slug, kind="files")
        if what == "file":
            headers = {"Content-Type": "application/pdf"}
            at = f"{clinic.at}/versions?filename=scan.pdf"
            clinic.party.done("POST", at, 201, content=b"%PDF of ann", headers=headers)
        else:
            api = {"baseUrl": service.url, "paths": [{"path": "/visits"}]}
            limits = {"timeS": 5, "responseBytes": 100_000, "callsPerMinute": 50}
            clinic.party.done("PUT", f"{clinic.at}/api", 200, json=api | {"limits": limits})
        return clinic

    ruled, plain = made("ruled"), made("plain")
    ruled.rule()
    refused = ruled.publish()
    assert (refused.status_code, refused.json()["code"]) == (409, "consent-rule-not-kept")
    assert plain.publish().status_code == 201
    assert plain.rule(409)["code"] == "consent-rule-not-kept"


def test_a_join_is_of_those_whom_both_rules_let_through(sqlite_hub: Hub) -> None:
    left = a_clinic(sqlite_hub)
    right = a_dataset(sqlite_hub, left, "scores")
    scores = b"who,score\nann,1\nann,2\nbob,10\ncat,100\nzed,1000\n"
    right.party.done("POST", f"{right.at}/versions", 201, content=scores, headers=CSV_TYPE)
    left.rule()
    right.rule(subjects=["who"])
    university = sqlite_hub.party("university", Role.REQUESTER)
    readings = []
    for each in (left, right):
        assert each.publish().status_code == 201
        readings.append(Reading(each, university))
        readings[-1].agree()
    details = [
        {"type": "dataset", "identifier": each.clinic.dataset_id, "agreement": each.agreement_id}
        | {"actions": ["query"]}
        for each in readings
    ]
    token = university.token(authorization_details=orjson.dumps(details).decode())
    ask = {
        "join": {"dataset": right.dataset_id, "on": {"left": "person", "right": "who"}},
        "measures": [
            {"function": "sum", "column": "score", "joined": True, "as": "score"},
            {"function": "sum", "column": "visits", "as": "visits"},
        ],
    }

    def sums() -> tuple[int | None, int | None]:
        answer = university.call("POST", f"{left.at}/queries", token=token, json=ask)
        assert answer.status_code == 200, answer.text
        [row] = answer.json()["rows"]
        return row["score"], row["visits"]

    visits = {"ann": 3, "bob": 1, "cat": 2}
    told = {"ann": [1, 2], "bob": [10], "cat": [100], "zed": [1000]}
    here: set[str] = set()
    there: set[str] = set()
    for clinic, who, move in (
        (left, "ann", "give"), (left, "bob", "give"), (right, "ann", "give"), (right, "cat", "give"),
        (right, "bob", "give"), (left, "cat", "give"), (left, "ann", "withdraw"), (right, "bob", "withdraw"),
    ):  # fmt: skip
        clinic.say(who, move)
        said = here if clinic is left else there
        (said.add if move == "give" else said.discard)(who)
        pairs = [(visits[each], score) for each in visits if each in here & there for score in told[each]]
        expected = (sum(score for _, score in pairs), sum(one for one, _ in pairs)) if pairs else (None, None)
        assert sums() == expected, (who, move)


def test_what_was_kept_of_an_answer_is_not_called_good_again_after_a_no(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    clinic.rule()
    assert clinic.publish().status_code == 201
    reading = Reading(clinic, sqlite_hub.party("university", Role.REQUESTER))
    reading.agree()
    for key in ("ann", "bob"):
        clinic.say(key, "give")
    token = reading.token()
    for form in FORMS:
        for params in ({}, {"fields": "person,visits"}, {"filter": "visits:ge:1"}):
            kept = reading.get(form, token=token, params=params)
            clinic.say("ann", "withdraw")
            etag = {
                "If-None-Match": kept.headers["etag"],
                "If-Range": kept.headers["etag"],
                "Range": "bytes=0-",
            }
            again = reading.get(form, token=token, params=params, headers=etag)
            assert again.status_code == 200, (form, params)
            assert [person for person, _ in read(form, again.content)] == ["bob"], (form, params)
            clinic.say("ann", "give")


def test_a_sample_of_rows_set_before_the_rule_is_not_given_after_it(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    sample = {"kind": "masked", "columns": [{"name": "visits"}], "open": True}
    clinic.party.done("PUT", f"{clinic.at}/sample", 200, json=sample)
    assert clinic.publish().status_code == 201
    assert sqlite_hub.http.get(f"{clinic.at}/sample").status_code == 200
    clinic.party.done("POST", f"{clinic.at}/consent-rules", 201, json=a_rule())
    assert sqlite_hub.http.get(f"{clinic.at}/sample").json()["code"] == "sample-needs-consent"
    assert RESEARCH in sqlite_hub.http.get(f"{clinic.at}/consent-rule").text

"""Rows, columns and masks of a policy over HTTP: what leaves is what the policy lets leave, and the log says so."""

import hashlib
from typing import Any

import orjson
import pytest

from datahub.transfers.rules.words import WORDS
from tests.dataplane.conftest import World
from tests.dataplane.test_fetch import rows_of

FORMS = ("csv", "jsonl", "parquet", "arrow")


def _agreed(world: World, template: str, **parameters: Any) -> tuple[str, str]:
    dataset = world.dataset("rivers")
    world.agreement(dataset, offer=world.offer(dataset, template, parameters=parameters))
    return dataset, world.token(dataset)


def test_only_the_rows_of_the_policy_leave_in_every_form(world: World) -> None:
    dataset, token = _agreed(world, "rows-where", column="country", values=["NL"])
    for form in FORMS:
        answer = world.fetch(dataset, token, params={"format": form})
        assert answer.status_code == 200, answer.text
        assert [row["name"] for row in rows_of(form, answer.content)] == ["Dam", "IJ"]
        attempt, outcome = world.last()
        assert (attempt.outcome, attempt.code) == ("permit", "permitted-with-plan")
        assert attempt.details["isByPlan"] is True
        assert outcome.rows == 2
    widened = world.fetch(dataset, token, params={"filter": "country:in:NL,DE", "format": "jsonl"})
    assert [row["name"] for row in rows_of("jsonl", widened.content)] == ["Dam", "IJ"]
    fewer = world.fetch(dataset, token, params={"limit": 1, "format": "jsonl"})
    assert {row["name"] for row in rows_of("jsonl", fewer.content)} < {"Dam", "IJ"}


def test_the_stored_file_is_never_sent_when_only_part_may_leave(world: World) -> None:
    dataset, token = _agreed(world, "rows-where", column="country", values=["NL", "DE", "FR"])
    answer = world.fetch(dataset, token, params={"format": "parquet"}, headers={"Range": "bytes=0-9"})
    assert answer.status_code == 200
    assert answer.headers["accept-ranges"] == "none"
    assert "repr-digest" not in answer.headers
    own = world.provider.get(f"/v1/datasets/{dataset}/data", params={"format": "parquet"})
    assert own.headers["etag"] != answer.headers["etag"]


def test_a_hidden_column_is_refused_as_an_unknown_one_is(world: World) -> None:
    dataset, token = _agreed(world, "columns-without", columns=["country"])
    for form in FORMS:
        (first, *_) = rows_of(form, world.fetch(dataset, token, params={"format": form}).content)
        assert first == {"name": "Dam", "value": 1}
    attempt, outcome = world.last()
    assert attempt.columns == outcome.columns == ["name", "value"]
    for query in ({"fields": "country"}, {"filter": "country:eq:NL"}):
        hidden = world.fetch(dataset, token, params=query)
        unknown = world.fetch(
            dataset, token, params={k: v.replace("country", "kountry") for k, v in query.items()}
        )
        assert (hidden.status_code, hidden.json()["code"]) == (400, "invalid-data-query")
        assert orjson.dumps(hidden.json()["errors"]).replace(b"country", b"kountry") == orjson.dumps(
            unknown.json()["errors"]
        )


def test_a_masked_column_cannot_be_filtered_out_of_its_mask(world: World) -> None:
    dataset, token = _agreed(world, "columns-masked", columns=["name"], method="hash")
    shown = [
        orjson.loads(line)
        for line in world.fetch(dataset, token, params={"format": "jsonl"}).content.splitlines()
    ]
    assert [row["name"] for row in shown] == [
        hashlib.sha256(name.encode()).hexdigest() for name in ("Dam", "IJ", "Spree", "Seine")
    ]
    sought = world.fetch(dataset, token, params={"filter": "name:eq:Dam", "format": "jsonl"})
    assert sought.content == b""


def test_the_tag_of_what_was_fetched_follows_the_policy(world: World) -> None:
    dataset, token = _agreed(world, "rows-where", column="country", values=["NL"])
    first = world.fetch(dataset, token)
    again = world.fetch(dataset, token, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    offer = world.offer(dataset, "rows-where", parameters={"column": "country", "values": ["NL", "FR"]})
    wider = world.agreement(dataset, offer=offer)
    token = world.token(dataset, agreement=wider)
    fresh = world.fetch(dataset, token, headers={"If-None-Match": first.headers["etag"]})
    assert fresh.status_code == 200


@pytest.mark.parametrize(
    ("template", "parameters", "code"),
    [
        ("aggregated", {"minimumGroup": 10}, "results-only"),
        ("results-only", {"minimumGroup": 10}, "results-only"),
        ("rows-where", {"column": "elsewhere", "values": ["x"]}, "nothing-permitted"),
    ],
)
def test_what_cannot_be_carried_out_gives_nothing_and_says_so(
    world: World, template: str, parameters: dict[str, Any], code: str
) -> None:
    dataset = world.dataset("rivers")
    agreement = world.agreement(dataset, offer=world.offer(dataset, template, parameters=parameters))
    asked = world.ask_token(dataset, agreement=agreement)
    assert (asked.status_code, asked.json()["error"]) == (400, "invalid_authorization_details")
    assert WORDS[code].en in asked.json()["error_description"]
    assert world.consumer.get(f"/v1/datasets/{dataset}/data").status_code == 403


def test_a_version_that_lost_the_column_gives_nothing(world: World) -> None:
    dataset, token = _agreed(world, "rows-where", column="country", values=["NL"])
    headers = {"Content-Type": "text/csv"}
    world.provider.done(
        "POST", f"/v1/datasets/{dataset}/versions", 201, content=b"name,value\nDam,1\n", headers=headers
    )
    refused = world.fetch(dataset, token)
    assert (refused.status_code, refused.json()["decisionCode"]) == (403, "nothing-permitted")
    kept = world.fetch(
        dataset, token, path=f"/v1/datasets/{dataset}/versions/1/data", params={"format": "jsonl"}
    )
    assert len(kept.content.splitlines()) == 2
    for answer, code in ((refused, "decision-not-replayable"), (kept, "permitted-with-plan")):
        decision = answer.json()["decisionId"] if answer is refused else answer.headers["datahub-decision"]
        assert world.provider.get(f"/v1/decisions/{decision}/replay").json()["code"] == code


def test_files_have_no_rows_so_a_policy_on_rows_gives_no_file(world: World) -> None:
    dataset = world.dataset("reports", b"%PDF", kind="files")
    rows = {"column": "country", "values": ["NL"]}
    agreement = world.agreement(dataset, offer=world.offer(dataset, "rows-where", parameters=rows))
    assert world.ask_token(dataset, agreement=agreement).status_code == 400

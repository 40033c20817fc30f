"""Datasets over HTTP: described, changed, published, withdrawn, and seen only by those who may."""

from typing import Any

import pytest

from tests.catalog.conftest import Catalogue, a_description


def test_a_new_dataset_is_a_draft_with_all_that_was_said_of_it(catalogue: Catalogue) -> None:
    said = a_description("income") | {
        "description": {"nl": "Inkomen per buurt.", "en": "Income per neighbourhood."},
        "themes": ["SOCI", "http://publications.europa.eu/resource/authority/data-theme/ECON", "urn:x:own"],
        "languages": ["nl"],
        "spatial": {
            "label": "Amsterdam",
            "iri": "https://sws.geonames.org/2759794/",
            "bbox": [4.7, 52.2, 5.1, 52.5],
        },
        "temporal": {"start": "2020-01-01", "end": "2024-12-31"},
        "frequency": "ANNUAL",
        "licence": "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0",
        "contact": {"name": "Onderzoek", "email": "data@gemeente.example"},
        "provenance": {"nl": "Uit de registers."},
        "conformsTo": ["https://example.org/norm"],
        "columns": [
            {"name": "buurt", "type": "string", "title": {"nl": "Buurt"}},
            {"name": "n", "type": "decimal(8, 2)"},
        ],
    }
    answer = catalogue.call("POST", "/v1/datasets", "publisher", json=said)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/datasets/{made['id']}"
    assert answer.headers["etag"] == '"1"'
    assert made["state"] == "draft"
    assert made["ref"] == "gemeente/income"
    assert made["themes"] == ["SOCI", "ECON", "urn:x:own"]
    assert made["columns"][1] == {
        "name": "n", "type": "decimal(8,2)", "nullable": True, "title": None, "description": None, "sensitivity": None,
    }  # fmt: skip
    for name in (
        "title",
        "description",
        "spatial",
        "temporal",
        "frequency",
        "licence",
        "conformsTo",
        "accessRights",
    ):
        assert catalogue.call("GET", f"/v1/datasets/{made['id']}", "publisher").json()[name] == _filled(
            said, name
        )
    assert [entry.action for entry in catalogue.entries(made["id"])] == ["dataset.create"]


def _filled(said: dict[str, Any], name: str) -> Any:
    # what was not said of a text comes back as null
    return {"nl": None, "en": None} | said[name] if name in ("title", "description") else said[name]


def test_all_faults_of_a_description_come_at_once(catalogue: Catalogue) -> None:
    said = a_description("Not A Slug") | {
        "title": {},
        "themes": ["no theme"],
        "spatial": {"bbox": [4.7, 52.5, 5.1, 52.2]},
        "temporal": {"start": "2024"},
        "contact": {"name": "Nobody"},
        "licence": "javascript:alert(1)",
        "columns": [{"name": "a", "type": "money"}],
        "surprise": 1,
    }
    answer = catalogue.call("POST", "/v1/datasets", "publisher", json=said)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/slug", "/title", "/themes/0", "/spatial", "/temporal/start", "/contact", "/licence",
        "/columns/0/type", "/surprise",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"kind": "files", "columns": [{"name": "a", "type": "string"}]}, "/columns"),
        ({"temporal": {"start": "2024-01-02", "end": "2024-01-01"}}, "/temporal/end"),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(
    catalogue: Catalogue, said: dict[str, Any], pointer: str
) -> None:
    answer = catalogue.call("POST", "/v1/datasets", "publisher", json=a_description("x") | said)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-dataset"
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


def test_a_short_name_belongs_to_one_dataset_of_an_organisation(catalogue: Catalogue) -> None:
    catalogue.made("one")
    again = catalogue.call("POST", "/v1/datasets", "publisher", json=a_description("one"))
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (409, "/slug")
    assert catalogue.made("one", "rival")["ref"] == "vervoer/one"


def test_only_publishers_describe_datasets(catalogue: Catalogue) -> None:
    body = a_description("x")
    assert catalogue.call("POST", "/v1/datasets", json=body).status_code == 401
    assert catalogue.call("POST", "/v1/datasets", "reader", json=body).json()["code"] == "insufficient-scope"
    assert (
        catalogue.call("POST", "/v1/datasets", "misfit", json=body).json()["code"]
        == "dataset-change-not-allowed"
    )


def test_the_same_request_sent_twice_makes_one_dataset(catalogue: Catalogue) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = catalogue.call("POST", "/v1/datasets", "publisher", json=a_description("x"), headers=headers)
    second = catalogue.call("POST", "/v1/datasets", "publisher", json=a_description("x"), headers=headers)
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()


def test_a_draft_is_seen_by_its_own_organisation_and_the_overseers_only(catalogue: Catalogue) -> None:
    where = f"/v1/datasets/{catalogue.made()['id']}"
    seen = {
        who: catalogue.call("GET", where, who).status_code
        for who in (None, "publisher", "reader", "rival", "overseer")
    }
    assert seen == {None: 404, "publisher": 200, "reader": 200, "rival": 404, "overseer": 200}
    assert catalogue.call("PATCH", where, "rival", json={"keywords": []}).status_code == 404
    assert catalogue.call("GET", where, "publisher").headers["cache-control"] == "no-store"
    lists = {who: len(catalogue.call("GET", "/v1/datasets", who).json()["items"]) for who in seen}
    assert lists == {None: 0, "publisher": 1, "reader": 1, "rival": 0, "overseer": 1}


@pytest.mark.parametrize("dataset_id", ["nothing", "01936a5e-7a00-7000-8000-000000000000", "%00", "a%2Fb"])
def test_what_is_not_there_is_not_found(catalogue: Catalogue, dataset_id: str) -> None:
    assert catalogue.call("GET", f"/v1/datasets/{dataset_id}").status_code == 404


def test_a_change_names_the_state_it_was_made_against(catalogue: Catalogue) -> None:
    made = catalogue.made()
    where = f"/v1/datasets/{made['id']}"
    change = {"title": {"en": "New"}, "keywords": ["one", "one", "two"], "temporal": {"start": "2021-01-01"}}
    assert catalogue.call("PATCH", where, "publisher", json=change).status_code == 428
    stale = catalogue.call("PATCH", where, "publisher", json=change, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    catalogue.later(hours=1)
    changed = catalogue.call("PATCH", where, "publisher", json=change, headers={"If-Match": '"1"'})
    assert changed.status_code == 200
    assert changed.headers["etag"] == '"2"'
    assert changed.json() | {"title": {"nl": None, "en": "New"}, "keywords": ["one", "two"]} == changed.json()
    assert changed.json()["modifiedAt"] > made["modifiedAt"]
    emptied = catalogue.call(
        "PATCH", where, "publisher", json={"temporal": None}, headers={"If-Match": '"2"'}
    )
    assert emptied.json()["temporal"] is None
    assert emptied.json()["keywords"] == ["one", "two"]
    assert [entry.details.get("fields") for entry in catalogue.entries(made["id"])][1:] == [
        ["keywords", "temporal_end", "temporal_start", "title_en", "title_nl"],
        ["temporal_end", "temporal_start"],
    ]


@pytest.mark.parametrize(
    "change", [{}, {"title": None}, {"accessRights": None}, {"slug": "other"}, {"kind": "files"}]
)
def test_a_change_that_cannot_be_is_refused(catalogue: Catalogue, change: dict[str, Any]) -> None:
    where = f"/v1/datasets/{catalogue.made()['id']}"
    answer = catalogue.call("PATCH", where, "publisher", json=change, headers={"If-Match": '"1"'})
    assert answer.status_code == 400


def test_a_dataset_without_a_version_is_not_published(catalogue: Catalogue) -> None:
    answer = catalogue.moved(catalogue.made()["id"], "publish")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-to-publish")


def test_a_dataset_lives_from_draft_to_withdrawn_and_each_move_is_on_record(catalogue: Catalogue) -> None:
    made = catalogue.published()
    where = f"/v1/datasets/{made['id']}"
    assert made["publishedAt"] is not None
    for move, state in (("deprecate", "deprecated"), ("restore", "published"), ("withdraw", "withdrawn")):
        assert catalogue.moved(made["id"], move, reason=f"why {move}").json()["state"] == state
    late = catalogue.moved(made["id"], "publish")
    assert (late.status_code, late.json()["possible"]) == (409, [])
    # its record stays, for everybody; it is no longer in the list, takes no data and no change
    assert catalogue.call("GET", where).json()["state"] == "withdrawn"
    assert catalogue.call("GET", "/v1/datasets").json()["items"] == []
    assert catalogue.uploaded(made["id"]).status_code == 410
    revision = catalogue.call("GET", where).headers["etag"]
    change = catalogue.call(
        "PATCH", where, "publisher", json={"keywords": []}, headers={"If-Match": revision}
    )
    assert change.json()["code"] == "dataset-withdrawn"
    told = catalogue.call("GET", f"{where}/transitions", "publisher").json()["items"]
    assert [(each["move"], each["toState"], each["reason"]) for each in told] == [
        ("create", "draft", None),
        ("publish", "published", None),
        ("deprecate", "deprecated", "why deprecate"),
        ("restore", "published", "why restore"),
        ("withdraw", "withdrawn", "why withdraw"),
    ]
    assert catalogue.call("GET", f"{where}/transitions", "rival").status_code == 403
    assert {entry.provider_id for entry in catalogue.entries(made["id"])} == {catalogue.provider.id}


def test_the_exchange_may_take_down_but_not_put_up(catalogue: Catalogue) -> None:
    made = catalogue.published()
    assert catalogue.moved(made["id"], "deprecate", "overseer").status_code == 403
    assert catalogue.moved(made["id"], "withdraw", "rival").status_code == 403
    assert catalogue.moved(made["id"], "withdraw", "overseer", "complaint").json()["state"] == "withdrawn"


def test_a_draft_can_be_deleted_and_nothing_else_can(catalogue: Catalogue) -> None:
    made = catalogue.made("gone")
    where = f"/v1/datasets/{made['id']}"
    catalogue.uploaded(made["id"])
    assert catalogue.call("DELETE", where, "publisher").status_code == 428
    assert catalogue.call("DELETE", where, "publisher", headers={"If-Match": '"2"'}).status_code == 204
    assert catalogue.call("GET", where, "publisher").status_code == 404
    assert catalogue.entries(made["id"])[-1].action == "dataset.delete"
    assert catalogue.made("gone")["id"] != made["id"]
    kept = catalogue.published("kept")
    answer = catalogue.call("DELETE", f"/v1/datasets/{kept['id']}", "publisher", headers={"If-Match": '"3"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset-not-draft")


def test_who_has_the_present_state_gets_no_body(catalogue: Catalogue) -> None:
    made = catalogue.published()
    where = f"/v1/datasets/{made['id']}"
    first = catalogue.call("GET", where)
    assert first.headers["cache-control"] == "no-cache"
    same = {"If-None-Match": first.headers["etag"]}
    again = catalogue.call("GET", where, headers=same)
    assert (again.status_code, again.content) == (304, b"")
    catalogue.moved(made["id"], "deprecate")
    assert catalogue.call("GET", where, headers=same).status_code == 200

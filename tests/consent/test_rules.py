"""Consent rules over HTTP: what can be written, what can be published, what a change asks anew, what it would let through."""

from copy import deepcopy
from typing import Any

import pytest

from datahub.participants import Role
from tests.consent.building import ACADEMIC, COLUMNS, MARKETING, RESEARCH, a_clinic, a_purpose, a_rule
from tests.hub import Hub


def special_columns() -> list[dict[str, Any]]:
    columns = deepcopy(COLUMNS)
    columns[3]["sensitivity"] = "special-category"
    return columns


def codes(answer: Any) -> set[str]:
    return {each["code"] for each in answer.json()["errors"]}


def test_a_rule_is_written_in_versions_and_everybody_reads_the_notice(hub: Hub) -> None:
    clinic = a_clinic(hub)
    first = clinic.rule()
    assert first["number"] == 1
    assert first["purposes"][0]["choice"] == "opt-in", "follows from the basis"
    assert first["purposes"][0]["label"]["nl"]
    assert first["toAsk"] == []
    assert clinic.publish().status_code == 201
    second = clinic.rule(notice={"nl": "Anders.", "en": "Different."})
    assert (second["number"], second["toAsk"]) == (2, []), "another wording asks nothing new"
    assert second["noticeHash"] != first["noticeHash"]
    read = hub.http.get(f"{clinic.at}/consent-rule")
    assert read.json()["notice"]["nl"] == "Anders."
    assert hub.http.get(f"{clinic.at}/consent-rules/1").json()["notice"] == first["notice"]
    assert [r["number"] for r in hub.http.get(f"{clinic.at}/consent-rules").json()["items"]] == [2, 1]
    stale = clinic.party.post(f"{clinic.at}/consent-rules?basedOn=1", json=a_rule())
    assert stale.json()["code"] == "consent-rule-changed"


def test_a_rule_knows_the_versions_of_the_offers_it_was_written_beside(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    terms = {"title": {"en": "All"}, "template": "open", "parameters": {}}
    offer = clinic.party.done("POST", f"{clinic.at}/offers", 201, json=terms)
    assert clinic.rule()["offers"] == {offer["id"]: 1}


def test_publishing_is_refused_when_the_rule_names_a_missing_column(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    clinic.rule(subjects=["nobody_has_this"])
    refused = clinic.publish()
    assert refused.status_code == 409
    assert refused.json()["code"] == "consent-rule-not-kept"
    assert codes(refused) == {"missing-column"}
    clinic.rule()
    assert clinic.publish().status_code == 201
    again = clinic.party.post(f"{clinic.at}/consent-rules", json=a_rule(subjects=["nobody_has_this"]))
    assert codes(again) == {"missing-column"}, "nor can a published dataset be given such a rule"


def test_special_categories_are_published_with_explicit_consent_only(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub, special_columns())
    assert codes(clinic.publish()) == {"no-consent-rule"}
    clinic.rule(purposes=[a_purpose(explicit=False)])
    assert codes(clinic.publish()) == {"no-explicit-consent"}
    clinic.rule(purposes=[a_purpose(), a_purpose(MARKETING, basis="legitimate-interest", explicit=False)])
    assert codes(clinic.publish()) == {"no-explicit-consent"}, "every purpose that could release them"
    without = a_purpose(MARKETING, basis="legitimate-interest", explicit=False, data=["area"])
    clinic.rule(purposes=[a_purpose(), without])
    assert clinic.publish().status_code == 201


def test_a_published_dataset_stays_fitting(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub, COLUMNS)
    clinic.rule(purposes=[a_purpose(explicit=False)])
    assert clinic.publish().status_code == 201
    patch = {"columns": special_columns()}
    changed = clinic.party.call("PATCH", clinic.at, json=patch, headers={"If-Match": "*"})
    assert codes(changed) == {"no-explicit-consent"}
    free = {"columns": None}
    clinic.party.done("PATCH", clinic.at, 200, json=free, headers={"If-Match": "*"})
    upload = {"content": b"area,visits\nnorth,1\n", "headers": {"Content-Type": "text/csv"}}
    assert codes(clinic.party.post(f"{clinic.at}/versions", **upload)) == {"missing-column"}


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"purposes": [a_purpose(), a_purpose()]}, "duplicate"),
        ({"purposes": [a_purpose(choice="opt-out")]}, "choice-and-basis"),
        ({"purposes": [a_purpose(basis="contract")]}, "explicit-and-basis"),
        ({"purposes": [a_purpose(recipients=["class:nowhere"])]}, "unknown-class"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused(sqlite_hub: Hub, more: Any, fault: str) -> None:
    clinic = a_clinic(sqlite_hub)
    refused = clinic.party.post(f"{clinic.at}/consent-rules", json=a_rule(**more))
    assert refused.status_code == 400
    assert fault in codes(refused)
    assert sqlite_hub.http.get(f"{clinic.at}/consent-rule").status_code == 404


def test_only_the_difference_is_asked_and_the_engine_agrees(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    one, two = "kvk:34366966", "kvk:12345679"
    clinic.rule(purposes=[a_purpose(recipients=[one], data=["area"])])
    wider = clinic.rule(purposes=[a_purpose(recipients=[one, two], data=["area", "visits"])])
    assert wider["toAsk"] == [
        {"purpose": RESEARCH, "recipients": [two], "data": ["area", "visits"]},
        {"purpose": RESEARCH, "recipients": [one], "data": ["visits"]},
    ]
    assert wider["proof"]["holds"] is False
    assert wider["proof"]["counterexample"]
    narrower = clinic.rule(purposes=[a_purpose(recipients=[one], data=["area"])])
    assert (narrower["toAsk"], narrower["proof"]["holds"]) == ([], True)
    added = clinic.rule(purposes=[a_purpose(recipients=[one], data=["area"]), a_purpose(MARKETING)])
    assert [part["purpose"] for part in added["toAsk"]] == [MARKETING]


def test_the_preview_counts_people_and_rows_for_each_agreement(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    clinic.rule(nobody="in", subjects=["person", "partner"], several="all")
    assert clinic.publish().status_code == 201
    terms = {"title": {"en": "All"}, "template": "open", "parameters": {}}
    offer = clinic.party.done("POST", f"{clinic.at}/offers", 201, json=terms)
    at = f"{clinic.at}/offers/{offer['id']}/transitions"
    clinic.party.done("POST", at, 201, json={"move": "open"})
    university = sqlite_hub.party("university", Role.REQUESTER)
    asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": ACADEMIC}
    request = university.done("POST", "/v1/access-requests", 201, json=asked)
    if request["state"] != "FINALIZED":
        where = f"/v1/access-requests/{request['id']}/transitions"
        clinic.party.done("POST", where, 201, json={"move": "approve"})
    for person in ("ann", "bob"):
        clinic.say(person, "give")
    at = f"{clinic.at}/consent-rule-preview"
    same = clinic.party.done("POST", at, 200, json=a_rule(nobody="in", subjects=["person", "partner"]))
    assert same["total"] == {"subjects": 3, "rows": 4}
    [effect] = same["agreements"]
    assert effect["consumerId"] == university.id
    assert effect["before"] == effect["after"] == {"subjects": 2, "rows": 2}, "ann's, and nobody's"
    looser = a_rule(nobody="out", subjects=["person", "partner"], several="any")
    [effect] = clinic.party.done("POST", at, 200, json=looser)["agreements"]
    assert effect["after"] == {"subjects": 2, "rows": 2}, "ann's, and the one of bob and cat"
    kept = sqlite_hub.http.get(f"{clinic.at}/consent-rules").json()["items"]
    assert len(kept) == 1, "nothing was saved"


def test_terms_that_want_consent_are_opened_only_where_people_are_asked(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    asks = {"purposes": ["dpv:ResearchAndDevelopment"]}
    terms = {"title": {"en": "With consent"}, "template": "consent", "parameters": asks}
    offer = clinic.party.done("POST", f"{clinic.at}/offers", 201, json=terms)
    at = f"{clinic.at}/offers/{offer['id']}"

    def opened(move: str = "open") -> Any:
        return clinic.party.post(f"{at}/transitions", json={"move": move})

    refused = opened()
    assert refused.status_code == 409
    assert refused.json()["code"] == "consent-rule-not-kept"
    assert f"{clinic.at}/consent-rules" in refused.json()["remedy"]
    assert codes(refused) == {"no-consent-rule"}
    clinic.rule(purposes=[a_purpose(MARKETING)])
    assert codes(opened()) == {"consent-not-asked"}, "for something else"
    clinic.rule(purposes=[a_purpose(basis="public-task", explicit=False)])
    assert codes(opened()) == {"consent-not-asked"}, "nobody is asked for a yes"
    clinic.rule(subjects=["nobody_has_this"])
    assert codes(opened()) == {"missing-column"}
    clinic.rule(purposes=[a_purpose(ACADEMIC)])
    assert opened().status_code == 201, "a purpose below the one of the terms"
    assert opened("close").status_code == opened("reopen").status_code == 201


def test_open_terms_come_to_want_consent_only_where_people_are_asked(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    plain = {"title": {"en": "All"}, "template": "open", "parameters": {}}
    offer = clinic.party.done("POST", f"{clinic.at}/offers", 201, json=plain)
    at = f"{clinic.at}/offers/{offer['id']}"
    clinic.party.done("POST", f"{at}/transitions", 201, json={"move": "open"})
    terms = {"title": {"en": "With consent"}, "template": "consent", "parameters": {"purposes": [RESEARCH]}}
    change: dict[str, Any] = {"json": terms, "headers": {"If-Match": "*"}}
    assert codes(clinic.party.call("PUT", at, **change)) == {"no-consent-rule"}
    assert clinic.party.get(at).json()["version"] == 1
    clinic.rule()
    assert clinic.party.call("PUT", at, **change).status_code == 200


def test_whole_files_are_never_offered_on_terms_that_want_consent(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    files = {
        "slug": "scans",
        "kind": "files",
        "title": {"en": "Scans"},
        "description": {"en": "Scans."},
        "accessRights": "NON_PUBLIC",
    }
    made = clinic.party.done("POST", "/v1/datasets", 201, json=files)
    terms = {"title": {"en": "With consent"}, "template": "consent", "parameters": {"purposes": [RESEARCH]}}
    at = f"/v1/datasets/{made['id']}/offers"
    offer = clinic.party.done("POST", at, 201, json=terms)
    refused = clinic.party.post(f"{at}/{offer['id']}/transitions", json={"move": "open"})
    assert codes(refused) == {"consent-needs-rows"}


def test_a_rule_is_written_by_the_provider_alone(sqlite_hub: Hub) -> None:
    clinic = a_clinic(sqlite_hub)
    clinic.rule()
    clinic.publish()
    other = sqlite_hub.party("other", Role.PUBLISHER)
    assert other.post(f"{clinic.at}/consent-rules", json=a_rule()).status_code == 403
    assert other.get(f"{clinic.at}/consents").status_code == 403
    assert other.get(f"{clinic.at}/consent-rules").status_code == 200, "the notice is open"

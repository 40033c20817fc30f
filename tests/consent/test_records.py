"""Consents over HTTP: reported by a publisher, decided by the person, imported by the thousand; receipts; erasure."""

import json
import sqlite3
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from datahub.catalog import storage
from datahub.consent.models import ConsentState
from datahub.consent.rules.receipts import STATUS
from datahub.kernel import db
from datahub.oauth import verify_text
from tests.build import a_context
from tests.consent.building import ACADEMIC, MARKETING, RESEARCH, UNTIL, Clinic, a_clinic, a_purpose
from tests.consent.test_receipts import faults, read
from tests.hub import Hub


def a_ruled_clinic(hub: Hub, **more: Any) -> Clinic:
    clinic = a_clinic(hub)
    clinic.rule(**more)
    assert clinic.publish().status_code == 201
    return clinic


def test_a_person_is_asked_only_for_what_a_newer_notice_adds(sqlite_hub: Hub) -> None:
    one, two = "kvk:34366966", "kvk:12345679"
    clinic = a_ruled_clinic(sqlite_hub, purposes=[a_purpose(recipients=[one], data=["area"])])
    clinic.say("ann", "give")
    token = clinic.session("ann")

    def asked() -> Any:
        [topic] = clinic.mine(token, "GET", "/consents").json()["items"]
        return topic["toAsk"], topic["isInForce"], topic["consent"]["ruleNumber"]

    assert asked() == ([], True, 1)
    clinic.rule(purposes=[a_purpose(recipients=[one, two], data=["area"])])
    assert asked() == ([{"purpose": RESEARCH, "recipients": [two], "data": ["area"]}], True, 1)
    again = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "give", "explicit": True}
    shown = clinic.mine(token, "POST", "/consents", json={**again, "ruleNumber": 1})
    assert shown.json()["errors"][0]["code"] == "notice-changed", "not by the notice of before"
    assert clinic.mine(token, "POST", "/consents", json={**again, "ruleNumber": 2}).status_code == 201
    assert asked() == ([], True, 2)


def test_what_is_told_to_be_in_force_is_what_the_gate_lets_through(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(
        sqlite_hub,
        purposes=[a_purpose(explicit=False), a_purpose(ACADEMIC, explicit=False), a_purpose(MARKETING)],
    )
    token = clinic.session("ann")

    def in_force() -> set[str]:
        topics = clinic.mine(token, "GET", "/consents").json()["items"]
        return {each["purpose"] for each in topics if each["isInForce"]}

    assert in_force() == set()
    clinic.say("ann", "give", explicit=False)
    assert in_force() == {RESEARCH, ACADEMIC}, "a yes to the broader purpose is one to what falls under it"
    clinic.say("ann", "refuse", purpose=ACADEMIC)
    assert in_force() == {RESEARCH}
    clinic.rule(purposes=[a_purpose(), a_purpose(MARKETING, basis="contract", explicit=False)])
    assert in_force() == {MARKETING}, (
        "explicit consent is wanted now, and none was given; a contract asks nobody"
    )
    clinic.say("ann", "give", at="2026-06-01T12:00:00Z", validUntil="2026-07-01T00:00:00Z")
    assert in_force() == {RESEARCH, MARKETING}
    clinic.rule(purposes=[a_purpose(recipients=["kvk:34366966"])])
    assert in_force() == {RESEARCH}, "covered by what was agreed for all"
    clinic.hub.clock.forward(days=40)
    token = clinic.session("ann")
    assert in_force() == set()


def test_a_publisher_reports_and_the_person_sees_how_it_came_and_says_no_in_one_call(hub: Hub) -> None:
    clinic = a_ruled_clinic(hub)
    given = clinic.say("ann", "give", evidence="form 12")
    assert (given["state"], given["isPersonsOwn"]) == ("given", False)
    assert "subject" not in json.dumps(given)
    token = clinic.session("ann")
    [topic] = clinic.mine(token, "GET", "/consents").json()["items"]
    [event] = topic["consent"]["events"]
    assert (event["collector"], event["channel"], event["evidence"]) == ("publisher", "paper", "form 12")
    assert topic["isInForce"]
    assert topic["toAsk"] == []
    assert topic["notice"]["nl"]
    body = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "withdraw"}
    no = clinic.mine(token, "POST", "/consents", json=body)
    assert (no.status_code, no.json()["state"], no.json()["isPersonsOwn"]) == (201, "withdrawn", True)
    again = clinic.say("ann", "give", 409)
    assert again["code"] == "only-the-person-decides", "nobody reports a yes over a person's own no"
    yes = clinic.mine(token, "POST", "/consents", json={**body, "move": "give", "explicit": True})
    assert yes.json()["state"] == "given", "one call, as for the no"
    assert yes.json()["validUntil"] == "2027-06-01T12:00:00Z", "as long as the notice tells"
    assert yes.json()["events"][-1]["collector"] == "person"
    assert "link " in yes.json()["events"][-1]["evidence"]


def test_a_publisher_cannot_make_a_record_look_like_the_persons_own(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    for forged in ({"channel": "exchange-link"}, {"collector": "person"}, {"isPersonsOwn": True}):
        assert clinic.say("ann", "give", 400, **forged)["code"] == "invalid-body"
    clinic.say("ann", "give")
    own = clinic.mine(clinic.session("bob"), "GET", "/consents").json()["items"]
    assert own[0]["consent"] is None, "a person sees nobody else's"
    assert clinic.party.get("/v1/me/consents").status_code == 403, (
        "an organisation has no consents of its own"
    )


def test_one_purpose_is_one_decision_and_a_yes_needs_an_end(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub, purposes=[a_purpose(), a_purpose(MARKETING, explicit=False)])

    def codes(**more: Any) -> set[str]:
        return {each["code"] for each in clinic.say("ann", "give", 400, **more)["errors"]}

    assert codes(purposes=[RESEARCH, MARKETING]), "no bundle"
    assert codes(validUntil=None) == {"missing"}
    assert codes(validUntil="2026-05-01T00:00:00Z") == {"in-the-past"}
    assert codes(validUntil="2036-01-01T00:00:00Z") == {"longer-than-told"}
    assert codes(explicit=False) == {"not-explicit"}
    assert codes(at="2026-07-01T00:00:00Z") == {"in-the-future"}
    assert codes(purpose="dpv:Advertising") == {"unknown-purpose"}
    assert clinic.say("ann", "give", purpose=MARKETING)["state"] == "given"
    token = clinic.session("ann")
    states = {
        t["purpose"]: t["consent"] and t["consent"]["state"]
        for t in clinic.mine(token, "GET", "/consents").json()["items"]
    }
    assert states == {RESEARCH: None, MARKETING: "given"}, "one says nothing about the other"
    late = clinic.say("ann", "withdraw", 400, purpose=MARKETING, at="2026-05-01T00:00:00Z")
    assert late["errors"][0]["code"] == "older-than-last"


def test_a_guardian_decides_until_majority(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    majority = "2026-08-01T00:00:00Z"
    guardian = {"relation": "parent", "majorityAt": majority}
    given = clinic.say("kim", "give", guardian=guardian)
    assert given["validUntil"] == majority, "not a day longer than a guardian decides"
    token = clinic.session("lee", guardian={**guardian, "key": "mum"})
    body = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "give", "explicit": True}
    decided = clinic.mine(token, "POST", "/consents", json=body).json()
    assert (decided["events"][0]["collector"], decided["events"][0]["relation"]) == ("guardian", "parent")
    sqlite_hub.clock.forward(days=70)
    sqlite_hub.work()
    assert clinic.party.done("GET", f"/v1/consents/{given['id']}", 200)["state"] == "expired"
    of_age = {"relation": "parent", "majorityAt": majority}
    assert clinic.say("kim", "give", 400, guardian=of_age)["errors"][0]["code"] == "of-age"
    own = clinic.mine(clinic.session("kim"), "POST", "/consents", json=body)
    assert own.json()["state"] == "given", "and then they decide for themselves"


def test_a_link_works_once_for_a_while_and_is_nowhere_in_clear(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    text_ = clinic.link("ann")
    use = {"token": text_}
    first = sqlite_hub.http.post("/v1/me/sessions", json=use)
    assert first.status_code == 201
    session = first.json()["accessToken"]
    second = sqlite_hub.http.post("/v1/me/sessions", json=use)
    assert (second.status_code, second.json()["code"]) == (401, "link-not-usable")
    stale = clinic.link("ann")
    sqlite_hub.clock.forward(hours=73)
    assert sqlite_hub.http.post("/v1/me/sessions", json={"token": stale}).status_code == 401
    assert clinic.mine(session, "GET", "/consents").status_code == 401, "a session lasts an hour"
    file = sqlite3.connect(sqlite_hub.settings.database_url.removeprefix("sqlite:///"))
    dump = "\n".join(file.iterdump())
    assert text_ not in dump
    assert session not in dump
    for _ in range(5):
        clinic.link("ann")
    more = clinic.party.post(f"{clinic.at}/consent-links", json={"subject": "ann"})
    assert more.json()["code"] == "too-many-links"
    tried = [sqlite_hub.http.post("/v1/me/sessions", json={"token": "dhl_x"}).status_code for _ in range(12)]
    assert tried[-1] == 403, "whoever tries many is stopped"


def test_no_key_of_a_person_is_in_the_database_or_the_log(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    key = "very-secret-key-of-a-person"
    clinic.say(key, "give")
    clinic.session(key)
    clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": key})
    done = clinic.send(orjson.dumps({"subject": key, "purpose": RESEARCH, "move": "nonsense"}) + b"\n")
    assert done["faulty"] == 1
    file = sqlite3.connect(sqlite_hub.settings.database_url.removeprefix("sqlite:///"))
    assert key not in "\n".join(file.iterdump())
    [found] = clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": key})["items"]
    assert found["state"] == "given"


def test_a_person_is_cut_loose_and_what_was_decided_stays(hub: Hub) -> None:
    clinic = a_ruled_clinic(hub)
    given = clinic.say("ann", "give", evidence="form of ann")
    cut = clinic.party.done("POST", f"{clinic.at}/consents/erasures", 200, json={"subject": "ann"})
    assert cut == {"consents": 1}
    left = clinic.party.done("GET", f"/v1/consents/{given['id']}", 200)
    assert (left["isCutLoose"], left["state"]) == (True, "withdrawn")
    assert [event["evidence"] for event in left["events"]] == [None, None]
    assert clinic.say("ann", "give")["id"] != given["id"], "nothing ties the new to the old"


def test_an_objection_outlives_the_person_s_being_forgotten(sqlite_hub: Hub) -> None:
    silent = a_purpose(basis="legitimate-interest", choice="opt-out", explicit=False)
    clinic = a_ruled_clinic(sqlite_hub, purposes=[silent])
    said = clinic.say("ann", "refuse", evidence="letter of ann")
    clinic.party.done("POST", f"{clinic.at}/consents/erasures", 200, json={"subject": "ann"})
    [kept] = clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": "ann"})["items"]
    assert (kept["id"], kept["state"], kept["isCutLoose"]) == (said["id"], "refused", False)
    assert [event["evidence"] for event in kept["events"]] == [None]


def test_events_are_never_changed(hub: Hub) -> None:
    clinic = a_ruled_clinic(hub)
    clinic.say("ann", "give")
    for statement in (
        "update consent_event set state = 'given'",
        "delete from consent_event",
        "delete from consent_rule",
    ):
        with pytest.raises(DBAPIError, match="append-only"), db.transaction(hub.engine) as session:
            session.execute(text(statement))


@pytest.mark.parametrize("form", ["application/json", "application/ld+json", "application/jose"])
def test_a_receipt_says_what_27560_wants_in_dpvs_terms(sqlite_hub: Hub, form: str) -> None:
    clinic = a_ruled_clinic(sqlite_hub, purposes=[a_purpose(recipients=["kvk:34366966"])])
    given = clinic.say("ann", "give")
    clinic.say("ann", "withdraw")
    answer = clinic.party.get(f"/v1/consents/{given['id']}/receipt", headers={"Accept": form})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(form)
    if form == "application/json":
        said = answer.json()
        assert said.keys() >= {"schema_version", "receipt_id"}
        record = said["consent_record"]
        assert record.keys() >= {
            "schema_version", "record_id", "pii_principal_id", "pii_processing", "party_identification", "consent_events",
        }  # fmt: skip
        [purpose] = record["pii_processing"]["purposes"]
        needed = {
            "purpose", "pii_information", "pii_controllers", "storage_locations", "retention_period", "jurisdiction",
            "recipient_third_parties", "withdrawal_method", "lawful_basis", "privacy_rights", "authority_party",
        }  # fmt: skip
        assert all(purpose[name] for name in needed)
        for party in record["party_identification"]:
            assert all(party[f"party_{n}"] for n in ("id", "name", "address", "contact", "type"))
        for event in record["consent_events"]:
            assert event.keys() >= {
                "event_time",
                "validity_duration",
                "entity_id",
                "event_type",
                "event_state",
            }
        assert [e["event_state"] for e in record["consent_events"]] == [
            "dpv:ConsentGiven",
            "dpv:ConsentWithdrawn",
        ]
        return
    body = answer.content
    if form == "application/jose":
        with a_context(sqlite_hub.engine, sqlite_hub.settings, None, sqlite_hub.clock()) as ctx:  # type: ignore[arg-type]
            body = verify_text(ctx, answer.text, "consent-receipt+jws")
    assert faults(read(body)) == ""


def test_every_state_has_its_word_in_dpv(tmp_path: Any) -> None:
    assert set(STATUS) == set(ConsentState)


def test_lists_and_histories_of_the_publisher(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    given = clinic.say("ann", "give")
    clinic.say("bob", "refuse")
    listed = clinic.party.done("GET", f"{clinic.at}/consents?state=given", 200)["items"]
    assert [each["id"] for each in listed] == [given["id"]]
    at = f"/v1/consents/{given['id']}/transitions"
    moved = clinic.party.done("POST", at, 201, json={"move": "invalidate", "channel": "other"})
    assert moved["state"] == "invalidated"
    assert [e["move"] for e in clinic.party.done("GET", at, 200)["items"]] == ["give", "invalidate"]
    wrong = clinic.party.post(at, json={"move": "withdraw", "channel": "other"})
    assert (wrong.status_code, wrong.json()["possible"]) == (409, ["request", "give", "refuse"])
    entries = clinic.party.done("GET", "/v1/log-entries?action=consent.give", 200)["items"]
    assert entries[0]["details"]["eventDigest"] == given["events"][0]["digest"]


def test_a_file_is_worked_off_line_by_line_and_again_without_effect(hub: Hub) -> None:
    clinic = a_ruled_clinic(hub)
    lines: list[bytes] = []
    for n in range(300):
        said = {"subject": f"p{n}", "purpose": "dpv:ResearchAndDevelopment", "move": "give", "at": "2026-05-01T00:00:00Z",
                "validUntil": UNTIL, "explicit": True}  # fmt: skip
        lines.append(orjson.dumps(said))
    lines.append(orjson.dumps({**orjson.loads(lines[0]), "move": "withdraw", "at": "2026-05-02T00:00:00Z"}))
    lines += [
        b"{not json",
        b'"text"',
        orjson.dumps({**orjson.loads(lines[1]), "validUntil": None, "subject": "x"}),
        orjson.dumps({**orjson.loads(lines[1]), "purpose": "dpv:Nothing"}),
        orjson.dumps({**orjson.loads(lines[1]), "move": "withdraw", "at": "2026-04-01T00:00:00Z"}),
        orjson.dumps({**orjson.loads(lines[1]), "at": "yesterday"}),
        orjson.dumps({**orjson.loads(lines[1]), "subject": ""}),
    ]
    content = b"\n".join(lines)
    dry = clinic.send(content, query="channel=paper&dryRun=true")
    assert (dry["lines"], dry["applied"], dry["faulty"]) == (308, 301, 7)
    assert clinic.party.done("GET", f"{clinic.at}/consents", 200)["items"] == []
    done = clinic.send(content)
    assert (done["lines"], done["applied"], done["unchanged"], done["faulty"]) == (308, 301, 0, 7)
    assert done["bytesDone"] == done["bytes"] == len(content)
    faults = clinic.party.done("GET", f"{clinic.at}/consent-imports/{done['id']}/faults", 200)["items"]
    assert [(f["line"], f["code"]) for f in faults] == [
        (302, "not-json"), (303, "not-an-object"), (304, "missing"), (305, "unknown-purpose"),
        (306, "older-than-last"), (307, "not-an-instant"), (308, "subject-key"),
    ]  # fmt: skip
    again = clinic.send(content)
    assert (again["applied"], again["unchanged"]) == (0, 300), "all but the one that was overtaken"
    assert clinic.say("p1", "withdraw")["state"] == "withdrawn"
    [first] = clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": "p0"})["items"]
    assert (first["state"], [e["channel"] for e in first["events"]]) == ("withdrawn", ["paper", "paper"])


def test_csv_names_its_columns(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    rows = "subject,purpose,move,at,validUntil,explicit\n"
    rows += f'"ann, the first",{RESEARCH},give,2026-05-01T00:00:00Z,{UNTIL},true\nbob,{RESEARCH},refuse,2026-05-01T00:00:00Z,,\nx,y\n'
    done = clinic.send(rows.encode(), "text/csv", "channel=paper&evidence=box 12")
    assert (done["applied"], done["faulty"]) == (2, 1)
    [ann] = clinic.party.done(
        "POST", f"{clinic.at}/consents/lookups", 200, json={"subject": "ann, the first"}
    )["items"]
    assert (ann["state"], ann["events"][0]["evidence"]) == ("given", "box 12")
    at = f"{clinic.at}/consent-imports?channel=paper"
    bad = clinic.party.post(at, content=b"who,what\na,b\n", headers={"Content-Type": "text/csv"})
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid-consent-import")
    assert clinic.party.post(at, content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415


def test_an_import_killed_between_chunks_goes_on_where_it_was(
    sqlite_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datahub.consent.service import imports

    monkeypatch.setattr(imports, "CHUNK_LINES", 10)
    monkeypatch.setattr(imports, "CHUNKS_A_TURN", 1)
    clinic = a_ruled_clinic(sqlite_hub)
    said = {"purpose": RESEARCH, "move": "refuse", "at": "2026-05-01T00:00:00Z"}
    content = b"".join(orjson.dumps({**said, "subject": f"p{n}"}) + b"\n" for n in range(25))
    at = f"{clinic.at}/consent-imports"
    headers = {"Content-Type": "application/x-ndjson"}
    made = clinic.party.done("POST", f"{at}?channel=paper", 202, content=content, headers=headers)
    seen = []
    for _ in range(4):
        sqlite_hub.work()
        seen.append(clinic.party.done("GET", f"{at}/{made['id']}", 200)["lines"])
    assert seen == [10, 20, 25, 25]
    assert clinic.party.done("GET", f"{at}/{made['id']}", 200)["applied"] == 25


def test_a_line_with_a_list_or_an_object_in_a_wrong_place_is_a_fault_and_stops_nobody(
    sqlite_hub: Hub,
) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    good: dict[str, Any] = {
        "subject": "ann",
        "purpose": RESEARCH,
        "move": "give",
        "at": "2026-06-01T11:00:00Z",
    }
    good |= {"validUntil": UNTIL, "explicit": True}
    wrong = [good | {name: odd} for name in good for odd in ([1], {"a": 1})]
    wrong += [
        good | {name: [1]} for name in ("language", "ruleNumber", "conditional", "majorityAt", "evidence")
    ]
    done = clinic.send(b"\n".join(orjson.dumps(line) for line in [*wrong, good]))
    assert (done["state"], done["applied"], done["faulty"]) == ("done", 1, len(wrong))


def test_an_import_whose_file_is_gone_fails_with_a_reason_and_holds_up_nobody(sqlite_hub: Hub) -> None:
    clinic = a_ruled_clinic(sqlite_hub)
    at = f"{clinic.at}/consent-imports"
    headers = {"Content-Type": "application/x-ndjson"}
    lost = clinic.party.done("POST", f"{at}?channel=paper", 202, content=b"{}\n", headers=headers)
    storage(sqlite_hub.settings).delete(f"consent-imports/{lost['id']}")
    line = {"subject": "ann", "purpose": RESEARCH, "move": "refuse", "at": "2026-05-01T00:00:00Z"}
    assert clinic.send(orjson.dumps(line))["applied"] == 1
    found = clinic.party.done("GET", f"{at}/{lost['id']}", 200)
    assert (found["state"], found["lines"]) == ("failed", 0)
    assert "send it again" in found["why"]

"""The person's side: who received rows, who erased them, what was asked and what became of it; all over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest

from datahub.audit import About, record, record_subjects
from datahub.consent import digest_of_key
from datahub.duties.rules.lives import months_after
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import ANONYMOUS
from tests.consent.building import MARKETING, RESEARCH, a_purpose
from tests.duties.region import WHOLE, Region, a_region
from tests.duties.stage import SAID
from tests.hub import Hub, a_hub

TASK = "https://w3id.org/dpv#PublicBenefit"
CONTRACT = "https://w3id.org/dpv#ServiceProvision"


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("rights")
    with a_hub(home, f"sqlite:///{home}/datahub.db") as hub:
        yield hub


@pytest.fixture
def region(one_hub: Hub, request: pytest.FixtureRequest) -> Region:
    purposes = [
        a_purpose(),
        a_purpose(MARKETING, basis="legitimate-interest", explicit=False),
        a_purpose(TASK, basis="public-task", choice="none", explicit=False),
        a_purpose(CONTRACT, basis="contract", explicit=False),
    ]
    return a_region(one_hub, slug=f"clinic-{abs(hash(request.node.name)) % 10**9}", purposes=purposes)


def mine(region: Region, token: str, path: str) -> Any:
    answer = region.clinic.mine(token, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(region: Region, token: str, status: int = 201, **body: Any) -> Any:
    answer = region.clinic.mine(token, "POST", "/requests", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_person_sees_who_received_rows_and_who_says_that_they_were_erased(region: Region) -> None:
    one, other = (region.university(f"{n}-{region.clinic.party.id[-8:]}") for n in ("one", "other"))
    for who in (one, other):
        region.receive(region.agree(who, WHOLE), "ann", "bob")
    token = region.clinic.session("ann")
    before = mine(region, token, "/recipients")["items"]
    assert {each["organisation"] for each in before} == {one.participant.name, other.participant.name}
    assert [each["erasure"] for each in before] == [None, None]
    assert {each["purpose"] for each in before} == {RESEARCH}
    assert before[0]["firstAt"] == before[0]["lastAt"] == region.at(0)
    body = {"datasetId": region.clinic.dataset_id, "purpose": RESEARCH, "move": "withdraw"}
    assert region.clinic.mine(token, "POST", "/consents", json=body).status_code == 201
    region.go_out()
    (duty,) = region.recalls(one)
    said = {"move": "fulfil", "evidence": SAID}
    one.done("POST", f"/v1/duties/{duty['id']}/transitions", 201, json=said)
    found = {each["organisation"]: each["erasure"] for each in mine(region, token, "/recipients")["items"]}
    confirmed, waiting = found[one.participant.name], found[other.participant.name]
    assert (confirmed["state"], confirmed["confirmedAt"]) == ("fulfilled", region.at(0))
    assert confirmed["evidence"]["text"] == SAID["text"]
    assert (waiting["state"], waiting["confirmedAt"]) == ("due", None)
    bob = mine(region, region.clinic.session("bob"), "/recipients")["items"]
    assert [each["erasure"] for each in bob] == [None, None], "what others ask is nobody's business"
    assert mine(region, region.clinic.session("zed"), "/recipients")["items"] == []


def test_a_request_to_be_erased_is_a_duty_with_a_month_and_its_state_shows(region: Region) -> None:
    clinic, hub = region.clinic, region.hub
    token = clinic.session("ann")
    asked = ask(region, token, kind="erasure", wish="I moved away")
    assert (asked["state"], asked["rule"], asked["moves"]) == ("due", "GDPR art. 17", ["withdraw"])
    again = ask(region, token, 409, kind="erasure")
    assert (again["code"], again["dutyId"]) == ("asked-already", asked["id"])
    hub.work()
    duty = clinic.party.done("GET", f"/v1/duties/{asked['id']}", 200)
    assert (duty["creditorId"], duty["debtorId"], duty["wish"]) == (None, clinic.party.id, "I moved away")
    assert duty["moves"] == ["fulfil", "decline", "extend"]
    assert asked["dueAt"] == rfc3339(months_after(hub.clock(), 1))
    (person,) = clinic.party.done("GET", f"/v1/duties/{asked['id']}/subjects", 200)["items"]
    assert (person["known"], person["name"]) == ("key", "ann")
    assert person["linkId"]
    at = f"/v1/duties/{asked['id']}/transitions"
    longer = {"move": "extend", "reason": "many at once", "dueAt": region.at(60)}
    clinic.party.done("POST", at, 201, json=longer)
    assert mine(region, token, f"/requests/{asked['id']}")["dueAt"] == region.at(60)
    assert clinic.party.post(at, json={**longer, "dueAt": region.at(61)}).status_code == 409, "once"
    clinic.party.done("POST", f"{clinic.at}/consents/erasures", 200, json={"subject": "ann"})
    clinic.party.done("POST", at, 201, json={"move": "fulfil", "evidence": SAID})
    gone = clinic.mine(token, "GET", "/requests")
    assert gone.status_code == 401, "being erased ends the sessions of old links"
    (seen,) = mine(region, clinic.session("ann"), "/requests")["items"]
    assert (seen["state"], seen["evidence"]["text"]) == ("fulfilled", SAID["text"])
    back = clinic.mine(
        clinic.session("ann"), "POST", f"/requests/{asked['id']}/transitions",
        json={"move": "dispute", "reason": "I still get letters"},
    )  # fmt: skip
    assert (back.status_code, back.json()["state"]) == (201, "due")
    moves = mine(region, clinic.session("ann"), f"/requests/{asked['id']}/transitions")["items"]
    assert [each["move"] for each in moves] == ["arise", "extend", "fulfil", "return"]


def test_a_no_of_the_organisation_gives_its_reason_and_a_request_can_be_taken_back(region: Region) -> None:
    clinic = region.clinic
    token = clinic.session("bob")
    asked = ask(region, token, kind="erasure", datasetId=clinic.dataset_id)
    at = f"/v1/duties/{asked['id']}/transitions"
    assert clinic.party.post(at, json={"move": "decline"}).status_code == 400
    clinic.party.done(
        "POST", at, 201, json={"move": "decline", "reason": "The law has us keep it until 2030"}
    )
    (seen,) = mine(region, token, "/requests")["items"]
    assert (seen["state"], seen["answer"]) == ("declined", "The law has us keep it until 2030")
    second = ask(region, token, kind="erasure", datasetId=clinic.dataset_id)
    taken = clinic.mine(
        token,
        "POST",
        f"/requests/{second['id']}/transitions",
        json={"move": "withdraw", "reason": "never mind"},
    )
    assert (taken.status_code, taken.json()["state"]) == (201, "waived")
    other = clinic.session("cat")
    assert clinic.mine(other, "GET", f"/requests/{second['id']}").status_code == 404
    late = ask(region, other, kind="erasure")
    region.hub.clock.forward(days=32)
    region.hub.work()
    assert mine(region, clinic.session("cat"), f"/requests/{late['id']}")["state"] == "overdue"


def test_an_objection_holds_at_once_where_the_rule_leaves_a_no_and_is_judged_where_it_does_not(
    region: Region,
) -> None:
    clinic, at = region.clinic, region.clinic.dataset_id
    token = clinic.session("ann")
    done = ask(region, token, kind="objection", datasetId=at, purpose=MARKETING)
    assert (done["state"], done["kind"]) == ("fulfilled", "objection")
    topics = {each["purpose"]: each for each in mine(region, token, "/consents")["items"]}
    assert topics[MARKETING]["isInForce"] is False
    judged = ask(region, token, kind="objection", datasetId=at, purpose=TASK, wish="My case is special")
    assert (judged["state"], judged["rule"]) == ("due", "GDPR art. 21")
    for purpose in (RESEARCH, CONTRACT):
        refused = ask(region, token, 409, kind="objection", datasetId=at, purpose=purpose)
        assert refused["code"] == "nothing-to-object-to"
    assert ask(region, token, 400, kind="objection")["errors"][1]["pointer"] == "/purpose"
    unknown = ask(region, token, 400, kind="objection", datasetId=at, purpose="dpv:Nothing")
    assert unknown["errors"][0]["pointer"] == "/purpose"
    assert ask(region, token, 400, kind="erasure", datasetId="x")["errors"][0]["pointer"] == "/datasetId"
    assert ask(region, token, 400, kind="erasure", purpose=TASK)["errors"][0]["pointer"] == "/purpose"


def test_the_report_and_the_export_are_the_persons_own_and_leave_a_trace(region: Region) -> None:
    clinic, hub = region.clinic, region.hub
    token = clinic.session("ann")
    nobody = clinic.mine(token, "GET", "/report")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "subject-not-found")
    with hub.context(ANONYMOUS) as ctx:
        about = About(
            provider_id=clinic.party.id,
            consumer_id=clinic.party.id,
            dataset_id=clinic.dataset_id,
            purpose=RESEARCH,
        )
        attempt = record(ctx, "data.read", about)
        digests = [digest_of_key(ctx.settings, clinic.party.id, "citizen", key) for key in ("ann", "bob")]
        record_subjects(ctx, attempt.id, about, "citizen", digests)
    hub.work()
    hub.clock.forward(minutes=1)
    hub.work()
    report = mine(region, token, "/report")
    assert len(report["items"]) == 1
    assert report["subjectKey"] != mine(region, clinic.session("bob"), "/report")["subjectKey"]
    assert report["items"][0]["receipt"], "it is under a signed head"
    export = clinic.mine(token, "GET", "/export")
    assert export.status_code == 200, export.text
    assert "attachment" in export.headers["content-disposition"]
    kept = export.json()
    assert sorted(kept) == ["consents", "exportedAt", "recipients", "report", "requests"]
    assert len(kept["consents"]) == 4
    looked = clinic.party.done("GET", "/v1/log-entries?pageSize=50", 200)["items"]
    assert {"person.export", "person.read-recipients", "log.report"} <= {each["action"] for each in looked}

"""Access requests over HTTP: asked, approved, returned, countered, accepted, rejected, withdrawn, expired."""

from datetime import timedelta

from sqlmodel import select

from datahub.audit import Entry
from datahub.contracts.jobs import expire_due
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.outbox import OutboxRow
from datahub.participants import Participant
from tests.build import NOON
from tests.contracts.stage import KVK, MARKETING, RESEARCH, Stage


def states(request: dict) -> list[tuple[str, str]]:  # type: ignore[type-arg]
    return [(step["move"], step["toState"]) for step in request["steps"]]


def test_a_request_is_approved_and_ends_in_an_agreement(stage: Stage) -> None:
    request = stage.ask(stage.an_offer(), wishedUntil="2027-06-01T00:00:00Z")
    assert (request["state"], request["status"]) == ("REQUESTED", "submitted")
    answer = stage.move("approver", request, "approve", validUntil="2027-01-01T00:00:00Z", reason="fine")
    assert answer.status_code == 201, answer.text
    approved = answer.json()
    assert (approved["state"], approved["status"]) == ("FINALIZED", "approved")
    assert states(approved) == [
        ("request", "REQUESTED"),
        ("approve", "AGREED"),
        ("approve", "VERIFIED"),
        ("approve", "FINALIZED"),
    ]
    assert [step["party"] for step in approved["steps"]] == ["consumer", "provider", "consumer", "provider"]
    assert [step["isByRule"] for step in approved["steps"]] == [False, False, True, True]
    agreement = stage.read("requester", approved["agreementId"])
    assert agreement["standing"] == "in-force"
    assert agreement["validUntil"] == "2027-01-01T00:00:00Z"
    assert agreement["policyHash"] == request["agreesTo"]


def test_changed_terms_are_returned_countered_and_accepted(stage: Stage) -> None:
    request = stage.ask(stage.an_offer())
    terms = {"template": "purpose", "parameters": {"purposes": ["dpv:AcademicResearch"]}}
    returned = stage.move("approver", request, "return", reason="narrower", **terms).json()
    assert (returned["state"], returned["status"]) == ("OFFERED", "returned")
    assert returned["policyHash"] != request["policyHash"]
    countered = stage.move(
        "requester", returned, "counter", agreesTo=returned["policyHash"], wishedUntil="2026-12-01T00:00:00Z"
    ).json()
    assert (countered["state"], countered["wishedUntil"]) == ("REQUESTED", "2026-12-01T00:00:00Z")
    again = stage.move(
        "approver", countered, "return", reason="shorter", validUntil="2026-10-01T00:00:00Z"
    ).json()
    accepted = stage.move("requester", again, "accept", agreesTo=again["policyHash"]).json()
    assert accepted["state"] == "FINALIZED"
    assert states(accepted)[-4:] == [
        ("accept", "ACCEPTED"),
        ("accept", "AGREED"),
        ("accept", "VERIFIED"),
        ("accept", "FINALIZED"),
    ]
    agreement = stage.read("approver", accepted["agreementId"])
    assert agreement["policyHash"] == returned["policyHash"]
    assert agreement["validUntil"] == "2026-10-01T00:00:00Z"


def test_a_counter_may_go_back_to_the_policy_of_the_offer(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    request = one_stage.ask(offer)
    terms = {"template": "purpose", "parameters": {"purposes": ["dpv:AcademicResearch"]}}
    returned = one_stage.move("approver", request, "return", reason="narrower", **terms).json()
    countered = one_stage.move("requester", returned, "counter", agreesTo=offer["policyHash"]).json()
    assert countered["policyHash"] == offer["policyHash"] == countered["agreesTo"]


def test_a_request_is_rejected_with_a_reason(stage: Stage) -> None:
    request = stage.ask(stage.an_offer())
    silent = stage.move("approver", request, "reject")
    assert silent.status_code == 400
    assert [e["pointer"] for e in silent.json()["errors"]] == ["/reason"]
    rejected = stage.move("approver", request, "reject", reason="not our task").json()
    assert (rejected["state"], rejected["status"]) == ("TERMINATED", "rejected")
    assert rejected["steps"][-1]["reason"] == "not our task"
    assert rejected["possibleMoves"] == []
    late = stage.move("approver", request, "approve")
    assert (late.status_code, late.json()["code"]) == (409, "request-move-not-possible")


def test_the_consumer_withdraws(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    assert one_stage.move("requester", request, "withdraw").json()["status"] == "withdrawn"


def test_a_request_that_the_policy_can_never_permit_is_refused_at_once(stage: Stage) -> None:
    offer = stage.an_offer()
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": MARKETING}
    answer = stage.client("requester").post("/v1/access-requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "policy-forbids")
    decision = answer.json()["decision"]
    assert decision["code"] == "purpose-not-met"
    (way,) = decision["wouldPermit"]
    assert (way["code"], way["change"]) == ("purpose-not-met", "change-purpose")
    assert way["sentence"]["nl"].startswith("Vraag voor een doel dat past: ")
    assert decision["explanation"]["nl"].startswith("Niet toegestaan.")
    assert stage.client("requester").get("/v1/access-requests").json()["items"] == []


def test_an_organisation_does_not_ask_itself(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    answer = one_stage.client("own-requester").post("/v1/access-requests", json=body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "own-offer"


def test_all_faults_of_a_request_are_named_at_once(one_stage: Stage) -> None:
    question = {"id": "plan", "label": {"en": "Your plan"}, "required": True}
    dated = {"id": "since", "label": {"en": "Since"}, "kind": "date"}
    offer = one_stage.an_offer(questions=[question, dated])
    body = {
        "offerId": offer["id"],
        "agreesTo": offer["policyHash"],
        "purpose": "dpv:WorldPeace",
        "answers": {"since": "yesterday", "colour": "blue"},
        "wishedUntil": "2020-01-01T00:00:00Z",
        "supersedes": offer["id"],
    }
    answer = one_stage.client("requester").post("/v1/access-requests", json=body)
    assert answer.status_code == 400
    assert {(e["pointer"], e["code"]) for e in answer.json()["errors"]} == {
        ("/answers/plan", "missing"),
        ("/answers/since", "wrong-type"),
        ("/answers/colour", "unknown-question"),
        ("/wishedUntil", "not-future"),
        ("/purpose", "unknown-purpose"),
        ("/supersedes", "not-found"),
    }


def test_who_read_an_older_version_of_the_offer_is_told_that_terms_have_changed(one_stage: Stage) -> None:
    offer = one_stage.an_offer()
    where = f"{one_stage.offers_at}/{offer['id']}"
    terms = {"title": {"en": "Everybody"}, "template": "open"}
    changed = one_stage.client("publisher").put(where, json=terms, headers={"If-Match": "*"})
    assert changed.status_code == 200, changed.text
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    answer = one_stage.client("requester").post("/v1/access-requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "terms-have-changed")


def test_a_closed_offer_takes_no_requests_and_a_draft_is_not_there(one_stage: Stage) -> None:
    draft = one_stage.an_offer(is_open=False)
    body = {"offerId": draft["id"], "agreesTo": draft["policyHash"], "purpose": RESEARCH}
    assert one_stage.client("requester").post("/v1/access-requests", json=body).status_code == 400
    offer = one_stage.an_offer()
    where = f"{one_stage.offers_at}/{offer['id']}/transitions"
    assert one_stage.client("publisher").post(where, json={"move": "close"}).status_code == 201
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    answer = one_stage.client("requester").post("/v1/access-requests", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "offer-not-open")


def test_an_automatic_offer_approves_by_rule_in_the_same_call(stage: Stage) -> None:
    named = [{"leftOperand": "recipient", "operator": "isAnyOf", "rightOperand": [f"kvk:{KVK}"]}]
    offer = stage.an_offer(automatic=named)
    mine = stage.ask(offer)
    assert (mine["state"], mine["status"], mine["isByRule"]) == ("FINALIZED", "approved", True)
    other = stage.ask(offer, token="stranger")
    assert (other["state"], other["isByRule"]) == ("REQUESTED", False)


def test_an_empty_automatic_rule_approves_everybody(one_stage: Stage) -> None:
    assert one_stage.ask(one_stage.an_offer(automatic=[]))["status"] == "approved"


def test_nobody_answers_in_time_and_the_request_expires(stage: Stage) -> None:
    request = stage.ask(stage.an_offer(approvalDeadlineDays=3))
    assert request["dueAt"] == "2026-06-04T12:00:00Z"
    stage.pass_time(days=3)
    where = f"/v1/access-requests/{request['id']}"
    read = stage.client("requester").get(where).json()
    assert (read["state"], read["status"]) == ("TERMINATED", "expired"), "the clock is asked, not the worker"
    listed = {
        s: stage.client("requester").get(f"/v1/access-requests?state={s}").json()
        for s in ("REQUESTED", "TERMINATED")
    }
    assert [len(page["items"]) for page in listed.values()] == [0, 1]
    late = stage.move("approver", request, "approve")
    assert (late.status_code, late.json()["code"]) == (409, "request-move-not-possible")
    for expected in (1, 0):
        with db.transaction(stage.engine) as session:
            assert expire_due(Context(session, ANONYMOUS, stage.now, "job", stage.settings)) == expected
    after = stage.client("requester").get(where).json()
    assert after["steps"][-1]["party"] == "clock"


def test_both_sides_and_overseers_see_a_request_and_nobody_else_does(stage: Stage) -> None:
    request = stage.ask(stage.an_offer())
    where = f"/v1/access-requests/{request['id']}"
    for token, expected in (
        ("requester", 200),
        ("approver", 200),
        ("publisher", 200),
        ("auditor", 200),
        ("admin", 200),
        ("stranger", 404),
    ):
        client = stage.client(token)
        assert client.get(where).status_code == expected, token
        assert len(client.get("/v1/access-requests").json()["items"]) == (expected == 200), token
        assert client.get(where + "/transitions").status_code == expected, token
        assert client.get(where + "/comments").status_code == expected, token
    assert stage.client().get(where).status_code == 401
    assert stage.move("stranger-approver", request, "approve").status_code == 404


def test_only_the_right_role_on_the_right_side_moves_a_request(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    refused = [
        ("requester", "approve"),
        ("consumer-approver", "approve"),
        ("own-requester", "approve"),
        ("admin", "approve"),
        ("consumer-approver", "withdraw"),
        ("approver", "withdraw"),
    ]
    for token, move in refused:
        answer = one_stage.move(token, request, move)
        assert (answer.status_code, answer.json()["code"]) == (403, "request-move-not-allowed"), (token, move)
    wrong_payload_too = one_stage.move("requester", request, "reject", agreesTo="0" * 64)
    assert wrong_payload_too.status_code == 403, "permission comes first"


def test_a_move_takes_only_what_belongs_to_it(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer(), wishedUntil="2026-12-01T00:00:00Z")
    answer = one_stage.move("approver", request, "approve", agreesTo="0" * 64, purpose=RESEARCH)
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/agreesTo", "/purpose"}
    longer = one_stage.move("approver", request, "approve", validUntil="2027-01-01T00:00:00Z")
    assert [e["code"] for e in longer.json()["errors"]] == ["after-wished-end"]
    empty = one_stage.move("approver", request, "return", reason="hm")
    assert [e["pointer"] for e in empty.json()["errors"]] == ["/policy"]
    unknown = one_stage.move(
        "approver",
        request,
        "return",
        reason="hm",
        policy={"@type": "Offer", "permission": [{"action": "fly"}]},
    )
    assert (unknown.status_code, unknown.json()["code"]) == (400, "policy-not-usable")
    assert unknown.json()["errors"][0]["pointer"] == "/policy/permission/0/action"
    assert one_stage.move("approver", request, "explode").status_code == 400


def test_both_sides_comment(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    where = f"/v1/access-requests/{request['id']}/comments"
    assert one_stage.client("requester").post(where, json={"text": "Soon?"}).status_code == 201
    assert one_stage.client("approver").post(where, json={"text": "Tomorrow."}).status_code == 201
    assert one_stage.client("admin").post(where, json={"text": "Me too"}).status_code == 403
    texts = [each["text"] for each in one_stage.client("approver").get(where).json()["items"]]
    assert texts == ["Soon?", "Tomorrow."]


def test_lists_are_filtered_and_paged(stage: Stage) -> None:
    offer = stage.an_offer()
    requests = [stage.ask(offer)["id"] for _ in range(3)]
    stage.move("requester", {"id": requests[0]}, "withdraw")
    client = stage.client("requester")
    page = client.get("/v1/access-requests?pageSize=2").json()
    rest = client.get(f"/v1/access-requests?pageSize=2&cursor={page['nextCursor']}").json()
    assert [r["id"] for r in page["items"] + rest["items"]] == requests[::-1]
    assert len(client.get("/v1/access-requests?state=REQUESTED").json()["items"]) == 2
    assert client.get("/v1/access-requests?role=provider").json()["items"] == []
    assert len(stage.client("approver").get("/v1/access-requests?role=provider").json()["items"]) == 3
    assert client.get(f"/v1/access-requests?dataset={offer['id']}").json()["items"] == []
    for wrong in ("dataset=%00", "role=clock", "state=LOST"):
        assert client.get(f"/v1/access-requests?{wrong}").status_code == 400
        assert client.get(f"/v1/agreements?{wrong}").status_code == 400


def test_a_suspended_organisation_is_given_nothing(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    with db.transaction(one_stage.engine) as session:
        session.get_one(Participant, one_stage.consumer.id).state = "suspended"
    answer = one_stage.move("approver", request, "approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "party-not-active")


def test_a_withdrawn_dataset_is_given_to_nobody(one_stage: Stage) -> None:
    request = one_stage.ask(one_stage.an_offer())
    with db.transaction(one_stage.engine) as session:
        session.merge(one_stage.dataset).state = "withdrawn"
    answer = one_stage.move("approver", request, "approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "offer-not-open")
    body = {"title": {"en": "x"}, "template": "open"}
    made = one_stage.client("publisher").post(one_stage.offers_at, json=body)
    assert (made.status_code, made.json()["code"]) == (410, "dataset-withdrawn")


def test_an_end_that_has_passed_cannot_be_approved_or_accepted(one_stage: Stage) -> None:
    end = (NOON + timedelta(days=2)).isoformat()
    request = one_stage.ask(one_stage.an_offer(), wishedUntil=end)
    one_stage.pass_time(days=2)
    answer = one_stage.move("approver", request, "approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "request-move-not-possible")


def test_a_repeated_request_with_the_same_key_is_made_once(stage: Stage) -> None:
    offer = stage.an_offer()
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    client = stage.client("requester")
    first, second = (
        client.post("/v1/access-requests", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


def test_every_move_is_in_the_log_of_both_sides_and_in_the_outbox(stage: Stage) -> None:
    request = stage.ask(stage.an_offer())
    stage.move("approver", request, "approve")
    with db.transaction(stage.engine) as session:
        entries = session.exec(select(Entry).where(Entry.thing_id == request["id"])).all()
        facts = [row.fact for row in session.exec(select(OutboxRow))]
    assert [e.action for e in entries] == ["access-request.request", "access-request.approve"]
    sides = {(e.provider_id, e.consumer_id, e.dataset_id) for e in entries}
    assert sides == {(stage.provider.id, stage.consumer.id, stage.dataset.id)}
    assert facts.count("AccessRequestMoved") == 2
    assert facts.count("AgreementConcluded") == 1

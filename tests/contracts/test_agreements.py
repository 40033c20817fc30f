"""Agreements over HTTP: frozen, signed, suspended, ended, revoked, expired, renewed."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from joserfc import jws
from joserfc.jwk import KeySet
from sqlmodel import select
from starlette.testclient import TestClient

from datahub.audit import Entry
from datahub.contracts import agreements_in_force
from datahub.contracts.jobs import expire_due
from datahub.contracts.rules.agreements import canonical
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.outbox import OutboxRow
from datahub.oauth import verify_text
from datahub.participants import Participant
from tests.build import a_context
from tests.contracts.dsp import dsp_validator
from tests.contracts.stage import RESEARCH, Stage


def in_force(stage: Stage) -> list[str]:
    with db.transaction(stage.engine) as session:
        found = agreements_in_force(session, stage.consumer.id, stage.dataset.id, stage.now)
        return [agreement.id for agreement in found]


def test_an_agreement_is_signed_and_anyone_can_verify_it(stage: Stage) -> None:
    agreement = stage.an_agreement(wishedUntil="2027-06-01T00:00:00Z")
    with a_context(stage.engine, stage.settings, ANONYMOUS) as ctx:
        payload = verify_text(ctx, agreement["signature"], "agreement+jws")
    assert payload == canonical(agreement["statement"])
    published = stage.client().get("/v1/signing-keys").json()["items"]
    keys = KeySet.import_key_set({"keys": [each["publicJwk"] for each in published]})
    outside = jws.deserialize_compact(agreement["signature"], keys, algorithms=["ES256"])
    assert outside.payload == payload, "with nothing but public keys and a JOSE library"
    statement = json.loads(payload)
    assert statement["policyHash"] == agreement["policyHash"]
    for language in ("nl", "en"):
        text = stage.client("requester").get(f"/v1/agreements/{agreement['id']}/text?lang={language}")
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        assert statement["textHash"][language] == f"sha256:{hashlib.sha256(text.content).hexdigest()}"
    assert "Academisch onderzoek" in agreement["text"]["nl"]
    assert "Valid until: 2027-06-01T00:00:00Z" in agreement["text"]["en"]


def test_an_agreement_reads_as_an_odrl_agreement(one_stage: Stage) -> None:
    agreement = one_stage.an_agreement()
    headers = {"Accept": "application/ld+json"}
    answer = one_stage.client("requester").get(f"/v1/agreements/{agreement['id']}", headers=headers)
    assert answer.headers["content-type"] == "application/ld+json"
    document = answer.json()
    assert document["@context"] == ["https://w3id.org/dspace/2025/1/context.jsonld"]
    assert (document["@type"], document["@id"]) == ("Agreement", f"urn:uuid:{agreement['id']}")
    assert document["target"] == f"urn:uuid:{one_stage.dataset.id}"
    assert document["assigner"] == f"urn:uuid:{one_stage.provider.id}"
    assert document["assignee"] == f"urn:uuid:{one_stage.consumer.id}"
    assert document["timestamp"] == "2026-06-01T12:00:00Z"
    assert document["permission"][0]["action"] == "use"
    validator = dsp_validator("Agreement")
    validator.validate(document)
    picky = {"Accept": "text/turtle"}
    refused = one_stage.client("requester").get(f"/v1/agreements/{agreement['id']}", headers=picky)
    assert refused.status_code == 406


def test_suspending_bites_at_once_and_resuming_lifts_it(stage: Stage) -> None:
    agreement = stage.an_agreement()
    assert in_force(stage) == [agreement["id"]]
    assert stage.move_agreement("approver", agreement["id"], "suspend").status_code == 400, (
        "a reason is needed"
    )
    suspended = stage.move_agreement("approver", agreement["id"], "suspend", "checking").json()
    assert (suspended["state"], suspended["standing"]) == ("suspended", "agreement-suspended")
    assert in_force(stage) == []
    resumed = stage.move_agreement("provider-admin", agreement["id"], "resume")
    assert resumed.json()["standing"] == "in-force"
    assert in_force(stage) == [agreement["id"]]


def test_what_the_exchange_suspended_only_the_exchange_lifts(one_stage: Stage) -> None:
    agreement = one_stage.an_agreement()
    assert one_stage.move_agreement("admin", agreement["id"], "suspend", "complaint").status_code == 201
    refused = one_stage.move_agreement("approver", agreement["id"], "resume")
    assert (refused.status_code, refused.json()["code"]) == (403, "agreement-move-not-allowed")
    assert one_stage.move_agreement("admin", agreement["id"], "resume").status_code == 201


def test_either_side_ends_and_only_the_provider_revokes(one_stage: Stage) -> None:
    first, second = one_stage.an_agreement(), one_stage.an_agreement()
    assert one_stage.move_agreement("requester", first["id"], "revoke", "no").status_code == 403
    assert one_stage.move_agreement("admin", first["id"], "end").status_code == 403
    assert one_stage.move_agreement("publisher", first["id"], "end").status_code == 403
    ended = one_stage.move_agreement("requester", first["id"], "end")
    assert (ended.json()["state"], ended.json()["standing"]) == ("ended", "agreement-ended")
    revoked = one_stage.move_agreement("approver", second["id"], "revoke", "misuse")
    assert (revoked.json()["state"], revoked.json()["standing"]) == ("revoked", "agreement-revoked")
    again = one_stage.move_agreement("approver", second["id"], "resume")
    assert (again.status_code, again.json()["code"]) == (409, "agreement-move-not-possible")


def test_an_agreement_expires_by_the_clock_before_any_worker_comes(stage: Stage) -> None:
    agreement = stage.an_agreement(wishedUntil="2026-06-02T12:00:00Z")
    stage.pass_time(days=1)
    assert in_force(stage) == []
    read = stage.read("requester", agreement["id"])
    assert (read["state"], read["standing"]) == ("expired", "agreement-expired")
    listed = stage.client("requester").get("/v1/agreements?state=expired").json()["items"]
    assert [each["id"] for each in listed] == [agreement["id"]]
    assert stage.client("requester").get("/v1/agreements?state=active").json()["items"] == []
    assert stage.move_agreement("approver", agreement["id"], "suspend", "late").status_code == 409
    for expected in (1, 0):
        with db.transaction(stage.engine) as session:
            assert expire_due(Context(session, ANONYMOUS, stage.now, "job", stage.settings)) == expected
    history = stage.client("requester").get(f"/v1/agreements/{agreement['id']}/transitions").json()["items"]
    assert [each["move"] for each in history] == ["conclude", "expire"]


def test_a_suspended_organisation_on_either_side_stops_the_agreement(stage: Stage) -> None:
    agreement = stage.an_agreement()
    for participant, code in (
        (stage.consumer, "consumer-not-active"),
        (stage.provider, "provider-not-active"),
    ):
        with db.transaction(stage.engine) as session:
            session.get_one(Participant, participant.id).state = "suspended"
        assert in_force(stage) == []
        assert stage.read("auditor", agreement["id"])["standing"] == code
        with db.transaction(stage.engine) as session:
            session.get_one(Participant, participant.id).state = "admitted"


def test_a_renewal_replaces_the_agreement_and_shows_what_differs(stage: Stage) -> None:
    old = stage.an_agreement(wishedUntil="2026-07-01T00:00:00Z")
    new = stage.an_agreement(supersedes=old["id"], wishedUntil="2027-07-01T00:00:00Z")
    assert stage.read("requester", old["id"])["state"] == "ended"
    assert in_force(stage) == [new["id"]]
    assert new["supersedes"] == old["id"]
    changes = {each["term"]: each for each in new["changes"]}
    assert changes["validUntil"] == {
        "term": "validUntil",
        "from": "2026-07-01T00:00:00Z",
        "to": "2027-07-01T00:00:00Z",
    }
    assert "Valid until: 2027-07-01T00:00:00Z" in changes["text"]["added"]
    body = {
        "offerId": new["offerId"],
        "agreesTo": new["policyHash"],
        "purpose": RESEARCH,
        "supersedes": old["id"],
    }
    refused = stage.client("requester").post("/v1/access-requests", json=body)
    assert [e["code"] for e in refused.json()["errors"]] == ["ended"]


def test_both_sides_and_overseers_see_an_agreement_and_nobody_else_does(stage: Stage) -> None:
    agreement = stage.an_agreement()
    where = f"/v1/agreements/{agreement['id']}"
    for token, expected in (("requester", 200), ("approver", 200), ("auditor", 200), ("stranger", 404)):
        client = stage.client(token)
        for path in (where, where + "/text", where + "/transitions"):
            assert client.get(path).status_code == expected, (token, path)
        assert len(client.get("/v1/agreements").json()["items"]) == (expected == 200)
    assert stage.move_agreement("stranger", agreement["id"], "end").status_code == 404
    assert stage.client("stranger").get("/v1/agreements/not-an-id").status_code == 404


def test_every_move_kills_tokens_and_is_told_to_both_sides(stage: Stage) -> None:
    agreement = stage.an_agreement()
    stage.move_agreement("approver", agreement["id"], "suspend", "checking")
    stage.move_agreement("approver", agreement["id"], "resume")
    stage.move_agreement("approver", agreement["id"], "revoke", "misuse")
    with db.transaction(stage.engine) as session:
        entries = session.exec(
            select(Entry).where(Entry.agreement_id == agreement["id"]).order_by(Entry.id)
        ).all()
        facts = [row.fact for row in session.exec(select(OutboxRow).order_by(OutboxRow.id))]
    own = [e for e in entries if e.action.startswith("agreement.")]
    assert [e.action.partition(".")[2] for e in own] == ["conclude", "suspend", "resume", "revoke"]
    assert {(e.provider_id, e.consumer_id) for e in own} == {(stage.provider.id, stage.consumer.id)}
    assert [e.action for e in entries].count("oauth.revoke-agreement") == 2
    assert facts[-4:] == ["AgreementConcluded", "AgreementSuspended", "AgreementResumed", "AgreementRevoked"]


def test_two_who_approve_at_the_same_moment_make_one_agreement(stage: Stage) -> None:
    request = stage.ask(stage.an_offer())
    where = f"/v1/access-requests/{request['id']}/transitions"
    clients = [stage.client("approver") for _ in range(2)]
    for client in clients:
        assert (
            client.post(where, json={"move": "reject"}).status_code == 400
        )  # the framework builds routes when used
    starting = Barrier(2)

    def approve(client: TestClient) -> int:
        starting.wait()
        return client.post(where, json={"move": "approve"}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(approve, clients)) == [201, 409]
    assert len(in_force(stage)) == 1

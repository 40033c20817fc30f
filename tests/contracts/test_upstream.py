"""Data that is shared on: its offers grant nothing beyond the agreement it came under, and end when that ends."""

from typing import Any

import pytest

from datahub.contracts.rules import comparison
from datahub.contracts.rules.comparison import Relation, Verdict
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS
from datahub.worker import HANDLERS
from tests.build import a_context
from tests.contracts.stage import RESEARCH, Stage, a_dataset

ACADEMIC = {"template": "purpose", "parameters": {"purposes": ["dpv:AcademicResearch"]}}
ANYTHING = {"template": "open", "parameters": None}


class Sharing:
    """The consumer of one agreement, who offers what it obtained to a stranger."""

    def __init__(self, stage: Stage, **offer: Any) -> None:
        self.stage = stage
        self.upstream = stage.an_agreement() if not offer else self._agreed(offer)
        self.dataset = a_dataset(stage.engine, stage.consumer, "doorgegeven")
        self.client = stage.client("consumer-publisher")
        self.at = f"/v1/datasets/{self.dataset.id}"

    def _agreed(self, offer: dict[str, Any]) -> dict[str, Any]:
        request = self.stage.ask(self.stage.an_offer(**offer))
        approved = self.stage.move("approver", request, "approve")
        return self.stage.read("requester", approved.json()["agreementId"])

    def declare(self, agreement_id: str | None = None, client: Any = None) -> Any:
        etag = self.client.get(self.at).headers["ETag"]
        body = {"upstreamAgreementId": agreement_id or self.upstream["id"]}
        return (client or self.client).patch(self.at, json=body, headers={"If-Match": etag})

    def offer(self, terms: dict[str, Any]) -> Any:
        said = {name: value for name, value in terms.items() if value is not None}
        return self.client.post(f"{self.at}/offers", json={"title": {"en": "On"}} | said)

    def move(self, offer: dict[str, Any], move: str) -> Any:
        return self.client.post(f"{self.at}/offers/{offer['id']}/transitions", json={"move": move})

    def an_open_offer(self, terms: dict[str, Any]) -> dict[str, Any]:
        made = self.offer(terms)
        assert made.status_code == 201, made.text
        opened = self.move(made.json(), "open")
        assert opened.status_code == 201, opened.text
        shown: dict[str, Any] = opened.json()
        return shown


def test_an_offer_on_shared_data_stays_within_the_agreement_it_came_under(stage: Stage) -> None:
    sharing = Sharing(stage)
    declared = sharing.declare()
    assert declared.status_code == 200, declared.text
    assert declared.json()["upstreamAgreementId"] == sharing.upstream["id"]
    assert declared.json()["upstreamDatasetId"] == stage.dataset.id
    assert sharing.an_open_offer(ACADEMIC)["upstream"] == "within"
    wider = sharing.offer(ANYTHING)
    assert wider.status_code == 409
    said = wider.json()
    assert said["type"].endswith("grants-beyond-upstream")
    assert said["upstreamAgreementId"] == sharing.upstream["id"]
    assert said["because"] == "grants-beyond"
    assert said["onlyOfferPermits"]["action"]


def test_own_data_owes_nothing_to_anybody(one_stage: Stage) -> None:
    assert one_stage.an_offer(template="open", parameters={})["upstream"] is None


def test_an_agreement_of_somebody_else_or_none_is_no_upstream(one_stage: Stage) -> None:
    sharing = Sharing(one_stage)
    for wrong in ("nonsense", sharing.dataset.id):
        refused = sharing.declare(wrong)
        assert refused.status_code == 409
        assert refused.json()["errors"][0]["pointer"] == "/upstreamAgreementId"
    own = one_stage.client("publisher")
    at = f"/v1/datasets/{one_stage.dataset.id}"
    etag = own.get(at).headers["ETag"]
    refused = own.patch(at, json={"upstreamAgreementId": sharing.upstream["id"]}, headers={"If-Match": etag})
    assert refused.json()["errors"][0]["code"] == "not-found"
    assert one_stage.client().get(at).json()["upstreamAgreementId"] is None


def test_a_dataset_made_with_an_upstream_agreement_is_asked_after_it_too(one_stage: Stage) -> None:
    sharing = Sharing(one_stage)
    body = {
        "slug": "nieuw",
        "kind": "table",
        "title": {"en": "New"},
        "description": {"en": "From elsewhere"},
        "accessRights": "RESTRICTED",
        "upstreamAgreementId": sharing.upstream["id"],
    }
    made = sharing.client.post("/v1/datasets", json=body)
    assert made.json()["upstreamDatasetId"] == one_stage.dataset.id
    body |= {"slug": "anders", "upstreamAgreementId": "nonsense"}
    assert sharing.client.post("/v1/datasets", json=body).status_code == 409


def test_open_offers_must_stay_within_an_agreement_that_is_declared_later(one_stage: Stage) -> None:
    sharing = Sharing(one_stage)
    wide = sharing.an_open_offer(ANYTHING)
    refused = sharing.declare()
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("grants-beyond-upstream")
    assert sharing.client.get(sharing.at).json()["upstreamAgreementId"] is None
    sharing.move(wide, "close")
    narrow = sharing.an_open_offer(ACADEMIC)
    assert sharing.declare().status_code == 200
    assert sharing.client.get(f"{sharing.at}/offers/{narrow['id']}").json()["upstream"] == "within"
    assert sharing.move(wide, "reopen").json()["type"].endswith("grants-beyond-upstream")
    etag = sharing.client.get(f"{sharing.at}/offers/{narrow['id']}").headers["ETag"]
    body = {"title": {"en": "Wider"}, "template": "open"}
    changed = sharing.client.put(f"{sharing.at}/offers/{narrow['id']}", json=body, headers={"If-Match": etag})
    assert changed.json()["type"].endswith("grants-beyond-upstream")


def test_what_may_not_be_passed_on_is_offered_to_nobody(one_stage: Stage) -> None:
    sharing = Sharing(one_stage, template="no-redistribution", parameters={})
    assert sharing.declare().status_code == 200
    refused = sharing.offer({"template": "no-redistribution", "parameters": {}})
    assert refused.status_code == 409
    assert refused.json()["because"] == "no-redistribution"


@pytest.mark.parametrize("what", ["unknown", "not analysed", "too large to ask"])
def test_what_could_not_be_settled_is_flagged(
    one_stage: Stage, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    sharing = Sharing(one_stage)
    sharing.declare()
    if what == "unknown":
        monkeypatch.setattr(comparison, "relation", lambda *_: Relation(Verdict.UNKNOWN))
    elif what == "not analysed":

        def absent(*_: object) -> None:
            raise ImportError

        monkeypatch.setattr(comparison, "compatible", absent)
    else:
        monkeypatch.setattr(comparison, "is_analysable", lambda _: False)
    assert sharing.offer(ACADEMIC).json()["upstream"] == "unknown"


def test_when_the_upstream_agreement_ends_nothing_more_is_given(stage: Stage) -> None:
    sharing = Sharing(stage)
    sharing.declare()
    offer = sharing.an_open_offer(ACADEMIC)
    client = stage.client("stranger")
    body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    request = client.post("/v1/access-requests", json=body).json()
    approved = stage.move("consumer-approver", request, "approve").json()
    downstream = approved["agreementId"]
    waiting = client.post("/v1/access-requests", json=body).json()
    assert stage.read("stranger", downstream)["standing"] == "in-force"
    assert stage.move_agreement("approver", sharing.upstream["id"], "suspend", "look").status_code == 201
    assert stage.read("stranger", downstream)["standing"] == "upstream-agreement-not-in-force"
    assert stage.move_agreement("approver", sharing.upstream["id"], "resume").status_code == 201
    assert stage.read("stranger", downstream)["standing"] == "in-force"
    assert stage.move_agreement("approver", sharing.upstream["id"], "revoke", "misuse").status_code == 201
    assert stage.read("stranger", downstream)["standing"] == "upstream-agreement-not-in-force"
    late = client.post("/v1/access-requests", json=body)
    assert late.json()["type"].endswith("offer-not-open")
    assert stage.move("consumer-approver", waiting, "approve").json()["type"].endswith("offer-not-open")
    with a_context(stage.engine, stage.settings, ANONYMOUS) as ctx:
        payload = {
            "agreementId": sharing.upstream["id"],
            "providerId": stage.provider.id,
            "consumerId": stage.consumer.id,
        }
        HANDLERS["AgreementRevoked"](ctx, payload)
        HANDLERS["AgreementRevoked"](ctx, payload)
    shown = sharing.client.get(f"{sharing.at}/offers/{offer['id']}").json()
    assert shown["state"] == "closed"
    assert sharing.move(offer, "reopen").json()["errors"][0]["code"] == "agreement-revoked"
    moves = sharing.client.get(f"{sharing.at}/offers/{offer['id']}/transitions").json()["items"]
    assert sharing.upstream["id"] in moves[-1]["reason"]


def test_a_renewed_upstream_agreement_takes_the_place_of_the_old_one(one_stage: Stage) -> None:
    sharing = Sharing(one_stage)
    sharing.declare()
    offer = sharing.an_open_offer(ACADEMIC)
    old = sharing.upstream["id"]
    renewed = one_stage.an_agreement(supersedes=old)
    assert one_stage.read("requester", old)["standing"] == "agreement-ended"
    assert sharing.offer(ACADEMIC).status_code == 201
    one_stage.move_agreement("approver", renewed["id"], "revoke", "misuse")
    with a_context(one_stage.engine, one_stage.settings, ANONYMOUS) as ctx:
        payload = {
            "agreementId": renewed["id"],
            "providerId": one_stage.provider.id,
            "consumerId": one_stage.consumer.id,
        }
        HANDLERS["AgreementEnded"](ctx, payload)
    assert sharing.client.get(f"{sharing.at}/offers/{offer['id']}").json()["state"] == "closed"


def test_a_chain_that_bites_its_own_tail_holds_nothing_up(one_stage: Stage) -> None:
    sharing = Sharing(one_stage)
    sharing.declare()
    with db.transaction(one_stage.engine) as session:
        dataset = session.get(type(one_stage.dataset), one_stage.dataset.id)
        assert dataset is not None
        dataset.upstream_agreement_id = sharing.upstream["id"]
        session.add(dataset)
    standing = one_stage.read("requester", sharing.upstream["id"])["standing"]
    assert standing == "upstream-agreement-not-in-force"

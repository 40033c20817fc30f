"""A provider changes its terms with open eyes: examples, a preview over real reads, and decisions made again."""

from typing import Any

from datahub.participants import Role
from tests.catalog.conftest import a_description
from tests.hub import Hub

TABLE = b"name,country,value\nDam,NL,1\nIJ,NL,2\nSpree,DE,3\n"
RESEARCH = "https://w3id.org/dpv#AcademicResearch"


def test_a_provider_sees_what_a_change_would_do_before_it_is_made(hub: Hub) -> None:
    provider = hub.party("gemeente", Role.PUBLISHER, Role.APPROVER)
    university = hub.party("universiteit", Role.REQUESTER)
    made = provider.done("POST", "/v1/datasets", 201, json=a_description("rivers"))
    dataset = f"/v1/datasets/{made['id']}"
    headers = {"Content-Type": "text/csv"}
    provider.done("POST", f"{dataset}/versions", 201, content=TABLE, headers=headers)
    provider.done("POST", f"{dataset}/transitions", 201, json={"move": "publish"})

    # terms with examples
    terms: dict[str, Any] = {
        "title": {"en": "For research"},
        "template": "purpose",
        "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]},
        "examples": [
            {"title": "Universities keep access", "purpose": "dpv:AcademicResearch", "expect": "allow"}
        ],
    }
    offer = provider.done("POST", f"{dataset}/offers", 201, json=terms)
    assert offer["warnings"] == []
    where = f"{dataset}/offers/{offer['id']}"
    provider.done("POST", f"{where}/transitions", 201, json={"move": "open"})

    # two reads on record
    asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    request = university.done("POST", "/v1/access-requests", 201, json=asked)
    moves = f"/v1/access-requests/{request['id']}/transitions"
    agreement = provider.done("POST", moves, 201, json={"move": "approve"})["agreementId"]
    details = f'[{{"type":"dataset","identifier":"{made["id"]}","agreement":"{agreement}"}}]'
    token = university.token(authorization_details=details)
    fetched = [university.get(f"{dataset}/data", token=token) for _ in range(2)]
    assert [answer.status_code for answer in fetched] == [200, 200]

    # what would happen: one organisation stops, and so would both of its reads
    narrower = {"template": "purpose", "parameters": {"purposes": ["dpv:CommercialResearch"]}}
    seen = provider.done("POST", f"{where}/preview", 200, json=narrower)
    assert seen["comparison"]["verdict"] == "narrower"
    assert [(each["agreementId"], each["effect"]) for each in seen["agreements"]] == [(agreement, "loses")]
    assert {
        key: seen["reads"][key] for key in ("considered", "wouldDeny", "wouldPermit", "notReplayable")
    } == {
        "considered": 2,
        "wouldDeny": 2,
        "wouldPermit": 0,
        "notReplayable": 0,
    }
    assert sorted(seen["reads"]["decisions"]) == sorted(each.headers["datahub-decision"] for each in fetched)
    assert [each["title"] for each in seen["brokenExamples"]] == ["Universities keep access"]

    # and the examples stand in the way of doing it by accident
    etag = provider.get(where).headers["etag"]
    changed = {"title": {"en": "For firms"}, **narrower}
    refused = provider.call("PUT", where, json=changed, headers={"If-Match": etag})
    assert (refused.status_code, refused.json()["code"]) == (409, "examples-broken")

    # what was decided can be decided again, by both sides and the exchange's auditors; by nobody else
    decision = fetched[0].headers["datahub-decision"]
    for party in (provider, university, hub.auditor):
        again = party.done("GET", f"/v1/decisions/{decision}/replay", 200, params={"reason": "audit"})
        assert (again["isSame"], again["isPermit"], again["code"]) == (True, True, "permitted")
    query = {"action": "decision.replay", "thing": decision}
    looks = hub.auditor.done("GET", "/v1/log-entries", 200, params=query)["items"]
    assert [each["details"] for each in looks] == [{"reason": "audit", "isSame": True}] * 3
    stranger = hub.party("vreemde", Role.REQUESTER)
    assert stranger.get(f"/v1/decisions/{decision}/replay").status_code == 404
    own = provider.get(f"{dataset}/data").headers["datahub-decision"]
    assert provider.get(f"/v1/decisions/{own}/replay").json()["code"] == "decision-not-replayable"

"""One life of a yes: given, rows fetched behind a mask, taken back, called back, erased, or not erased in time."""

from collections.abc import Iterator
from threading import Thread

import orjson
import pytest

from datahub.participants import Role
from tests.consent.building import RESEARCH, Clinic
from tests.consent.test_reads import read
from tests.duties.region import MASKED, WHOLE, Region, a_region
from tests.duties.stage import SAID
from tests.hub import Hub, Party
from tests.participants.test_webhooks import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def token(party: Party, clinic: Clinic, agreement: str) -> str:
    detail = {
        "type": "dataset",
        "identifier": clinic.dataset_id,
        "agreement": agreement,
        "actions": ["read"],
        "purpose": RESEARCH,
    }
    return party.token(authorization_details=orjson.dumps([detail]).decode())


def fetch(region: Region, party: Party, agreement: str) -> list[tuple[str, int]]:
    bearer = {"Authorization": f"Bearer {token(party, region.clinic, agreement)}"}
    answer = region.hub.http.get(f"{region.clinic.at}/data", params={"format": "csv"}, headers=bearer)
    assert answer.status_code == 200, answer.text
    return read("csv", answer.content)


def told(receiver: Receiver, event: str) -> list[dict[str, object]]:
    messages = [orjson.loads(body) for _, body in receiver.taken]
    return [each["data"] for each in messages if each["type"] == event]


def test_a_no_reaches_whoever_fetched_the_rows_by_the_name_they_know_and_bites_when_it_is_not_heeded(
    hub: Hub, receiver: Receiver
) -> None:
    region = a_region(hub)
    clinic = region.clinic
    heeds, ignores, late = (
        hub.party(name, Role.REQUESTER, Role.ADMIN) for name in ("heeds", "ignores", "late")
    )
    heeds.done("POST", f"/v1/participants/{heeds.id}/webhooks", 201, json={"url": receiver.url})
    agreements = {
        heeds.id: region.agree(heeds, MASKED),
        ignores.id: region.agree(ignores, WHOLE),
        late.id: region.agree(late, WHOLE),
    }
    codes = dict(sorted((visits, name) for name, visits in fetch(region, heeds, agreements[heeds.id])))
    assert set(codes) == {1, 2, 3}
    assert set(codes.values()).isdisjoint({"ann", "bob", "cat"}), "it never saw a key"
    assert fetch(region, ignores, agreements[ignores.id]) == [("ann", 3), ("bob", 1), ("cat", 2)]
    person = clinic.session("ann")
    no = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "withdraw"}
    assert clinic.mine(person, "POST", "/consents", json=no).status_code == 201
    assert fetch(region, late, agreements[late.id]) == [("bob", 1), ("cat", 2)], "the next read is without"
    region.go_out()
    [duty] = region.recalls(heeds)
    [subject] = region.people(heeds, duty)
    assert (subject["known"], subject["name"]) == ("pseudonym", codes[3]), "the very code its rows had"
    [message] = told(receiver, "duty.due")
    assert message["dutyId"] == duty["id"]
    assert not {"ann", codes[3]} & set(map(str, message.values())), "a message names no person"
    assert region.recalls(late) == [], "ann's rows never went there"
    report = clinic.mine(person, "GET", "/report").json()
    assert [each["consumerId"] for each in report["items"]] == [heeds.id, ignores.id]
    assert all(each["receipt"] for each in report["items"]), "each is under a signed head"
    heeds.done("POST", f"/v1/duties/{duty['id']}/transitions", 201, json={"move": "fulfil", "evidence": SAID})
    seen = {each["organisation"]: each for each in clinic.mine(person, "GET", "/recipients").json()["items"]}
    assert set(seen) == {heeds.participant.name, ignores.participant.name}
    assert seen[heeds.participant.name]["erasure"]["state"] == "fulfilled"
    assert seen[heeds.participant.name]["erasure"]["evidence"]["text"] == SAID["text"]
    assert seen[ignores.participant.name]["erasure"]["state"] == "due"
    hub.clock.forward(days=30)
    hub.work()
    state = {
        each.id: each.done("GET", f"/v1/agreements/{agreements[each.id]}", 200)["state"]
        for each in (heeds, ignores, late)
    }
    assert state == {heeds.id: "active", ignores.id: "suspended", late.id: "active"}
    refused = ignores.ask_token(
        authorization_details=orjson.dumps(
            [
                {
                    "type": "dataset",
                    "identifier": clinic.dataset_id,
                    "agreement": agreements[ignores.id],
                    "actions": ["read"],
                }
            ]
        ).decode()
    )
    assert refused.status_code == 400, "nothing more leaves there until it is done"
    assert fetch(region, heeds, agreements[heeds.id]) == [(codes[1], 1), (codes[2], 2)]
    [owed] = region.recalls(ignores)
    ignores.done(
        "POST", f"/v1/duties/{owed['id']}/transitions", 201, json={"move": "fulfil", "evidence": SAID}
    )
    hub.clock.forward(seconds=1)  # a token of the second in which it was suspended is not good
    assert fetch(region, ignores, agreements[ignores.id]) == [("bob", 1), ("cat", 2)]
    clinic.say("ann", "give", 409)

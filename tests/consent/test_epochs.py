"""What people decide moves the epoch of its topic and never that of authority, and yet nothing known before outlives it."""

import json
from typing import Any

import pytest

from datahub.consent.store.rules import topics_of
from datahub.kernel import db
from datahub.participants import Role
from tests.consent.building import RESEARCH, UNTIL, Clinic
from tests.consent.test_reads import a_reading
from tests.hub import Hub

SOON = "2026-06-03T00:00:00Z"


def report(clinic: Clinic) -> None:
    clinic.say("ann", "give")


def withdraw(clinic: Clinic) -> None:
    clinic.say("bob", "withdraw")


def invalidate(clinic: Clinic) -> None:
    clinic.say("bob", "invalidate")


def decide_oneself(clinic: Clinic) -> None:
    body = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "withdraw"}
    assert clinic.mine(clinic.session("bob"), "POST", "/consents", json=body).status_code == 201


def import_some(clinic: Clinic) -> None:
    line = {"subject": "cat", "purpose": RESEARCH, "move": "give", "explicit": True, "validUntil": UNTIL}
    told = clinic.send(json.dumps(line | {"at": "2026-06-01T12:00:00Z"}).encode())
    assert told["applied"] == 1


def let_time_end_one(clinic: Clinic) -> None:
    clinic.hub.clock.forward(days=2)
    clinic.hub.work()


def forget(clinic: Clinic) -> None:
    clinic.party.done("POST", f"{clinic.at}/consents/erasures", 200, json={"subject": "bob"})


@pytest.mark.parametrize(
    "change",
    [report, withdraw, invalidate, decide_oneself, import_some, let_time_end_one, forget],
    ids=lambda each: each.__name__,
)
def test_a_decision_moves_the_epoch_of_its_topic_and_leaves_authority_alone(hub: Hub, change: Any) -> None:
    clinic = a_reading(hub).clinic
    clinic.say("bob", "give", validUntil=SOON)
    hub.work()  # all else that waits for the worker
    before = _epochs(clinic)
    change(clinic)
    after = _epochs(clinic)
    assert after[0] == before[0]
    assert after[1] > before[1]


def test_a_new_rule_moves_authority(sqlite_hub: Hub) -> None:
    clinic = a_reading(sqlite_hub).clinic
    before, _ = _epochs(clinic)
    clinic.rule()
    assert _epochs(clinic)[0] == before + 1


def test_a_token_and_a_decision_from_before_are_worth_nothing_for_who_said_no_since(hub: Hub) -> None:
    reading = a_reading(hub)
    reading.agree()
    clinic, token = reading.clinic, reading.token("read", "query")
    for person in ("ann", "bob"):
        clinic.say(person, "give")
    gateway = hub.client_of(clinic.party.participant, Role.PUBLISHER, Role.APPROVER)
    bearer = gateway.token()

    def seen() -> tuple[list[tuple[Any, ...]], bool, int]:
        asked = {
            "subject": {"type": "access-token", "id": token},
            "action": {"name": "read"},
            "resource": {"id": clinic.dataset_id},
            "context": {"people": ["ann"]},
        }
        answer = gateway.call("POST", "/v1/decisions", token=bearer, json=asked)
        count = {"measures": [{"function": "count", "as": "n"}]}
        counted = reading.university.call("POST", f"{clinic.at}/queries", token=token, json=count)
        return reading.rows(token=token), answer.json()["decision"], counted.json()["rows"][0]["n"]

    everybody = ([("ann", 3), ("bob", 1)], True, 2)
    assert [seen() for _ in range(3)] == [everybody] * 3, "often enough to be known by heart"
    before, _ = _epochs(clinic)
    clinic.say("ann", "withdraw")
    assert _epochs(clinic)[0] == before, "nothing is forgotten for it"
    assert seen() == ([("bob", 1)], False, 1)


def _epochs(clinic: Clinic) -> tuple[int, int]:
    """Return where the epoch of authority stands, and that of the topic."""
    with db.transaction(clinic.hub.engine, is_read=True) as session:
        topic = topics_of(session, clinic.dataset_id)[RESEARCH]
        return db.read_epoch(session, db.AUTHORITY), topic.epoch

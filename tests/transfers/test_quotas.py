"""Quotas: counted exactly, charged before the first byte, settled to what was sent; retries are not counted twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from sqlmodel import Session, select

from datahub.transfers.models import Charge, UseCounter
from tests.dataplane.conftest import World


def agreed(world: World, template: str, **parameters: Any) -> tuple[str, str]:
    dataset_id = world.dataset("kaart")
    world.agreement(dataset_id, world.offer(dataset_id, template, parameters=parameters))
    return dataset_id, world.token(dataset_id)


def used(world: World) -> dict[str, int]:
    with Session(world.hub.engine) as session:
        return {row.name: row.used for row in session.exec(select(UseCounter))}


def test_so_many_reads_and_no_more(world: World) -> None:
    dataset_id, token = agreed(world, "number-of-reads", reads=2)
    first = world.fetch(dataset_id, token)
    assert first.status_code == 200, first.text
    assert (first.headers["ratelimit-policy"], first.headers["ratelimit"]) == ('"reads";q=2', '"reads";r=1')
    assert world.fetch(dataset_id, token).headers["ratelimit"] == '"reads";r=0'
    refused = world.fetch(dataset_id, token)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota-exhausted")
    assert (refused.headers["ratelimit-policy"], refused.headers["ratelimit"]) == (
        '"reads";q=2',
        '"reads";r=0',
    )
    assert refused.json()["quotas"] == [
        {"name": "reads", "limit": 2, "used": 2, "asked": 1, "resetsAt": None}
    ]
    attempt = world.entries("data.read")[-1]
    assert (attempt.outcome, attempt.code) == ("deny", "quota-exhausted")
    assert used(world) == {"reads": 2}


def test_rows_a_day_start_anew_the_next_day(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id, token = agreed(world, "quota", amount=6, of="rowsPerDay")
    assert world.fetch(dataset_id, token, params={"filter": "country:eq:NL"}).status_code == 200
    assert used(world) == {"rowsPerDay": 2}, "charged all four rows, settled to the two that were sent"
    assert world.fetch(dataset_id, token).status_code == 200
    refused = world.fetch(dataset_id, token)
    assert refused.status_code == 429
    (quota,) = refused.json()["quotas"]
    tomorrow = (world.hub.clock.now + timedelta(days=1)).strftime("%Y-%m-%dT00:00:00Z")
    assert (quota["used"], quota["asked"], quota["resetsAt"]) == (6, 4, tomorrow)
    until = refused.json()["retryAfter"]
    assert refused.headers["ratelimit"] == f'"rowsPerDay";r=0;t={until}'
    assert int(refused.headers["retry-after"]) == refused.json()["retryAfter"] <= 86_400
    world.hub.clock.forward(days=1)
    assert world.fetch(dataset_id, world.token(dataset_id)).status_code == 200


def test_reads_at_once_share_what_is_left(world: World) -> None:
    dataset_id, token = agreed(world, "number-of-reads", reads=3)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: world.fetch(dataset_id, token).status_code, range(9)))
    assert sorted(answers) == [200] * 3 + [429] * 6
    assert used(world) == {"reads": 3}


def test_what_sent_nothing_counts_for_nothing(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id, token = agreed(world, "number-of-reads", reads=1)
    assert world.fetch(dataset_id, token, method="HEAD").status_code == 200
    assert used(world) == {"reads": 0}
    assert world.fetch(dataset_id, token).status_code == 200


def test_a_retry_of_what_broke_off_is_free_and_a_crash_stays_charged(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id, token = agreed(world, "number-of-reads", reads=2)
    key = {"Idempotency-Key": "one"}
    assert world.fetch(dataset_id, token, headers=key).headers["ratelimit"] == '"reads";r=1'
    with Session(world.hub.engine) as session:
        charge = session.exec(select(Charge)).one()
        charge.is_finished = False  # as a client that went away leaves it
        session.add(charge)
        session.commit()
    assert world.fetch(dataset_id, token, headers=key).headers["ratelimit"] == '"reads";r=1'
    assert world.fetch(dataset_id, token, headers=key).headers["ratelimit"] == '"reads";r=0'
    assert used(world) == {"reads": 2}


def test_the_record_of_a_counted_read_can_be_decided_again(sqlite_world: World) -> None:
    world = sqlite_world
    dataset_id, token = agreed(world, "number-of-reads", reads=1)
    assert world.fetch(dataset_id, token).status_code == 200
    decision_id = world.entries("data.read")[-1].decision_id
    again = world.provider.done("GET", f"/v1/decisions/{decision_id}/replay", 200)
    assert "code" in str(again)

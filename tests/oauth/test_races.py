"""Many at once: one assertion gives one token, whatever the number of threads and connections."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from datahub.participants import Participant
from tests.oauth.making import Hub

RACERS = 20


def test_twenty_racing_uses_of_one_assertion_give_one_token(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation)
    form = hub.form(client)
    gate = Barrier(RACERS)
    doors = [hub.another_http() for _ in range(RACERS)]

    def race(number: int) -> int:
        gate.wait()
        return doors[number].post("/oauth/token", data=form).status_code

    with ThreadPoolExecutor(RACERS) as pool:
        statuses = list(pool.map(race, range(RACERS)))
    assert sorted(statuses) == [200] + [401] * (RACERS - 1)

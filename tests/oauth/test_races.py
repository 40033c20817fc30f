"""Many at once, over two processes: one assertion or one proof gives one success, and a restart forgets none."""

import base64
import hashlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx2

from datahub.kernel.ids import new_id
from datahub.participants import Participant
from tests.oauth.making import ASSERTION_TYPE, KEYS, Hub, public_jwk, sign
from tests.server import HTTP, Server, a_server

RACERS = 20
USES = 200
KEY = KEYS["ES256"]


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


def test_two_hundred_racing_uses_over_two_processes_give_one_success(
    tmp_path: Path, database_url: str
) -> None:
    with a_server(tmp_path, database_url, workers=2) as server:
        wanted = {
            "name": "racer",
            "roles": ["auditor"],
            "jwks": {"keys": [public_jwk(KEY)]},
            "securityProfile": "fapi2",
        }
        client_id = server.call("POST", "/v1/clients", 201, json=wanted)["id"]
        where = f"{server.url}/oauth/token"
        nonce = HTTP.get(f"{server.url}/v1/clients").headers["dpop-nonce"]

        def ask(form: Mapping[str, str]) -> httpx2.Response:
            return HTTP.post(where, data=form, headers={"DPoP": a_proof("POST", where, nonce)}, timeout=120)

        form = a_form(server, client_id)
        with ThreadPoolExecutor(RACERS) as pool:
            answers = list(pool.map(lambda _: ask(form), range(USES)))
        good = [answer for answer in answers if answer.status_code == 200]
        assert len(good) == 1
        assert {a.json()["error"] for a in answers if a.status_code != 200} == {"invalid_client"}
        token = good[0].json()["access_token"]
        address = f"{server.url}/v1/clients"
        proof = a_proof("GET", address, nonce, token)
        shown = {"Authorization": f"DPoP {token}", "DPoP": proof}

        def fetch(_: int) -> int:
            return HTTP.get(address, headers=shown, timeout=120).status_code

        with ThreadPoolExecutor(RACERS) as pool:
            statuses = list(pool.map(fetch, range(USES)))
        assert sorted(statuses) == [200] + [401] * (USES - 1)
        server.kill()
        server.start()
        assert fetch(0) == 401
        assert ask(form).status_code == 401
        fresh = a_proof("GET", address, nonce, token)
        assert HTTP.get(address, headers={**shown, "DPoP": fresh}).status_code == 200


def test_a_revocation_in_one_process_bites_in_all_on_the_next_request(
    tmp_path: Path, database_url: str
) -> None:
    with a_server(tmp_path, database_url, workers=2) as server:
        address = f"{server.url}/v1/clients"
        for _ in range(3):
            token = server.token()
            shown = {"Authorization": f"Bearer {token}"}
            # A connection of its own for each call, so that both processes come to answer
            assert {HTTP.get(address, headers=shown).status_code for _ in range(8)} == {200}
            ended = HTTP.post(f"{server.url}/oauth/revoke", data={"token": token}, auth=server.admin)
            assert ended.status_code == 200
            assert {HTTP.get(address, headers=shown).status_code for _ in range(8)} == {401}


def a_form(server: Server, client_id: str) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": server.url, "iat": now, "exp": now + 280}
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign({"alg": "ES256"}, {**claims, "jti": new_id()}, KEY),
    }


def a_proof(method: str, url: str, nonce: str, token: str | None = None) -> str:
    claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": new_id(), "nonce": nonce}
    if token is not None:
        digest = hashlib.sha256(token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": public_jwk(KEY)}, claims, KEY)

"""Organisations and people over HTTP: the whole life, who may see and do what, and what bad input gets."""

from datahub.participants import Role
from tests.hub import Hub

APPLICATION = {
    "name": "Waterschap Aan de Amstel",
    "slug": "waterschap",
    "contactEmail": "data@waterschap.example",
    "legalIdentifiers": {"kvk": "3436 6966", "eori": "nl123456782"},
}


def test_an_organisation_applies_is_admitted_suspended_reinstated_and_leaves(hub: Hub) -> None:
    applied = hub.http.post("/v1/participants", json=APPLICATION)
    assert applied.status_code == 201
    assert applied.json()["state"] == "applied"
    assert applied.json()["legalIdentifiers"] == {"kvk": "34366966", "eori": "NL123456782"}
    where = applied.headers["location"]
    assert hub.http.get(where).status_code == 404, "the public directory shows admitted organisations only"
    for move, state in [
        ("admit", "admitted"),
        ("suspend", "suspended"),
        ("reinstate", "admitted"),
        ("leave", "left"),
    ]:
        moved = hub.admin.done(
            "POST", f"{where}/transitions", 201, json={"move": move, "reason": f"to {state}"}
        )
        assert moved["state"] == state
        shown = hub.http.get(where).status_code
        assert shown == (200 if state == "admitted" else 404)
    history = hub.admin.done("GET", f"{where}/transitions", 200)["items"]
    assert [(m["move"], m["toState"]) for m in history] == [
        ("apply", None), ("admit", "admitted"), ("suspend", "suspended"), ("reinstate", "admitted"), ("leave", "left"),
    ]  # fmt: skip
    again = hub.admin.call("POST", f"{where}/transitions", json={"move": "admit"})
    assert again.status_code == 409
    assert again.json()["code"] == "participant-move-not-possible"
    assert again.json()["possible"] == []


def test_all_faults_of_an_application_come_at_once(hub: Hub) -> None:
    bad = APPLICATION | {"name": "", "slug": "Not A Slug", "contactEmail": "nobody", "extra": 1}
    answer = hub.http.post("/v1/participants", json=bad)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/name", "/slug", "/contactEmail", "/extra"}
    wrong = APPLICATION | {"legalIdentifiers": {"kvk": "1", "lei": "X", "did": "did:web:ok.example"}}
    answer = hub.http.post("/v1/participants", json=wrong)
    assert {e["pointer"] for e in answer.json()["errors"]} == {
        "/legalIdentifiers/kvk",
        "/legalIdentifiers/lei",
    }


def test_a_name_or_number_that_is_taken_is_refused(hub: Hub) -> None:
    of_exchange = APPLICATION | {"legalIdentifiers": {"kvk": "12345678"}}
    assert hub.http.post("/v1/participants", json=of_exchange).status_code == 409
    free = APPLICATION | {"legalIdentifiers": {"oin": "00000001123456782000"}}
    assert hub.http.post("/v1/participants", json=free).status_code == 201
    again = hub.http.post("/v1/participants", json=free | {"legalIdentifiers": {"did": "did:web:w.example"}})
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (409, "/slug")


def test_a_repeated_application_gives_the_first_answer_again(hub: Hub) -> None:
    free = APPLICATION | {"legalIdentifiers": {"oin": "00000001123456782000"}}
    key = {"Idempotency-Key": "once"}
    first = hub.http.post("/v1/participants", json=free, headers=key)
    second = hub.http.post("/v1/participants", json=free, headers=key)
    assert (second.status_code, second.json()) == (201, first.json())
    assert second.headers["idempotent-replayed"] == "true"
    other = hub.http.post("/v1/participants", json=free | {"name": "Another"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


def test_an_administrator_keeps_the_people_of_the_own_organisation_and_no_other(hub: Hub) -> None:
    own = hub.party("waterschap", Role.ADMIN)
    other = hub.party("gemeente", Role.ADMIN)
    people = f"/v1/participants/{own.id}/people"
    person = own.done(
        "POST", people, 201, json={"name": "Ada", "email": "ada@w.example", "roles": ["admin", "admin"]}
    )
    assert person["roles"] == ["admin"]
    assert other.get(people).status_code == 403
    assert (
        other.post(people, json={"name": "B", "email": "b@b.example", "roles": ["admin"]}).status_code == 403
    )
    double = own.post(people, json={"name": "Ada", "email": "ada@w.example", "roles": ["admin"]})
    assert (double.status_code, double.json()["code"]) == (409, "person-exists")
    where = f"{people}/{person['id']}"
    etag = own.get(where).headers["etag"]
    assert own.call("PATCH", where, json={"name": "Ada L."}).status_code == 428
    assert own.call("PATCH", where, json={"name": "A"}, headers={"If-Match": '"99"'}).status_code == 412
    last = own.call("PATCH", where, json={"roles": []}, headers={"If-Match": etag})
    assert (last.status_code, last.json()["code"]) == (409, "last-administrator")
    changed = own.done("PATCH", where, 200, json={"name": "Ada L."}, headers={"If-Match": etag})
    assert changed["name"] == "Ada L."
    assert [p["name"] for p in own.done("GET", people, 200)["items"]] == ["Ada L."]


def test_a_suspended_organisation_is_shut_out_at_its_very_next_call(hub: Hub) -> None:
    own = hub.party("waterschap", Role.ADMIN)
    token = own.token()
    assert own.get(f"/v1/participants/{own.id}/people", token=token).status_code == 200
    hub.admin.done("POST", f"/v1/participants/{own.id}/transitions", 201, json={"move": "suspend"})
    assert own.get(f"/v1/participants/{own.id}/people", token=token).status_code == 401
    assert own.ask_token().status_code == 400


def test_only_the_exchange_admits(hub: Hub) -> None:
    own = hub.party("waterschap", Role.ADMIN)
    for move in ("suspend", "admit", "reinstate"):
        answer = own.post(f"/v1/participants/{own.id}/transitions", json={"move": move})
        assert (answer.status_code, answer.json()["code"]) == (403, "participant-move-not-allowed")
    assert own.post(f"/v1/participants/{own.id}/transitions", json={"move": "leave"}).status_code == 201


def test_a_token_without_the_scope_is_told_which_one(hub: Hub) -> None:
    own = hub.party("waterschap", Role.AUDITOR)
    answer = own.post(
        f"/v1/participants/{own.id}/people", json={"name": "A", "email": "a@a.example", "roles": ["admin"]}
    )
    assert (answer.status_code, answer.json()["scope"]) == (403, "participants:write")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_no_token_gets_a_challenge_that_leads_to_the_authorization_server(hub: Hub) -> None:
    answer = hub.http.get(f"/v1/participants/{hub.exchange.id}/people")
    assert answer.status_code == 401
    assert "/.well-known/oauth-protected-resource" in answer.headers["www-authenticate"]


def test_directory_pages_hold_every_organisation_once(hub: Hub) -> None:
    made = {hub.party(f"org-{n}", Role.ADMIN).id for n in range(5)} | {hub.exchange.id}
    seen: list[str] = []
    query = {"pageSize": "2"}
    while True:
        page = hub.http.get("/v1/participants", params=query).json()
        seen += [p["id"] for p in page["items"]]
        if not page["nextCursor"]:
            break
        query = {"pageSize": "2", "cursor": page["nextCursor"]}
    assert sorted(seen) == sorted(made)
    assert [p["slug"] for p in hub.http.get("/v1/participants", params={"q": "ORG-3"}).json()["items"]] == []
    assert [p["slug"] for p in hub.http.get("/v1/participants", params={"q": "org 3"}).json()["items"]] == [
        "org-3"
    ]

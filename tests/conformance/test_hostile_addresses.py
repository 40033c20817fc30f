"""Hostile addresses and headers: what no honest client sends is refused with a problem, never taken, and never a bug.

OWASP API1:2023 (ids that are none), API4:2023 (large input), ASVS 5.0 15.3.7 (parameter pollution).
PostgreSQL is the stricter database (no NUL, no integer beyond its column), so all of it runs on both.
"""

import pytest

from tests.conformance.world import World, a_description

# Where an id goes in an address.
PLACES = [
    "/v1/participants/{}",
    "/v1/participants/{}/transitions",
    "/v1/participants/{}/people",
    "/v1/participants/{provider}/people/{}",
    "/v1/participants/{}/webhooks",
    "/v1/participants/{provider}/webhooks/{}",
    "/v1/clients/{}",
    "/v1/clients/{}/transitions",
    "/v1/datasets/{}",
    "/v1/datasets/{}/transitions",
    "/v1/datasets/{}/versions",
    "/v1/datasets/{published}/versions/{}",
    "/v1/datasets/{}/versions/1",
    "/v1/datasets/{}/offers",
    "/v1/datasets/{published}/offers/{}",
    "/v1/datasets/{published}/offers/{openOffer}/versions/{}",
    "/v1/datasets/{}/data",
    "/v1/datasets/{published}/versions/{}/data",
    "/v1/access-requests/{}",
    "/v1/access-requests/{}/transitions",
    "/v1/access-requests/{}/comments",
    "/v1/agreements/{}",
    "/v1/agreements/{}/text",
    "/v1/agreements/{}/transitions",
    "/v1/log-entries/{}",
    "/v1/decisions/{}",
    "/problems/{}",
    "/docs/assets/{}",
]
NOT_IDS = [
    "%00",
    "a%00b",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "x" * 5_000,
    "%ff%fe",
    "%ed%a0%80",
    "'%20or%201=1--",
    "%F0%9F%92%A9",
    "*",
    "%20",
    "%0d%0aSet-Cookie:a=b",
    "0",
    "-1",
    "1e3",
    "9" * 400,
    "2147483648",
    "9223372036854775808",
    "00000000-0000-0000-0000-000000000000",
    "NULL",
    "true",
]


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_id_names_nothing(world: World, place: str) -> None:
    for text in NOT_IDS:
        path = world.fill(place.replace("{}", "{not}").replace("{not}", "\0")).replace("\0", text)
        answer = world.call("exchange" if "datasets" not in place else "provider", "GET", path)
        assert answer.status_code in (400, 404), text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "set-cookie" not in answer.headers


def test_every_place_of_an_id_is_attacked_here(world: World) -> None:
    paths = world.hub.app.state.openapi.full["paths"]
    shaped = {path.count("/") for path in PLACES}
    reading = {path for path, item in paths.items() if "get" in item and "{" in path}
    assert all(path.count("/") in shaped for path in reading)


LISTS = [
    "/v1/participants",
    "/v1/participants/{provider}/people",
    "/v1/clients",
    "/v1/datasets",
    "/v1/catalog",
    "/v1/datasets/{published}/versions",
    "/v1/datasets/{published}/offers",
    "/v1/access-requests",
    "/v1/agreements",
    "/v1/log-entries",
    "/v1/log-statistics",
]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_size_or_cursor_that_cannot_be_is_refused(world: World, path: str) -> None:
    for query in (
        "pageSize=0",
        "pageSize=-1",
        "pageSize=201",
        "pageSize=" + "9" * 60,
        "pageSize=1.5",
        "pageSize=%00",
        "pageSize=",
        "cursor=%00",
        "cursor=AAAA",
        "cursor=" + "A" * 100,
        "cursor=" + "A" * 3_000,
        "cursor=%ff",
        "cursor=%C3%A9",
    ):
        answer = world.call("provider", "GET", f"{path}?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.parametrize("path", LISTS)
def test_of_a_query_parameter_sent_twice_one_value_counts_and_the_bounds_hold_for_it(
    world: World, path: str
) -> None:
    assert world.call("provider", "GET", f"{path}?pageSize=201&pageSize=1").status_code == 200
    assert world.call("provider", "GET", f"{path}?pageSize=1&pageSize=201").status_code == 400


QUERIES = {
    "/v1/participants": ("q", "state"),
    "/v1/clients": ("participantId", "state"),
    "/v1/datasets": ("q", "keyword", "theme", "publisher", "ref", "language", "updatedSince", "sort"),
    "/v1/access-requests": ("state", "dataset", "role"),
    "/v1/agreements": ("state", "dataset", "role"),
    "/v1/log-entries": (
        "from",
        "to",
        "actorParticipant",
        "dataset",
        "thing",
        "code",
        "reason",
        "trace",
        "purpose",
    ),
    "/v1/log-statistics": ("groupBy", "dataset", "from"),
    "/v1/agreements/{agreement}/text": ("lang",),
    "/v1/datasets/{published}/data": ("filter", "fields", "format"),
}


@pytest.mark.parametrize("path", QUERIES)
def test_no_filter_lets_hostile_text_through(world: World, path: str) -> None:
    for name in QUERIES[path]:
        for text in (
            "%00",
            "a%00b",
            "%ed%a0%80",
            "%ff",
            "'",
            "%25_%5C",
            "x" * 20_000,
            "%F0%9F%92%A9",
            "{}",
            "1e400",
        ):
            answer = world.call("provider", "GET", f"{path}?{name}={text}")
            assert answer.status_code in (200, 400), (name, text[:20])
            if "%00" in text:
                assert answer.status_code == 400, name


@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00%2B14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-06-01T00:00:00",
        "2026-06-01",
        "1780000000",
        "1e30",
        "-1",
        "Infinity",
        "2026-02-30T00:00:00Z",
        "2026-06-01T00:00:00+02:00",
    ],
)
def test_an_instant_outside_the_calendar_or_without_its_zone_is_refused(world: World, instant: str) -> None:
    for path in ("/v1/datasets?updatedSince=", "/v1/log-entries?from=", "/v1/log-statistics?to="):
        assert world.call("provider", "GET", path + instant).status_code == 400
    text = instant.replace("%2B", "+").replace("00+02:00", "00 02:00")
    asked = {"offerId": "{openOffer}", "agreesTo": "{policyHash}", "wishedUntil": text}
    answer = world.call("consumer", "POST", "/v1/access-requests", json=world.fill(asked))
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/wishedUntil"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer " + "x" * 100_000),
        ("Authorization", "Bearer \xff"),
        ("Authorization", "Bearer a.b.c"),
        ("Authorization", "Bearer"),
        ("Authorization", "Basic eDp5"),
        ("Authorization", ""),
        ("Accept", "x" * 50_000),
        ("Accept", "\xff;q=\xff, */*;q=nan"),
        ("If-None-Match", "," * 50_000),
        ("traceparent", "00-" + "\xff" * 32),
        ("Accept-Language", "\xff"),
        ("Range", "bytes=" + "0-0," * 10_000),
        ("Content-Length", "x"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-HTTP-Method-Override", "DELETE"),
    ],
)
def test_strange_headers_are_no_bug(world: World, name: str, value: str) -> None:
    path = world.fill("/v1/datasets/{published}")
    answer = world.hub.http.get(path, headers=[(name.encode(), value.encode("latin-1"))])
    assert answer.status_code in (200, 401, 406)
    assert answer.status_code == (401 if name == "Authorization" else answer.status_code)


def test_an_idempotency_key_is_bounded_and_belongs_to_one_client(world: World) -> None:
    for key in ("", "k" * 256):
        headers = {"Idempotency-Key": key}
        answer = world.call(
            "outsider", "POST", "/v1/datasets", json=a_description("bad-key"), headers=headers
        )
        assert answer.status_code == 400
    headers = {"Idempotency-Key": "shared"}
    first = world.call("outsider", "POST", "/v1/datasets", json=a_description("keyed"), headers=headers)
    again = world.call("outsider", "POST", "/v1/datasets", json=a_description("keyed"), headers=headers)
    other = world.call("consumer", "POST", "/v1/datasets", json=a_description("keyed"), headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 201)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json()["id"] != first.json()["id"]

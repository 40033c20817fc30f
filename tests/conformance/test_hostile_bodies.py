"""Hostile bodies: what no honest client sends is refused with a problem, never taken, and never a bug.

OWASP API3:2023 (mass assignment), API4:2023 (deep and large input), ASVS 5.0 15.3.3.
PostgreSQL is the stricter database (no NUL, no integer beyond its column), so all of it runs on both.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.test_access_matrix import ROWS
from tests.conformance.world import World, a_description

JSON = {"Content-Type": "application/json"}
DEEP = 10_000

# Every address that takes JSON, with a body that would be taken.
BODIES: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "anonymous",
        "POST",
        "/v1/participants",
        {"name": "N", "slug": "n", "contactEmail": "n@n.example", "legalIdentifiers": {"kvk": "12345679"}},
    ),
    ("provider", "PATCH", "/v1/participants/{provider}", {"name": "N"}),
    ("exchange", "POST", "/v1/participants/{applicant}/transitions", {"move": "admit"}),
    (
        "provider",
        "POST",
        "/v1/participants/{provider}/people",
        {"name": "N", "email": "n@n.example", "roles": ["admin"]},
    ),
    ("provider", "PATCH", "/v1/participants/{provider}/people/{person}", {"name": "N"}),
    ("provider", "POST", "/v1/participants/{provider}/webhooks", {"url": "https://n.example/"}),
    ("provider", "POST", "/v1/clients", {"name": "N", "securityProfile": "basic", "roles": ["auditor"]}),
    ("provider", "PATCH", "/v1/clients/{client}", {"name": "N"}),
    ("provider", "POST", "/v1/clients/{client}/transitions", {"move": "disable"}),
    ("provider", "POST", "/v1/clients/{client}/secrets", {}),
    ("provider", "POST", "/v1/datasets", a_description("n")),
    ("provider", "PATCH", "/v1/datasets/{draft}", {"keywords": ["n"]}),
    ("provider", "POST", "/v1/datasets/{draft}/transitions", {"move": "publish"}),
    ("provider", "POST", "/v1/datasets/{draft}/offers", {"title": {"en": "N"}, "template": "open"}),
    (
        "provider",
        "PUT",
        "/v1/datasets/{draft}/offers/{draftOffer}",
        {"title": {"en": "N"}, "template": "open"},
    ),
    ("provider", "POST", "/v1/datasets/{draft}/offers/{draftOffer}/preview", {"template": "open"}),
    ("provider", "POST", "/v1/datasets/{draft}/offers/{draftOffer}/transitions", {"move": "close"}),
    ("consumer", "POST", "/v1/access-requests", {"offerId": "{openOffer}", "agreesTo": "{policyHash}"}),
    ("provider", "POST", "/v1/access-requests/{openRequest}/transitions", {"move": "approve"}),
    ("provider", "POST", "/v1/access-requests/{openRequest}/comments", {"text": "N"}),
    ("provider", "POST", "/v1/agreements/{agreement}/transitions", {"move": "end"}),
]


def _shape(method: str, path: str) -> str:
    return f"{method} {re.sub(r'{[^}]*}', '{}', path.partition('?')[0])}"


def _of_the_matrix() -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Give the bodies that the access matrix has for further addresses, with somebody from whom they are taken."""
    known = {_shape(method, path) for _, method, path, _ in BODIES}
    for row in ROWS:
        takers = [persona for persona, status in row.expect.items() if status < 300]
        if isinstance(row.json, dict) and takers and _shape(row.method, row.path) not in known:
            known.add(_shape(row.method, row.path))
            taker = next((each for each in ("provider", "consumer") if each in takers), takers[0])
            yield "agreed" if row.agreed and taker == "consumer" else taker, row.method, row.path, row.json


# What comes first (who asks, and for which thing) ends these calls in this world before their body is looked at.
UNREACHED = {
    "POST /v1/log-entries/{entryId}/erasures",
    "POST /v1/log-entries/{entryId}/person-disclosures",
    "POST /v1/log-holds/{holdId}/transitions",
    "POST /v1/log-subject-erasures",
    "POST /v1/log-subject-reports",
    "POST /v1/me/consents",
    "POST /v1/me/logins",
    "POST /v1/me/requests",
    "POST /v1/me/requests/{requestId}/transitions",
    "POST /v1/me/sessions",
}
BODIES += list(_of_the_matrix())
NAMES = [f"{method} {path}" for _, method, path, _ in BODIES]
# What only the exchange itself sets.
PRIVILEGED = {
    "id": "01a20aea-3985-73b9-bd89-15c936e76f04",
    "state": "admitted",
    "isExchange": True,
    "is_exchange": True,
    "revision": 99,
    "providerId": "{consumer}",
    "consumerId": "{provider}",
    "participant_id": "{provider}",
    "createdAt": "2020-01-01T00:00:00Z",
    "clientId": "x",
    "scopes": ["log:read"],
    "secret": "s",
    "agreementId": "{agreement}",
    "policyHash": "{policyHash}",
    "isByRule": True,
    "__class__": "x",
    "constructor": {"prototype": {}},
}


def test_every_address_that_takes_json_is_attacked_here(world: World) -> None:
    paths = world.hub.app.state.openapi.full["paths"]
    taking = {
        f"{method.upper()} {path}"
        for path, item in paths.items()
        for method, operation in item.items()
        if isinstance(operation, dict)
        and "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    attacked = {_shape(method, path) for _, method, path, _ in BODIES}
    assert {each for each in taking if _shape(*each.split()) not in attacked} == UNREACHED


@pytest.mark.parametrize("body", BODIES, ids=NAMES)
def test_no_field_can_be_set_that_is_not_offered(
    world: World, body: tuple[str, str, str, dict[str, Any]]
) -> None:
    persona, method, path, good = body
    for name, value in PRIVILEGED.items():
        sent = world.fill({**good, name: value})
        answer = world.call(persona, method, path, json=sent, headers={"If-Match": "*"})
        assert answer.status_code == 400, name
        pointers = {fault["pointer"] for fault in answer.json()["errors"]}
        assert f"/{name}" in pointers, name


def test_a_name_has_one_spelling(world: World) -> None:
    """Two spellings of one name are two readings of one message."""
    document = world.hub.app.state.openapi.full
    taken = {}
    for persona, method, path, good in BODIES:
        for name in document["components"]["schemas"][_schema_of(document, method, path)]["properties"]:
            snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
            sent = world.fill({**{k: v for k, v in good.items() if k != name}, snake: good.get(name)})
            if snake != name:
                answer = world.call(persona, method, path, json=sent, headers={"If-Match": "*"})
                pointers = {fault["pointer"] for fault in answer.json().get("errors", ())}
                if answer.status_code != 400 or f"/{snake}" not in pointers:
                    taken[f"{method} {path}"] = snake
    assert taken == {}


def _schema_of(document: dict[str, Any], method: str, path: str) -> str:
    shape = re.sub(r"\{\w+\}", "{}", path)
    [found] = [p for p in document["paths"] if re.sub(r"\{\w+\}", "{}", p) == shape]
    body = document["paths"][found][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    return str(body["$ref"]).rpartition("/")[2]


@pytest.mark.parametrize("body", BODIES, ids=NAMES)
def test_broken_json_is_refused_everywhere(world: World, body: tuple[str, str, str, dict[str, Any]]) -> None:
    persona, method, path, _ = body
    for sent in (
        b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"name": "\xff\xfe"}',
        b'{"name": "a", "name": "b"}',
        b'{"x": {"\\u0061": 1, "a": 2}}',
        b'{"name": ' + b"9" * 5_000 + b"}",
        b'{"name": NaN}',
        b'{"name": 1e999}',
        b'{"name": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"name": "a\\u0000b"}',
        b"null",
        b"[]",
        b'"text"',
        b"",
        b"{",
        b"\x00",
    ):
        answer = world.call(persona, method, path, content=sent, headers={**JSON, "If-Match": "*"})
        is_empty = path.endswith("/secrets") and sent == b""
        assert answer.status_code == 400 or is_empty, sent[:40]
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("body", BODIES, ids=NAMES)
def test_a_body_in_another_media_type_is_not_read(
    world: World, body: tuple[str, str, str, dict[str, Any]]
) -> None:
    persona, method, path, _ = body
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "\x01",
    ):
        headers = {"Content-Type": media_type, "If-Match": "*"}
        answer = world.call(persona, method, path, content=b'{"a": 1}', headers=headers)
        assert answer.status_code == 415, media_type


def test_what_cannot_be_emptied_is_not_emptied(world: World) -> None:
    """The fault points at the field, and the API's description does not offer null for it."""
    schemas = world.hub.app.state.openapi.full["components"]["schemas"]
    for path, schema in {
        "/v1/participants/{provider}": "ParticipantPatch",
        "/v1/participants/{provider}/people/{person}": "PersonPatch",
        "/v1/clients/{client}": "ClientPatch",
        "/v1/datasets/{draft}": "DatasetPatch",
    }.items():
        for name, described in schemas[schema]["properties"].items():
            answer = world.call("provider", "PATCH", path, json={name: None}, headers={"If-Match": "*"})
            is_offered = {"type": "null"} in described.get("anyOf", ())
            assert answer.status_code == (200 if is_offered else 400), (path, name)
            if not is_offered:
                assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{name}"]


def test_numbers_and_truth_values_are_written_as_such(world: World) -> None:
    offer = {"title": {"en": "N"}, "template": "open"}
    for more in (
        {"approvalDeadlineDays": "5"},
        {"approvalDeadlineDays": True},
        {"approvalDeadlineDays": 5.5},
        {"approvalDeadlineDays": 10**30},
        {"questions": [{"id": "a", "label": {"en": "A"}, "required": "yes"}]},
    ):
        answer = world.call("provider", "POST", "/v1/datasets/{draft}/offers", json={**offer, **more})
        assert answer.status_code == 400, more
    path = "/v1/participants/{provider}/people/{person}"
    answer = world.call("provider", "PATCH", path, json={"isActive": "no"}, headers={"If-Match": "*"})
    assert answer.status_code == 400

"""`authorization_details` at the token endpoint: what is asked for, checked, and given (RFC 9396)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from datahub.kernel.context import Context
from datahub.kernel.errors import JsonValue
from datahub.oauth import InvalidAuthorizationDetails
from datahub.participants import Participant
from tests.build import a_participant
from tests.oauth.making import Hub
from tests.oauth.test_token_endpoint import DATASET, claims_of, entries

AGREEMENT = "0190a0a0-0000-7000-8000-000000000002"


def details(**changes: Any) -> str:
    detail = {"type": "dataset", "identifier": DATASET, "actions": ["read"], "agreement": AGREEMENT}
    return json.dumps([{name: value for name, value in (detail | changes).items() if value is not None}])


def a_grant_check(
    ctx: Context, participant_id: str, detail: Mapping[str, JsonValue]
) -> Mapping[str, JsonValue]:
    assert ctx.actor.participant_id == participant_id
    if detail.get("agreement") != AGREEMENT:
        raise InvalidAuthorizationDetails("No agreement in force covers this.")
    return {**detail, "purpose": "https://w3id.org/dpv#ResearchAndDevelopment"}


def test_details_are_checked_and_come_back_in_the_answer_and_the_token(
    hub: Hub, organisation: Participant
) -> None:
    hub.app.state.grant_check = a_grant_check
    client = hub.a_client(organisation)
    answer = hub.ask(client, authorization_details=details())
    granted = answer.json()["authorization_details"]
    assert granted[0]["purpose"].endswith("ResearchAndDevelopment")
    assert claims_of(answer.json()["access_token"])["authorization_details"] == granted
    assert entries(hub)[-1].agreement_id == AGREEMENT


@pytest.mark.parametrize(
    "sent",
    [
        details(type="account"),
        details(colour="red"),
        details(identifier=None),
        details(identifier="../x"),
        details(actions=["write"]),
        details(actions=[]),
        details(purpose=3),
        details(agreement="none"),
        details(agreement=None),
        details(agreement=DATASET),
        "[]",
        "{}",
        "[1]",
        "7",
        json.dumps([json.loads(details())[0]] * 11),
    ],
)
def test_details_of_the_wrong_shape_or_not_agreed_are_refused(one_hub: Hub, sent: str) -> None:
    one_hub.app.state.grant_check = a_grant_check
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    answer = one_hub.ask(client, authorization_details=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_authorization_details")


def test_details_that_no_agreement_covers_are_refused_with_what_would_permit(one_hub: Hub) -> None:
    ways: list[JsonValue] = [{"change": "wait", "sentence": {"en": "Ask again on Monday."}}]

    def check(*_: object) -> Mapping[str, JsonValue]:
        raise InvalidAuthorizationDetails("Too early.", check="early", code="early", wouldPermit=ways)

    one_hub.app.state.grant_check = check
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    said = one_hub.ask(client, authorization_details=details()).json()
    assert said["error"] == "invalid_authorization_details"
    assert (said["code"], said["wouldPermit"]) == ("early", ways)
    assert entries(one_hub)[-1].details["wouldPermit"] == ways
    # Nobody else is told more than OAuth says
    assert one_hub.ask(client, scope="nothing").json().keys() == {"error", "error_description", "error_uri"}


def test_details_that_are_not_json_or_too_deep_are_refused(one_hub: Hub) -> None:
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"))
    for sent in ("[", "[" * 20_000):
        assert one_hub.ask(client, authorization_details=sent).json()["error"] == "invalid_request"


def test_details_need_somebody_who_checks_them_and_the_scope_to_read(
    hub: Hub, organisation: Participant
) -> None:
    hub.app.state.grant_check = None
    client = hub.a_client(organisation)
    assert hub.ask(client, authorization_details=details()).json()["error"] == "invalid_authorization_details"
    hub.app.state.grant_check = a_grant_check
    answer = hub.ask(client, authorization_details=details(), scope="log:read")
    assert answer.json()["error"] == "invalid_authorization_details"

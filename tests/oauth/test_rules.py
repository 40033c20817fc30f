"""The pure rules: roles to scopes, narrowing, details, moves, forms."""

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.kernel.rest import SCOPES
from datahub.oauth import forms, rules
from datahub.oauth.errors import (
    ClientMoveNotPossible,
    InvalidAuthorizationDetails,
    InvalidScope,
    OAuthRefusal,
)
from datahub.oauth.models import ClientState
from datahub.participants import Role

IDENTIFIER = "0190a0a0-0000-7000-8000-000000000001"
roles_of = st.sets(st.sampled_from(list(Role)))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def test_the_scopes_of_roles_are_those_that_routes_ask_for() -> None:
    # A person's own door has a scope that no client is ever given.
    assert set(rules.ALL_SCOPES) == set(SCOPES) - {"consents:own"}
    assert set(rules.ROLE_SCOPES) == set(Role)


def test_only_a_requester_reads_data_and_only_an_administrator_changes_clients() -> None:
    assert [role for role in Role if "data:read" in rules.ROLE_SCOPES[role]] == [Role.REQUESTER]
    assert [role for role in Role if "clients:write" in rules.ROLE_SCOPES[role]] == [Role.ADMIN]


@given(
    held=roles_of,
    asked=st.none() | st.text(max_size=40) | st.sets(st.sampled_from(sorted(SCOPES))).map(" ".join),
)
def test_narrowing_never_gives_more_than_is_held(held: set[Role], asked: str | None) -> None:
    scopes = rules.scopes_of(held)
    try:
        granted = rules.narrow_scopes(scopes, asked)
    except InvalidScope:
        return
    assert granted
    assert granted <= scopes
    assert asked is None or granted == set(asked.split())


@given(client=roles_of, person=st.none() | roles_of)
def test_a_client_never_has_more_roles_than_its_person(client: set[Role], person: set[Role] | None) -> None:
    live = rules.live_roles(client, person)
    assert live <= client
    assert person is None or live <= person


@pytest.mark.parametrize("state", ClientState)
@pytest.mark.parametrize("move", ["disable", "enable", "explode"])
def test_every_move_in_every_state_is_in_the_table_or_refused(state: ClientState, move: str) -> None:
    if (state, move) in rules.MOVES:
        assert rules.next_state(state, move) == rules.MOVES[(state, move)]
    else:
        with pytest.raises(ClientMoveNotPossible) as caught:
            rules.next_state(state, move)
        assert caught.value.facts["possible"]


def test_a_detail_may_name_a_dataset_by_id_or_by_name() -> None:
    for identifier in (IDENTIFIER, "waterschap/peilen-2026"):
        (detail,) = rules.read_details([{"type": "dataset", "identifier": identifier}])
        assert detail == {"type": "dataset", "identifier": identifier, "actions": ["read"]}


def test_all_faults_of_all_details_are_named_at_once() -> None:
    with pytest.raises(InvalidAuthorizationDetails) as caught:
        rules.read_details(
            [{"type": "x"}, {"type": "dataset", "identifier": 7, "agreement": 7, "secret-word": 1}]
        )
    assert caught.value.detail.count("[1]") == 3
    assert "[0]" in caught.value.detail
    assert "secret-word" not in caught.value.detail


@given(
    json_values
    | st.lists(
        st.fixed_dictionaries(
            {"type": st.just("dataset")},
            optional={
                "identifier": json_values,
                "actions": json_values,
                "purpose": json_values,
                "agreement": json_values,
            },
        ),
        max_size=3,
    )
)
def test_any_json_is_judged_never_a_crash(found: Any) -> None:
    try:
        details = rules.read_details(found)
    except InvalidAuthorizationDetails:
        return
    assert all(detail["actions"] in rules.ACTIONS for detail in details)


@given(st.binary(max_size=200), st.lists(st.text(max_size=40), max_size=2), st.sampled_from(["", "a=b"]))
def test_any_call_is_judged_never_a_crash(body: bytes, authorization: list[str], query: str) -> None:
    call = forms.Call("application/x-www-form-urlencoded; charset=utf-8", tuple(authorization), query, body)
    forms.claimed_client(call)
    with suppress(OAuthRefusal):
        assert isinstance(forms.read_form(call), forms.Form)


def test_a_basic_header_is_decoded_as_a_form_is() -> None:
    header = "basic " + base64.b64encode(b"a%2Db:c%3Ad+e").decode()
    call = forms.Call("application/x-www-form-urlencoded", (header,), "", b"grant_type=x")
    assert forms.read_form(call).credential == forms.SecretShown("a-b", "c:d e")


@given(
    body=st.text(st.sampled_from("&=+%é;aF0 "))
    | st.from_regex(r"([a-z%+=]{0,4}(%[0-9A-F]{2}|&|;)){0,12}", fullmatch=True)
)
def test_a_form_is_read_as_the_standard_library_does(body: str) -> None:
    def outcome(read: Callable[[], list[tuple[str, str]]]) -> list[tuple[str, str]] | None:
        try:
            return read()
        except ValueError:
            return None

    limits: Any = {"keep_blank_values": True, "max_num_fields": forms.MAX_PARAMETERS, "errors": "strict"}
    if not body.isascii():  # what is not ASCII never gets that far
        return
    for _ in range(2):  # the second time from memory
        assert outcome(lambda: forms.read_pairs(body)) == outcome(lambda: parse_qsl(body, **limits))

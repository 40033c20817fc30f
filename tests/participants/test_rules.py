"""Legal identifiers that can be right, and the moves of an organisation's life."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.kernel.context import Actor
from datahub.participants.errors import ParticipantMoveNotAllowed, ParticipantMoveNotPossible
from datahub.participants.models import Participant, ParticipantState, Scheme
from datahub.participants.rules import (
    MOVES,
    OWN_MOVES,
    decide_move,
    identifier_fault,
    is_last_administrator,
    normalise_identifier,
)
from tests.build import NOON

EXCHANGE_ADMIN = Actor(client_id="c", participant_id="x", roles=frozenset({"admin"}), is_exchange=True)
OWN_ADMIN = Actor(client_id="c", participant_id="p", roles=frozenset({"admin"}))
STRANGER = Actor(client_id="c", participant_id="q", roles=frozenset({"admin"}))


def _participant(state: ParticipantState, *, is_exchange: bool = False) -> Participant:
    return Participant(
        id="p",
        slug="p",
        name="P",
        contact_email="p@p.example",
        state=state,
        is_exchange=is_exchange,
        created_at=NOON,
    )


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        (Scheme.KVK, "3436 6966"),
        (Scheme.OIN, "00000001123456782000"),
        (Scheme.OIN, "00000003343669660000"),
        (Scheme.EORI, "NL123456782"),
        (Scheme.EORI, "de1234567"),
        (Scheme.LEI, "529900T8BM49AURSDO55"),
        (Scheme.DID, "did:web:hub.example:org"),
        (Scheme.DID, "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"),
    ],
)
def test_a_good_identifier_passes(scheme: Scheme, value: str) -> None:
    assert identifier_fault(scheme, normalise_identifier(scheme, value), "/x") is None


@pytest.mark.parametrize(
    ("scheme", "value", "says"),
    [
        (Scheme.KVK, "123", "8 digits"),
        (Scheme.KVK, "1234567a", "8 digits"),
        (Scheme.KVK, "١٢٣٤٥٦٧٨", "8 digits"),
        (Scheme.OIN, "123", "20 digits"),
        (Scheme.OIN, "12345678901234567890", "starts with"),
        (Scheme.OIN, "00000001123456789000", "eleven test"),
        (Scheme.EORI, "NL123456789", "eleven test"),
        (Scheme.EORI, "NL000000000", "eleven test"),
        (Scheme.EORI, "1234", "country code"),
        (Scheme.LEI, "529900T8BM49AURSDO56", "check digits"),
        (Scheme.LEI, "X", "18 letters"),
        (Scheme.DID, "did:web:", "a DID is"),
        (Scheme.DID, "https://hub.example", "a DID is"),
    ],
)
def test_a_bad_identifier_is_named_with_what_is_wrong(scheme: Scheme, value: str, says: str) -> None:
    fault = identifier_fault(scheme, normalise_identifier(scheme, value), "/legalIdentifiers/x")
    assert fault is not None
    assert says in fault.detail
    assert fault.pointer == "/legalIdentifiers/x"


@given(digits=st.text("0123456789", min_size=9, max_size=9), place=st.integers(0, 8), step=st.integers(1, 9))
def test_one_wrong_digit_in_a_dutch_eori_never_passes(digits: str, place: int, step: int) -> None:
    good = identifier_fault(Scheme.EORI, f"NL{digits}", "/x") is None
    changed = digits[:place] + str((int(digits[place]) + step) % 10) + digits[place + 1 :]
    assert not (good and identifier_fault(Scheme.EORI, f"NL{changed}", "/x") is None)


@given(
    state=st.sampled_from(ParticipantState), move=st.sampled_from([*sorted({m for _, m in MOVES}), "burn"])
)
def test_only_the_moves_of_the_table_are_possible(state: ParticipantState, move: str) -> None:
    participant = _participant(state)
    if (state, move) in MOVES:
        assert decide_move(EXCHANGE_ADMIN, participant, move) == MOVES[state, move]
    else:
        with pytest.raises(ParticipantMoveNotPossible):
            decide_move(EXCHANGE_ADMIN, participant, move)


@given(move=st.sampled_from(sorted({m for _, m in MOVES})))
def test_an_organisation_may_only_leave_by_itself(move: str) -> None:
    state = next(s for s, m in MOVES if m == move)
    with pytest.raises(ParticipantMoveNotAllowed):
        decide_move(STRANGER, _participant(state), move)
    if move in OWN_MOVES:
        assert decide_move(OWN_ADMIN, _participant(state), move) == ParticipantState.LEFT
    else:
        with pytest.raises(ParticipantMoveNotAllowed):
            decide_move(OWN_ADMIN, _participant(state), move)


def test_the_exchange_itself_cannot_be_moved() -> None:
    with pytest.raises(ParticipantMoveNotPossible):
        decide_move(EXCHANGE_ADMIN, _participant(ParticipantState.ADMITTED, is_exchange=True), "suspend")


def test_the_last_active_administrator_is_found() -> None:
    people = [("a", True, ["admin"]), ("b", False, ["admin"]), ("c", True, ["auditor"])]
    assert is_last_administrator(people, "a")
    assert not is_last_administrator(people, "c")
    assert not is_last_administrator([*people, ("d", True, ["admin"])], "a")

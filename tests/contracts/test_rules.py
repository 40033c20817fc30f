"""The tables of contracts, walked: what is not in them cannot happen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.contracts.errors import (
    AgreementMoveNotAllowed,
    AgreementMoveNotPossible,
    RequestMoveNotAllowed,
    RequestMoveNotPossible,
)
from datahub.contracts.models import (
    AccessRequest,
    Agreement,
    AgreementState,
    NegotiationMove,
    NegotiationState,
    Party,
)
from datahub.contracts.rules import agreements, negotiation
from datahub.contracts.rules.agreements import AgreementMove, Standing
from datahub.contracts.rules.permission import (
    answer_faults,
    could_permit,
    explained,
    purpose_of,
    recipient_names,
    would_help,
)
from datahub.kernel.context import Actor
from datahub.participants import Participant, Role
from datahub.policy import Facts, read_policy
from tests.build import NOON

S = NegotiationState
A = AgreementState
PROVIDER, CONSUMER, EXCHANGE, STRANGER = "provider", "consumer", "exchange", "stranger"
ACTORS = {
    (name, role): Actor(
        client_id="c", participant_id=name, roles=frozenset({role}), is_exchange=name == EXCHANGE
    )
    for name, role in product((PROVIDER, CONSUMER, EXCHANGE, STRANGER), Role)
}
HUMAN = [(CONSUMER, Role.REQUESTER, Party.CONSUMER), (PROVIDER, Role.APPROVER, Party.PROVIDER)]


def a_request(state: S, last_move: NegotiationMove = NegotiationMove.REQUEST) -> AccessRequest:
    return AccessRequest(
        id="r",
        dataset_id="d",
        offer_id="o",
        offer_version=1,
        provider_id=PROVIDER,
        consumer_id=CONSUMER,
        state=state,
        last_move=last_move,
        answers={},
        policy={},
        policy_hash="",
        agrees_to="",
        created_at=NOON,
        changed_at=NOON,
        due_at=NOON + timedelta(days=1),
    )


def an_agreement(state: A, until: datetime | None = None) -> Agreement:
    return Agreement(
        id="a",
        request_id="r",
        dataset_id="d",
        offer_id="o",
        offer_version=1,
        provider_id=PROVIDER,
        consumer_id=CONSUMER,
        policy={},
        policy_hash="",
        text_nl="",
        text_en="",
        text_nl_hash="",
        text_en_hash="",
        valid_from=NOON,
        valid_until=until,
        state=state,
        signature="",
        created_at=NOON,
    )


def test_every_walk_keeps_to_the_protocol() -> None:
    for (state, _), walk in negotiation.MOVES.items():
        for left, step in negotiation.steps_from(state, walk):
            assert step.party in negotiation.PROTOCOL[left, step.to], (state, walk)


def test_no_move_leaves_a_terminal_state() -> None:
    ended = {S.FINALIZED, S.TERMINATED}
    assert not {state for state, _ in negotiation.MOVES if state in ended}
    assert not {state for state, _ in negotiation.PROTOCOL if state in ended}
    assert {state for state, _ in agreements.AGREEMENT_MOVES} == {A.ACTIVE, A.SUSPENDED}


def test_a_negotiation_rests_only_where_a_person_or_the_clock_can_go_on_or_where_it_ends() -> None:
    rests = {walk.end for walk in negotiation.MOVES.values()}
    assert rests == negotiation.OPEN_STATES | {S.FINALIZED, S.TERMINATED}


@pytest.mark.parametrize("state", list(S))
@pytest.mark.parametrize("move", list(NegotiationMove))
def test_what_is_not_in_the_table_of_requests_is_refused(state: S, move: NegotiationMove) -> None:
    request = a_request(state)
    makers = {walk.party for (_, m), walk in negotiation.MOVES.items() if m is move}
    for (name, role), actor in ACTORS.items():
        party = next((p for n, r, p in HUMAN if (n, r) == (name, role)), None)
        if party not in makers:
            with pytest.raises(RequestMoveNotAllowed):
                negotiation.decide_move(actor, request, move, NOON)
        elif (state, move) not in negotiation.MOVES:
            with pytest.raises(RequestMoveNotPossible):
                negotiation.decide_move(actor, request, move, NOON)
        else:
            assert negotiation.decide_move(actor, request, move, NOON).party is party


def test_an_overdue_request_takes_no_moves() -> None:
    request = a_request(S.REQUESTED)
    with pytest.raises(RequestMoveNotPossible):
        negotiation.decide_move(
            ACTORS[PROVIDER, Role.APPROVER], request, NegotiationMove.APPROVE, NOON + timedelta(days=1)
        )


EXPECTED_MAKERS = {
    AgreementMove.SUSPEND: {(PROVIDER, Role.APPROVER), (PROVIDER, Role.ADMIN), (EXCHANGE, Role.ADMIN)},
    AgreementMove.RESUME: {(PROVIDER, Role.APPROVER), (PROVIDER, Role.ADMIN), (EXCHANGE, Role.ADMIN)},
    AgreementMove.END: {
        (PROVIDER, Role.APPROVER),
        (PROVIDER, Role.ADMIN),
        (CONSUMER, Role.APPROVER),
        (CONSUMER, Role.ADMIN),
        (CONSUMER, Role.REQUESTER),
    },
    AgreementMove.REVOKE: {(PROVIDER, Role.APPROVER), (PROVIDER, Role.ADMIN)},
    AgreementMove.EXPIRE: set(),
    AgreementMove.SUPERSEDE: set(),
}


@pytest.mark.parametrize("state", list(A))
@pytest.mark.parametrize("move", list(AgreementMove))
def test_what_is_not_in_the_table_of_agreements_is_refused(state: A, move: AgreementMove) -> None:
    for who, actor in ACTORS.items():
        agreement = an_agreement(state)
        if who not in EXPECTED_MAKERS[move]:
            with pytest.raises(AgreementMoveNotAllowed):
                agreements.decide_move(actor, agreement, move, "why", NOON)
        elif (state, move) not in agreements.AGREEMENT_MOVES:
            with pytest.raises(AgreementMoveNotPossible):
                agreements.decide_move(actor, agreement, move, "why", NOON)
        else:
            after = agreements.decide_move(actor, agreement, move, "why", NOON)
            assert after is agreements.AGREEMENT_MOVES[state, move]


INSTANTS = st.datetimes(
    min_value=NOON.replace(tzinfo=None, month=1),
    max_value=NOON.replace(tzinfo=None, year=2027),
    timezones=st.just(UTC),
)
PARTY_STATES = st.sampled_from(["applied", "admitted", "suspended", "left", None])


@given(st.sampled_from(list(A)), st.none() | INSTANTS, INSTANTS, PARTY_STATES, PARTY_STATES)
def test_an_agreement_is_in_force_only_when_everything_says_so(
    state: A, until: datetime | None, now: datetime, provider: str | None, consumer: str | None
) -> None:
    agreement = an_agreement(state, until)
    expected = all((state is A.ACTIVE, now >= NOON, until is None or now < until))
    assert agreements.is_in_force(agreement, now) is expected
    standing = agreements.standing(agreement, now, provider, consumer)
    assert (standing is Standing.IN_FORCE) is (expected and provider == consumer == "admitted")


def policy_with(*constraints: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "@id": "urn:p",
        "@type": "Offer",
        "permission": [{"action": "use", "constraint": list(constraints)}],
    } | more


def atom(left: str, operator: str, right: Any) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


FACTS = Facts(
    now=NOON, recipient=frozenset({"kvk:34366966"}), purpose="dpv:AcademicResearch", membership=True
)
HELD = atom("purpose", "isA", "dpv:ResearchAndDevelopment")
BROKEN = atom("purpose", "isA", "dpv:Marketing")
UNKNOWN = atom("urn:datahub:policy:role", "eq", "analyst")


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (HELD, True),
        (BROKEN, False),
        (UNKNOWN, True),
        ({"or": [BROKEN, UNKNOWN]}, True),
        ({"and": [BROKEN, UNKNOWN]}, False),
        ({"xone": [HELD, BROKEN]}, True),
        ({"xone": [HELD, HELD]}, False),
        (atom("dateTime", "lt", "2026-01-01T00:00:00Z"), False),
        (atom("dateTime", "gteq", "2027-01-01T00:00:00Z"), True),
        (atom("dateTime", "lt", "2027-01-01T00:00:00Z"), True),
        (atom("urn:datahub:policy:dayOfWeek", "eq", "Sunday"), True),
        (atom("recipient", "isAnyOf", ["kvk:34366966"]), True),
        (atom("recipient", "isAnyOf", ["kvk:11111111"]), False),
        (atom("urn:datahub:policy:membership", "eq", "active"), True),
    ],
)
def test_only_what_can_never_be_is_refused_beforehand(constraint: dict[str, Any], expected: bool) -> None:
    assert could_permit(read_policy(policy_with(constraint)), FACTS) is expected


def test_a_purpose_left_out_is_not_one_that_may_still_be_given() -> None:
    policy = read_policy(policy_with(HELD))
    assert not could_permit(policy, replace(FACTS, purpose=None))
    decision = would_help(policy, replace(FACTS, purpose=None))
    ways: Any = explained(decision)["wouldPermit"]
    (way,) = ways
    assert (way["code"], way["change"]) == ("purpose-unknown", "change-purpose")
    assert way["sentence"]["nl"].startswith("Vraag voor een doel dat past: het doel is")
    assert way["sentence"]["en"].startswith("Ask for a purpose that fits: the purpose is")
    assert could_permit(read_policy(policy_with(UNKNOWN)), replace(FACTS, purpose=None))


def test_a_prohibition_that_surely_bites_is_seen_beforehand() -> None:
    permission = {"action": "use", "constraint": [HELD]}
    for constraint, expected in ((HELD, False), (BROKEN, True), (UNKNOWN, True)):
        document = policy_with(
            permission=[permission], prohibition=[{"action": "use", "constraint": [constraint]}]
        )
        assert could_permit(read_policy(document), FACTS) is expected


def test_conditions_on_rows_and_duties_are_no_reason_to_refuse_a_request() -> None:
    row = atom("urn:datahub:policy:column:age", "gteq", 18)
    assert could_permit(read_policy(policy_with(row)), FACTS)
    duty = {
        "@id": "urn:p",
        "@type": "Offer",
        "permission": [{"action": "use", "duty": [{"action": "attribute"}]}],
    }
    assert could_permit(read_policy(duty), FACTS)


def test_an_organisation_is_meant_by_id_and_legal_identifiers_only() -> None:
    participant = Participant(
        id="0198", slug="x", name="x", contact_email="x", state="admitted", created_at=NOON
    )
    names = recipient_names(participant, {"kvk": "34366966", "did": "did:web:x.example"})
    assert names == {"0198", "urn:uuid:0198", "kvk:34366966", "did:web:x.example"}


def test_a_purpose_is_known_by_iri_and_by_name() -> None:
    iri = "https://w3id.org/dpv#AcademicResearch"
    assert purpose_of(iri) == purpose_of("dpv:AcademicResearch") == iri
    assert purpose_of("dpv:WorldPeace") is None
    assert purpose_of("AcademicResearch") is None


@given(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=5)))
def test_answers_are_judged_whatever_they_are(answers: dict[str, Any]) -> None:
    question = {"id": "n", "label": {"en": "n"}, "kind": "number", "required": True}
    faults = answer_faults([question], answers)
    is_number = isinstance(answers.get("n"), int) and not isinstance(answers.get("n"), bool)
    assert (not faults) is (is_number and set(answers) == {"n"})

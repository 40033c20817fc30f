"""Under which authority an actor may read: every combination decided without a database."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.consent import Shut
from datahub.contracts import Agreement, Standing
from datahub.kernel.context import Actor
from datahub.transfers import rules
from datahub.transfers.rules import Claim
from datahub.transfers.rules.words import WORDS, Code
from datahub.transfers.service.reads import REFUSALS
from tests.build import NOON

DPV = "https://w3id.org/dpv#"
RESEARCH, ACADEMIC, MARKETING = (
    f"{DPV}ResearchAndDevelopment",
    f"{DPV}AcademicResearch",
    f"{DPV}Marketing",
)


def an_agreement(**changes: str) -> Agreement:
    values: dict[str, Any] = {
        "id": "a",
        "request_id": "r",
        "dataset_id": "d",
        "offer_id": "o",
        "offer_version": 1,
        "provider_id": "p",
        "consumer_id": "c",
        "purpose": RESEARCH,
        "policy": {},
        "policy_hash": "h",
        "text_nl": "",
        "text_en": "",
        "text_nl_hash": "",
        "text_en_hash": "",
        "valid_from": NOON,
        "valid_until": NOON + timedelta(days=1),
        "state": "active",
        "signature": "",
        "created_at": NOON,
    }
    return Agreement(**(values | changes))


def a_detail(**changes: object) -> dict[str, object]:
    return {"type": "dataset", "identifier": "d", "actions": ["read"], "agreement": "a"} | changes


def an_actor_with(*details: dict[str, object]) -> Actor:
    return Actor(client_id="x", participant_id="c", authorization_details=details)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "detail",
    [
        a_detail(type="other"),
        a_detail(identifier="another"),
        a_detail(actions=["write"]),
        a_detail(actions="read"),
        a_detail(actions=None),
        {},
    ],
)
def test_a_detail_about_something_else_claims_nothing(detail: dict[str, object]) -> None:
    assert rules.claims_on(an_actor_with(detail), "d") == []


def test_claims_are_narrowed_to_the_agreement_that_is_named() -> None:
    actor = an_actor_with(a_detail(), a_detail(agreement="b", purpose=RESEARCH))
    assert rules.claims_on(actor, "d") == [Claim("a", None), Claim("b", RESEARCH)]
    assert rules.claims_on(actor, "d", "b") == [Claim("b", RESEARCH)]
    assert rules.claims_on(actor, "d", "c") == []


@pytest.mark.parametrize(
    ("purpose", "agreed", "is_within"),
    [
        (None, RESEARCH, True),
        (MARKETING, None, True),
        (RESEARCH, RESEARCH, True),
        (ACADEMIC, RESEARCH, True),
        ("dpv:AcademicResearch", RESEARCH, True),
        (RESEARCH, ACADEMIC, False),
        (MARKETING, RESEARCH, False),
        ("https://example.org/purpose", RESEARCH, False),
        ("", RESEARCH, False),
    ],
)
def test_a_purpose_is_the_agreed_one_or_narrower(
    purpose: str | None, agreed: str | None, *, is_within: bool
) -> None:
    assert rules.is_within(purpose, agreed) is is_within


@given(
    consumer=st.sampled_from(["c", "somebody else", None]),
    dataset=st.sampled_from(["d", "another"]),
    claimed=st.sampled_from(["a", "b", None]),
    purpose=st.sampled_from([None, RESEARCH, ACADEMIC, MARKETING]),
    standing=st.sampled_from(Standing),
    is_known=st.booleans(),
)
def test_an_agreement_carries_a_claim_only_when_everything_fits(
    consumer: str | None,
    dataset: str,
    claimed: str | None,
    purpose: str | None,
    standing: Standing,
    *,
    is_known: bool,
) -> None:
    agreement = an_agreement() if is_known else None
    fault = rules.authority_fault(
        Claim(claimed, purpose), agreement, standing if is_known else None, consumer, dataset
    )
    is_theirs = is_known and consumer == "c" and dataset == "d" and claimed == "a"
    fits = is_theirs and standing is Standing.IN_FORCE and purpose != MARKETING
    assert (fault is None) == fits
    # What is not theirs tells nothing about its state.
    assert is_theirs or fault == Code.AGREEMENT_REQUIRED


def test_nobody_reads_as_the_owner_of_what_belongs_to_nobody() -> None:
    assert not rules.may_read_own(Actor(), "p")
    assert rules.may_read_own(Actor(client_id="x", participant_id="p"), "p")


@pytest.mark.parametrize(
    ("scopes", "is_own", "is_enough"),
    [
        ({"data:read"}, False, True),
        ({"catalog:write"}, False, False),
        ({"catalog:write"}, True, True),
        ({"log:read"}, True, False),
        (set(), True, False),
    ],
)
def test_fetching_takes_its_scope(scopes: set[str], *, is_own: bool, is_enough: bool) -> None:
    assert rules.has_scope(Actor(client_id="x", scopes=frozenset(scopes)), is_own=is_own) is is_enough


def test_every_denial_has_words_a_refusal_and_the_same_code_on_the_wire() -> None:
    codes = {*Code, *Standing, *Shut} - {Code.OWN_DATA, Code.OPEN_OFFER, Code.PERMITTED, Standing.IN_FORCE}
    assert set(WORDS) == codes
    # Said to a gateway only: a reader meets 401 and 404, and fewer rows.
    codes -= {Code.TOKEN_NOT_GOOD, Code.NOT_PUBLISHED, Code.CONSENT_OF_WHOM, Code.CONSENT_NOT_GIVEN}
    assert set(REFUSALS) == codes
    assert {code: refusal.code() for code, refusal in REFUSALS.items()} == {code: code for code in codes}
    assert all(words.nl and words.en and words.remedy for words in WORDS.values())

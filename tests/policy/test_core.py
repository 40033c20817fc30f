"""Edges of the decision core, that mutation testing found unwatched: every operator on every sort, every sentence."""

import operator as relation
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, combinations
from typing import Any

import pytest

from datahub.policy import Facts, PolicyFaults, decide, read_policy
from datahub.policy.compare_values import comparison
from datahub.policy.model import Atom, Operator
from datahub.policy.registry import operand
from tests.policy.build import NOW, UNIVERSITY, a_constraint, a_policy, some_facts

DH = "urn:datahub:policy:"
ORDERS = {
    Operator.EQ: relation.eq,
    Operator.NEQ: relation.ne,
    Operator.GT: relation.gt,
    Operator.GTEQ: relation.ge,
    Operator.LT: relation.lt,
    Operator.LTEQ: relation.le,
}
LEVELS = [f"idsc:{name}_SECURITY_PROFILE" for name in ("BASE", "TRUST", "TRUST_PLUS")]
SCALES: dict[str, list[Any]] = {
    "dateTime": [NOW - timedelta(microseconds=1), NOW, NOW + timedelta(days=1)],
    "elapsedTime": [timedelta(), timedelta(microseconds=1), timedelta(days=9)],
    "count": [1, 2, 2**60],
    "dh:column:n": [-1, 0, 2**53, 2**53 + 1],
    "dh:column:x": [Decimal("-0.5"), Decimal("0.25"), Decimal("1e9")],
    "dh:column:d": [date(2020, 1, 1), date(2020, 1, 2)],
    "dh:column:t": ["a", "b", "é"],
    "resolution": [1, Decimal("1.5"), 2],
    "dh:securityLevel": LEVELS,
}
MISFITS: dict[str, list[Any]] = {
    "dateTime": [date(2026, 1, 1), "2026-01-01", 5, True],
    "elapsedTime": [5, "P1D"],
    "count": [True, "5", float("nan")],
    "dh:column:n": [False, "0", float("nan"), NOW],
    "dh:column:d": [NOW, "2020-01-01"],
    "dh:column:t": [5, True, NOW],
    "dh:securityLevel": ["idsc:NONE", 1],
}


def compared(left: str, op: Operator, right: tuple[Any, ...], seen: Any) -> bool | None:
    row = operand(left)
    assert row is not None
    return comparison(row, Atom(left, op, right))(seen)


@pytest.mark.parametrize("left", SCALES)
def test_every_order_holds_on_every_scale(left: str) -> None:
    scale = SCALES[left]
    for op, order in ORDERS.items():
        if left == "dh:column:t" and op not in {Operator.EQ, Operator.NEQ}:
            continue
        for at, wanted in enumerate(scale):
            for place, seen in enumerate(scale):
                assert compared(left, op, (wanted,), seen) is order(place, at), (op, wanted, seen)
    for wanted in scale:
        for misfit in MISFITS.get(left, []):
            assert compared(left, Operator.EQ, (wanted,), misfit) is None
            assert compared(left, Operator.NEQ, (wanted,), misfit) is None


def test_a_moment_without_a_zone_is_read_as_utc() -> None:
    assert compared("dateTime", Operator.EQ, (NOW,), NOW.replace(tzinfo=None)) is True


def test_whole_numbers_compare_exactly_and_others_as_doubles() -> None:
    large = 2**53
    assert compared("dh:column:n", Operator.EQ, (large + 1,), large) is False
    assert compared("dh:column:n", Operator.EQ, (large + 1,), float(large)) is True
    assert compared("dh:column:n", Operator.EQ, (large + 1, Decimal("0.5"))[:1], Decimal(large)) is True


SETS: dict[Operator, Callable[[set[Any], set[Any]], bool]] = {
    Operator.EQ: lambda seen, wanted: bool(seen & wanted),
    Operator.NEQ: lambda seen, wanted: not seen & wanted,
    Operator.IS_ANY_OF: lambda seen, wanted: bool(seen & wanted),
    Operator.IS_NONE_OF: lambda seen, wanted: not seen & wanted,
    Operator.IS_ALL_OF: lambda seen, wanted: wanted <= seen,
    Operator.IS_A: lambda seen, wanted: bool(seen & wanted),
    Operator.IS_PART_OF: lambda seen, wanted: bool(seen & wanted),
    Operator.HAS_PART: lambda seen, wanted: bool(seen & wanted),
}


def subsets(of: str) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(of, size) for size in range(len(of) + 1)))


@pytest.mark.parametrize("op", SETS)
def test_sets_of_names_compare_as_sets(op: Operator) -> None:
    for wanted in subsets("abc")[1:]:
        for seen in subsets("abc"):
            expected = SETS[op](set(seen), set(wanted))
            for kind in (frozenset, set, list, tuple):
                assert compared("dh:role", op, wanted, kind(seen)) is expected
        assert compared("dh:role", op, wanted, "a") is SETS[op]({"a"}, set(wanted))
        assert compared("dh:role", op, wanted, 5) is None
    nothing = {Operator.IS_NONE_OF: True, Operator.IS_ALL_OF: True, Operator.IS_ANY_OF: False}
    if op in nothing:
        assert compared("dh:role", op, (), frozenset("a")) is nothing[op]
        assert compared("dh:column:t", op, (), "a") is nothing[op]


@pytest.mark.parametrize("op", [Operator.IS_ANY_OF, Operator.IS_NONE_OF, Operator.IS_ALL_OF])
def test_a_single_value_is_the_set_with_one_member(op: Operator) -> None:
    for left, scale in SCALES.items():
        for wanted in (scale[:1], scale[:2]):
            for place, seen in enumerate(scale):
                expected = SETS[op]({place}, set(range(len(wanted))))
                assert compared(left, op, tuple(wanted), seen) is expected


def test_levels_have_their_long_names_too() -> None:
    assert (
        compared(
            "dh:securityLevel",
            Operator.GTEQ,
            (LEVELS[1],),
            "https://w3id.org/idsa/code/TRUST_SECURITY_PROFILE",
        )
        is True
    )


def test_part_of_looks_upward_and_has_part_downward() -> None:
    both = ("region:NL", "region:EU")
    assert compared("spatial", Operator.IS_PART_OF, ("region:EU",), "region:NL") is True
    assert compared("spatial", Operator.IS_PART_OF, ("region:NL",), "region:EU") is False
    assert compared("spatial", Operator.HAS_PART, ("region:NL",), "region:EU") is True
    assert compared("spatial", Operator.HAS_PART, ("region:EU",), "region:NL") is False
    assert compared("spatial", Operator.IS_PART_OF, ("region:BE", "region:EU"), "region:NL") is True
    assert compared("spatial", Operator.HAS_PART, ("region:NL",), "urn:elsewhere") is None
    assert compared("spatial", Operator.IS_PART_OF, ("region:NL",), "urn:elsewhere") is None
    for seen in (5, None):
        assert compared("spatial", Operator.IS_PART_OF, both, seen) is None


def test_an_interval_recurs_on_whole_days_or_at_exact_moments() -> None:
    def every(period: str) -> Any:
        constraint = {
            **a_constraint("timeInterval", "eq", period),
            DH + "anchor": "2026-06-01T00:00:00Z",
        }
        return a_policy(constraint)

    start = datetime(2026, 6, 1, tzinfo=UTC)
    week, hours = every("P7D"), every("PT6H")
    for days, recurs in ((0, True), (1, False), (6, False), (7, True), (14, True), (-7, True), (-1, False)):
        assert decide(week, some_facts(now=start + timedelta(days=days))).permit is recurs
        assert decide(week, some_facts(now=start + timedelta(days=days, hours=23))).permit is recurs
    for moment, recurs in ((0, True), (6, True), (12, True), (1, False), (-6, True), (7, False)):
        assert decide(hours, some_facts(now=start + timedelta(hours=moment))).permit is recurs
    assert not decide(hours, some_facts(now=start + timedelta(microseconds=1))).permit
    daily = every("P1D")
    assert decide(daily, some_facts(now=start + timedelta(hours=13))).permit
    assert not decide(week, some_facts(now=None)).permit
    assert not decide(every("P0D"), some_facts(now=start)).permit


def test_a_prohibition_on_an_interval_bites_when_the_moment_is_unknown() -> None:
    never = {
        **a_constraint("timeInterval", "eq", "P7D"),
        DH + "anchor": "2026-06-01",
    }
    policy = a_policy(prohibition=[{"action": "use", "constraint": [never]}])
    assert not decide(policy, some_facts(now=None)).permit
    assert decide(policy, some_facts(now=datetime(2026, 6, 2, tzinfo=UTC))).permit


BAD_VALUES: list[tuple[str, object, str, str]] = [
    (DH + "securityLevel", "idsc:NONE", "unknown-choice", "“idsc:NONE” is no level of dh:securityLevel."),
    ("language", "not a tag", "wrong-type", "“not a tag” is no BCP 47 language tag."),
    ("dateTime", "soon", "wrong-type", "“soon” is no date and time."),
    ("elapsedTime", "a while", "wrong-type", "“a while” is no duration."),
    ("elapsedTime", "P400000D", "too-large", "A duration is at most 365,000 days."),
    ("count", "many", "wrong-type", "count takes a number."),
    ("count", True, "wrong-type", "count takes a number."),
    ("resolution", 2**63, "too-large", "The number does not fit 64 bits."),
    ("resolution", "1e-19", "too-large", "The number does not fit 64 bits."),
    (DH + "role", "", "wrong-type", "dh:role takes a text."),
    (DH + "role", "a\x00b", "wrong-type", "A text may hold no control characters or lone surrogates."),
    (DH + "role", "a\x85b", "wrong-type", "A text may hold no control characters or lone surrogates."),
    (DH + "role", "a\u202eb", "wrong-type", "A text may hold no control characters or lone surrogates."),
    (
        "recipient",
        "two words",
        "wrong-type",
        "A party is named by an identifier without spaces, quotes or brackets (RFC 3987 §2.2).",
    ),
    (DH + "dayOfWeek", "Caturday", "unknown-choice", "“Caturday” is none of Monday, Tuesday, Wednesday, "),
    ("purpose", "dpv:Nothing", "unknown-concept", "“dpv:Nothing” is not in the taxonomy “purposes”."),
    ("recipient", "?who", "unresolved-constant", "“?who” is still to be filled in."),
    (DH + "column:d", {"@value": "2020", "@type": "xsd:date"}, "wrong-type", "“2020” is no date."),
    (DH + "column:b", {"@value": "x", "@type": "xsd:boolean"}, "wrong-type", "is true or false."),
]


@pytest.mark.parametrize(
    ("left", "value", "code", "sentence"), BAD_VALUES, ids=[row[2] for row in BAD_VALUES]
)
def test_a_bad_constant_is_named_with_its_place_and_what_to_write(
    left: str, value: object, code: str, sentence: str
) -> None:
    document = {
        "@id": "urn:x",
        "permission": [{"action": "use", "constraint": [a_constraint(left, "eq", value)]}],
    }
    with pytest.raises(PolicyFaults) as refused:
        read_policy(document)
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/permission/0/constraint/0/rightOperand", code)
    assert sentence in fault.message
    assert fault.remedy.endswith((".", "?"))
    assert "XX" not in fault.message + fault.remedy
    assert str(refused.value) == f"{fault.pointer}: {fault.message}"


def test_several_faults_are_told_one_after_another() -> None:
    with pytest.raises(PolicyFaults) as refused:
        read_policy({})
    told = [f"/: {each.message}" for each in refused.value.faults]
    assert len(told) > 1
    assert str(refused.value) == "; ".join(told)


def said(policy: Any, facts: Facts, view: Any = "provider") -> tuple[str, str]:
    decision = decide(policy, facts)
    return decision.explanation("en", view), decision.explanation("nl", view)


def test_each_sentence_of_a_denial_stands_as_it_is_meant() -> None:
    roles = a_policy(a_constraint(DH + "role", "isAnyOf", ["b", "a"]))
    en, nl = said(roles, some_facts(roles=["y", "x"]))
    assert en == "Not permitted. Needed: the role of the user is one of “b”, “a”. Seen: “x”, “y”."
    assert nl.startswith(
        "Niet toegestaan. Nodig: de rol van de gebruiker is een van “b”, “a”. Gezien: “x”, “y”."
    )
    en, _ = said(roles, some_facts(roles=[]))
    assert en.endswith("Seen: “”.")
    en, nl = said(roles, some_facts())
    assert en.endswith("It is not known here.")
    assert nl.endswith("Dat is hier niet bekend.")
    en, nl = said(a_policy(prohibition=[{"action": "use"}]), some_facts())
    assert en == "Not permitted. The policy prohibits to use the data."
    assert nl == "Niet toegestaan. Het beleid verbiedt: de data gebruiken."
    until = a_policy(a_constraint("dateTime", "lt", "2026-01-01T00:00:00Z"))
    en, _ = said(until, some_facts())
    assert en.endswith("before 1 January 2026, 00:00 UTC. Seen: 1 June 2026, 12:00 UTC.")
    known = a_policy(a_constraint("recipient", "eq", "did:web:a"))
    en, nl = said(known, some_facts(), "requester")
    assert en == "Not permitted. The recipient is not among those allowed; ask the provider."
    assert nl == "Niet toegestaan. De ontvanger hoort niet bij wat is toegestaan; vraag het de aanbieder."
    en, _ = said(known, some_facts())
    assert UNIVERSITY in en
    named = a_policy(
        **{"@type": "Agreement", "target": "urn:d", "assigner": "urn:p", "assignee": "did:web:a"}
    )
    en, nl = said(named, some_facts(target="urn:e", recipient="did:web:a"))
    assert en == "Not permitted. The policy is about other data (“urn:d”)."
    assert nl == "Niet toegestaan. Het beleid gaat over andere data (“urn:d”)."
    assert said(named, some_facts(target="urn:e", recipient="did:web:a"), "requester")[0].endswith(
        "other data."
    )
    resolution = a_policy(a_constraint("resolution", "lteq", 5))
    en, _ = said(resolution, some_facts(more={"resolution": Decimal("7.5")}))
    assert en.endswith("Seen: “7.5”.")


@pytest.mark.parametrize(
    ("policy", "facts", "en", "nl"),
    [
        (
            a_policy(a_constraint("count", "lteq", 10)),
            some_facts(counts={"reads": 10}),
            "Wait, or ask the provider for more: the number of reads is at most 10.",
            "Wacht, of vraag de aanbieder om meer: het aantal keer lezen is hoogstens 10.",
        ),
        (
            a_policy(a_constraint("recipient", "eq", "did:web:a")),
            some_facts(),
            "Ask the provider.",
            "Vraag het de aanbieder.",
        ),
        (
            a_policy(
                prohibition=[
                    {"action": "use", "constraint": [a_constraint("purpose", "isA", "dpv:Marketing")]}
                ]
            ),
            some_facts(purpose="dpv:Marketing"),
            "Ask for a purpose that fits: it is not so that the purpose is, or falls under, “Marketing” (dpv:Marketing).",
            "Vraag voor een doel dat past: het is niet zo dat het doel is, of valt onder, “Marketing” (dpv:Marketing).",
        ),
        (
            a_policy(permission=[{"action": "use", "duty": [{"action": "compensate"}]}]),
            some_facts(),
            "See to this duty: pay.",
            "Kom deze plicht na: betalen.",
        ),
        (
            a_policy(permission=[{"action": "distribute"}]),
            some_facts(),
            "Ask for what is permitted: to redistribute the data.",
            "Vraag wat is toegestaan: de data doorgeven aan anderen.",
        ),
    ],
    ids=["count", "hidden", "prohibited", "duty", "action"],
)
def test_what_would_help_is_said_in_a_sentence(policy: Any, facts: Facts, en: str, nl: str) -> None:
    from datahub.policy import advice

    (change,) = decide(policy, facts).changes
    assert (advice(change, "en"), advice(change, "nl")) == (en, nl)


def test_an_identifier_that_turns_the_writing_round_is_refused() -> None:
    with pytest.raises(PolicyFaults) as refused:
        read_policy({"@id": "urn:x\u202ey", "permission": [{"action": "use"}]})
    assert ("/@id", "wrong-type") in {(each.pointer, each.code) for each in refused.value.faults}

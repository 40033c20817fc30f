"""What shapes a delivery beyond a plain mask: buckets of numbers, a text of one's own, and what is counted."""

from decimal import Decimal
from typing import Any

import pytest

from datahub.policy import Counter, Facts, Mask, Policy, action_words, bucketed, counters, plan, plan_sql
from datahub.policy.compile import _bucket, _leaves
from datahub.policy.model import Atom, Duty, Operator, Timing
from tests.policy.build import NOW, a_constraint, a_policy

duckdb = pytest.importorskip("duckdb")
exp = pytest.importorskip("sqlglot").exp

DH = "urn:datahub:policy:"
FACTS = Facts(action="read", now=NOW)
EDGES = [-(2**63), -11, -10, -1, 0, 9, 10, 64, 65, None]


def masking(*duties: list[dict[str, object]]) -> Policy:
    made = [
        {"action": DH + "mask", "constraint": [a_constraint(DH + "maskedColumn", "eq", "n"), *duty]}
        for duty in duties
    ]
    return a_policy(permission=[{"action": "use", "duty": made}])


def steps(*numbers: int) -> list[dict[str, object]]:
    return [a_constraint(DH + "method", "eq", "bucket"), a_constraint(DH + "step", "isAnyOf", list(numbers))]


def mask_of(policy: Policy) -> Mask:
    (cell,) = plan(policy, FACTS, {"n": "integer"}).cells
    ((mask, _),) = cell.masked
    return mask


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((10,), [None, -20, -10, -10, 0, 0, 10, 60, 60, None]),
        ((0, 18, 65), [None, None, None, None, 0, 0, 0, 18, 65, None]),
        ((-11, 65), [None, -11, -11, -11, -11, -11, -11, -11, 65, None]),
    ],
    ids=str,
)
def test_whole_numbers_leave_as_the_lower_bound_of_their_bucket(
    numbers: tuple[int, ...], shown: list[int | None]
) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (n BIGINT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(each,) for each in EDGES])
        query = plan_sql(plan(masking(steps(*numbers)), FACTS, {"n": "integer"}), "t", FACTS)
        assert [row for (row,) in connection.execute(query).fetchall()] == shown


def test_of_floats_the_bucket_is_found_by_rounding_down() -> None:
    query = exp.select(bucketed(exp.column("n"), (10,), is_exact=False)).from_("t").sql("duckdb")
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest([-10.5, -1e-300, 9.999, 10.0])::DOUBLE AS n")
        assert connection.execute(query).fetchall() == [(-20.0,), (-10.0,), (0.0,), (10.0,)]


def test_of_several_masks_the_one_that_leaves_least_holds() -> None:
    assert mask_of(masking(steps(10), steps(25))) == Mask("bucket", None, (25,))
    assert mask_of(masking(steps(0, 10, 100), steps(5))) == Mask("bucket", None, (0, 10, 100))
    assert mask_of(masking(steps(10), [a_constraint(DH + "method", "eq", "null")])) == Mask("null")
    assert mask_of(masking([a_constraint(DH + "replaceWith", "eq", "gone")])) == Mask("fixed", "gone")
    assert _leaves(Mask("unheard of")) < _leaves(Mask("null")) < _leaves(Mask("bucket", None, (5,)))


def test_buckets_that_came_by_another_way_than_reading_leave_nothing() -> None:
    def duty(*stated: int | Decimal) -> Duty:
        return Duty("dh:mask", (Atom("dh:step", Operator.IS_ANY_OF, stated),), timing=Timing.DURING)

    assert _bucket(duty(0)) == _bucket(duty(5, 5)) == _bucket(duty(Decimal("1.5"))) == Mask("null")
    assert _bucket(duty(5)) == Mask("bucket", None, (5,))


def test_what_is_counted_is_named_with_its_unit_its_period_and_its_tightest_bound() -> None:
    policy = a_policy(
        a_constraint("count", "lteq", 5),
        a_constraint(DH + "rowsPerDay", "lt", 100),
        a_constraint(DH + "bytes", "gt", 7),
        a_constraint("purpose", "isA", "dpv:Marketing"),
        prohibition=[{"action": "use", "constraint": [a_constraint("count", "lt", 3)]}],
    )
    assert counters(policy) == (
        Counter("bytes", "bytes", None, None),
        Counter("reads", "reads", None, 2),
        Counter("rowsPerDay", "rows", 86_400, 99),
    )


def test_an_action_has_words_in_both_languages_or_its_name() -> None:
    words: Any = action_words("delete")
    assert words["en"] != words["nl"]
    assert action_words("ex:unheardOf") == {"en": "ex:unheardOf", "nl": "ex:unheardOf"}

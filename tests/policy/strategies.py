"""Random policies, facts and rows for the differential tests: absent values, zones, unicode and empty sets included."""

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import strategies as st

from datahub.policy import ColumnSort, Facts, Policy, read_policy
from datahub.policy.values import write_duration, write_instant

COLUMN = "urn:datahub:policy:column:"
AGE = "urn:datahub:policy:age:"

TEXTS = [
    "Amsterdam",
    "amsterdam",
    "",
    "Æbleø",
    "A\u0301",
    "Á",
    "日本",
    "'; DROP TABLE t; --",
    "a b",
    "\\",
    "👩‍🔬",
    "%_",
]
INTEGERS = [0, 1, -1, 17, 18, 2**53, 2**53 + 1, 2**62, -(2**62)]
NUMBERS = [0.0, -0.0, 0.1, 0.5, 1.0, 17.0, 1e300, -1e-300, math.inf, -math.inf, math.nan]
BASE = datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
MOMENTS = [BASE + timedelta(seconds=step) for step in (-31_536_000, -1, 0, 1, 3600, 86_400)] + [
    datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]
DATES = [date(2026, 3, 29), date(2026, 3, 30), date(1900, 1, 1)]
SCHEMA: dict[str, ColumnSort] = {
    "place": "text",
    "years": "integer",
    "score": "number",
    "adult": "boolean",
    "seen": "instant",
    "naive": "timestamp",
    "born": "date",
}
VALUES: dict[str, list[Any]] = {
    "place": TEXTS,
    "years": INTEGERS,
    "score": NUMBERS,
    "adult": [True, False],
    "seen": MOMENTS,
    "naive": [moment.astimezone(UTC).replace(tzinfo=None) for moment in MOMENTS],
    "born": DATES,
}
SETS = ["isAnyOf", "isNoneOf", "isAllOf"]
ORDER = ["eq", "neq", "gt", "gteq", "lt", "lteq"]


def some_rows(seed: int, size: int) -> list[dict[str, Any]]:
    random = Random(seed)
    return [
        {name: None if random.random() < 0.15 else random.choice(values) for name, values in VALUES.items()}
        for _ in range(size)
    ]


def typed(value: Any, datatype: str) -> dict[str, str]:
    return {"@value": str(value), "@type": f"xsd:{datatype}"}


def written(name: str) -> st.SearchStrategy[Any]:
    sort = SCHEMA[name]
    if sort == "text":
        return st.sampled_from([text for text in TEXTS if text])
    if sort == "boolean":
        return st.sampled_from([typed("true", "boolean"), typed("false", "boolean")])
    if sort == "date":
        return st.sampled_from([typed(each.isoformat(), "date") for each in DATES])
    if sort in {"instant", "timestamp"}:
        return st.sampled_from([typed(write_instant(each), "dateTime") for each in MOMENTS])
    numbers = [*INTEGERS, Decimal("0.1"), Decimal("0.5"), Decimal("-2.25"), Decimal("17.5")]
    return st.sampled_from([typed(each, "decimal") for each in numbers])


@st.composite
def row_constraints(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from([*SCHEMA, "absent"]))
    if name == "absent":
        return {"leftOperand": COLUMN + name, "operator": "neq", "rightOperand": "x"}
    if SCHEMA[name] in {"instant", "timestamp"} and draw(st.booleans()):
        spans = st.sampled_from([timedelta(), timedelta(seconds=1), timedelta(hours=1), timedelta(days=365)])
        return {
            "leftOperand": AGE + name,
            "operator": draw(st.sampled_from(ORDER)),
            "rightOperand": typed(write_duration(draw(spans)), "duration"),
        }
    single = {"text": ["eq", "neq"], "boolean": ["eq", "neq"]}.get(SCHEMA[name], ORDER)
    sets = [] if SCHEMA[name] == "boolean" else SETS * 2
    operator = draw(st.sampled_from([*single, *sets]))
    several = st.lists(written(name), min_size=0, max_size=3) if operator in SETS else written(name)
    return {"leftOperand": COLUMN + name, "operator": operator, "rightOperand": draw(several)}


PURPOSES = [
    "dpv:AcademicResearch",
    "dpv:ResearchAndDevelopment",
    "dpv:CommercialResearch",
    "dpv:Marketing",
    "dpv:Purpose",
]
PARTIES = ["did:web:a.example", "did:web:b.example", "nl:kvk:12345678"]


@st.composite
def request_constraints(draw: st.DrawFn) -> dict[str, Any]:
    left, operator, right = draw(
        st.one_of(
            st.tuples(
                st.just("purpose"),
                st.sampled_from(["isA", "eq", "neq", "hasPart"]),
                st.sampled_from(PURPOSES),
            ),
            st.tuples(
                st.just("purpose"), st.sampled_from(SETS), st.lists(st.sampled_from(PURPOSES), max_size=3)
            ),
            st.tuples(
                st.just("dateTime"),
                st.sampled_from(ORDER),
                st.sampled_from([write_instant(each) for each in MOMENTS]),
            ),
            st.tuples(
                st.just("recipient"), st.sampled_from(SETS), st.lists(st.sampled_from(PARTIES), max_size=2)
            ),
            st.tuples(st.just("count"), st.sampled_from(["lt", "lteq", "gt"]), st.integers(0, 3)),
            st.tuples(
                st.just("urn:datahub:policy:column"),
                st.sampled_from(SETS),
                st.lists(st.sampled_from([*SCHEMA])),
            ),
        )
    )
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def constraints(atoms: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        parts = st.lists(inner, min_size=1, max_size=3)
        return st.tuples(st.sampled_from(["and", "or", "xone", "andSequence"]), parts).map(
            lambda made: {made[0]: made[1]}
        )

    return st.recursive(atoms, extend, max_leaves=6)


@st.composite
def policies(draw: st.DrawFn, atoms: Callable[[], st.SearchStrategy[Any]] | None = None) -> Policy:
    rows = row_constraints()
    one = constraints(atoms() if atoms else st.one_of(rows, rows, rows, request_constraints()))
    action = st.sampled_from(["use", "use", "use", "read", "distribute"])
    rule = st.fixed_dictionaries({"action": action, "constraint": st.lists(one, min_size=1, max_size=3)})
    bare = st.fixed_dictionaries({"action": action})
    document = {
        "@id": "urn:random",
        "@type": "Set",
        "permission": draw(st.lists(st.one_of(rule, rule, rule, bare), min_size=1, max_size=3)),
    }
    prohibitions = draw(st.lists(rule, max_size=2))
    if prohibitions:
        document["prohibition"] = prohibitions
    return read_policy(json.loads(json.dumps(document)))


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    return Facts(
        action=draw(st.sampled_from(["read", "read", "use"])),
        now=draw(st.sampled_from([*MOMENTS, *MOMENTS, None])),
        recipient=draw(st.sampled_from([PARTIES[:1], PARTIES[1:], [], None])),
        purpose=draw(st.sampled_from([*PURPOSES, "urn:unheard-of", None])),
        counts=draw(st.sampled_from([{"reads": 0}, {"reads": 2}, {}])),
    )

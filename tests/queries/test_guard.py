"""The guard against a brute-force reference: random tables, random series of questions, every pair of answers."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.queries.clean_room import Answered, Limits, Table, ask
from datahub.queries.noise import ask_with_noise, threshold
from datahub.queries.rules.questions import (
    Asked,
    ColumnRef,
    Condition,
    Dimension,
    Function,
    Joining,
    Measure,
    Op,
)
from datahub.transfers import Room

COUNT = Measure(Function.COUNT, "n")
TOTAL = Measure(Function.SUM, "total", ColumnRef("v"))
COLUMNS = ("who", "a", "b", "v")
MINIMUM = 3


def by(*names: str) -> tuple[Dimension, ...]:
    return tuple(Dimension(ColumnRef(name), name) for name in names)


def where(name: str, op: Op, *values: Any) -> tuple[Condition, ...]:
    return (Condition(ColumnRef(name), op, values),)


class Shelf:
    """One consumer and one dataset: what was given is kept from one question to the next."""

    def __init__(self, home: Path, rows: list[dict[str, Any]], minimum: int = MINIMUM) -> None:
        self.home, self.minimum = home, minimum
        self.past: Any = None
        self.put(rows)

    def put(self, rows: list[dict[str, Any]]) -> None:
        """Store a version."""
        schema = pa.schema([("who", pa.string()), ("a", pa.string()), ("b", pa.int64()), ("v", pa.int64())])
        self.file = self.home / "t.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema), self.file)

    def ask(self, asked: Asked) -> list[dict[str, Any]]:
        """Ask, and keep what is given."""
        table = Table(self.file, COLUMNS, Room(None, self.minimum, "who"), self.past)
        found: Answered = ask(Limits(512, 60, self.home), asked, [table])
        self.past = found.given.get(0, self.past)
        rows: list[dict[str, Any]] = found.table.to_pylist()
        return rows


some_rows = st.lists(
    st.fixed_dictionaries(
        {
            "who": st.one_of(st.none(), st.sampled_from([f"p{n}" for n in range(12)])),
            "a": st.one_of(st.none(), st.sampled_from(["x", "y"])),
            "b": st.integers(0, 2),
            "v": st.one_of(st.none(), st.integers(-5, 5)),
        }
    ),
    min_size=4,
    max_size=40,
)
some_conditions = st.one_of(
    st.just(()),
    st.builds(lambda v: where("a", Op.EQ, v), st.sampled_from(["x", "y"])),
    st.builds(lambda op, v: where("b", op, v), st.sampled_from([Op.NE, Op.LE]), st.integers(0, 2)),
    st.builds(lambda v: where("who", Op.NE, f"p{v}"), st.integers(0, 11)),
)
some_questions = st.builds(
    lambda names, conditions, is_merged, measures: Asked(
        by(*names), measures, conditions, is_merged=is_merged
    ),
    st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
    some_conditions,
    st.booleans(),
    st.sampled_from([(COUNT,), (COUNT, TOTAL)]),
)


def members(rows: list[dict[str, Any]], asked: Asked, group: dict[str, Any]) -> frozenset[int]:
    """Return the places of the rows that a released group is about."""
    test = {
        Op.EQ: lambda found, v: found is not None and found == v,
        Op.NE: lambda found, v: found is not None and found != v,
        Op.LE: lambda found, v: found is not None and found <= v,
    }
    return frozenset(
        at
        for at, row in enumerate(rows)
        if row["who"] is not None
        and all(test[c.op](row[c.column.name], c.values[0]) for c in asked.conditions)
        and all(row[d.name] == group[d.name] for d in asked.dimensions)
    )


def people(rows: list[dict[str, Any]], places: frozenset[int]) -> int:
    return len({rows[at]["who"] for at in places})


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=some_rows, questions=st.lists(some_questions, min_size=2, max_size=3))
def test_no_group_is_small_and_no_two_answers_differ_by_few(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], questions: list[Asked]
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("guard"), rows)
    released: list[frozenset[int]] = []
    for asked in questions:
        answers = shelf.ask(asked)
        plain = [group for group in answers if not group.get("is_other")]
        of_plain = [members(rows, asked, group) for group in plain]
        for group, places in zip(plain, of_plain, strict=True):
            assert group["n"] == len(places)
            if "total" in group:
                values = [rows[at]["v"] for at in places if rows[at]["v"] is not None]
                assert group["total"] == (sum(values) if values else None)
        if len(plain) < len(answers):
            everybody = members(rows, Asked(conditions=asked.conditions), {})
            of_plain.append(everybody - frozenset().union(*of_plain))
        released += of_plain
    for places in released:
        assert people(rows, places) >= MINIMUM
    for one, other in combinations(released, 2):
        assert people(rows, one ^ other) == 0 or people(rows, one ^ other) >= MINIMUM
        for part in (one - other, other - one, one & other):
            assert people(rows, part) == 0 or people(rows, part) >= MINIMUM
    # Every part that all answers together make of the rows.
    atoms: dict[tuple[bool, ...], set[int]] = {}
    for at in range(len(rows)):
        atoms.setdefault(tuple(at in places for places in released), set()).add(at)
    for held, atom in atoms.items():
        assert not any(held) or people(rows, frozenset(atom)) >= MINIMUM


def a_crowd(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"who": f"p{n}", "a": "x" if n % 2 else "y", "b": 0, "v": n} | more for n in range(count)]


def test_a_total_and_its_parts_leave_nobody_alone(tmp_path: Path) -> None:
    rows = a_crowd(20)
    rows[0]["a"] = "z"
    shelf = Shelf(tmp_path, rows)
    assert [g["n"] for g in shelf.ask(Asked((), (COUNT,)))] == [20]
    assert {g["a"]: g["n"] for g in shelf.ask(Asked(by("a"), (COUNT,)))} == {"x": 10}


def test_three_answers_together_tell_no_more_than_two(tmp_path: Path) -> None:
    rows = a_crowd(12)
    shelf = Shelf(tmp_path, rows)
    first = where("who", Op.IN, *(f"p{n}" for n in range(6)))
    second = where("who", Op.IN, *(f"p{n}" for n in range(6, 11)))
    assert shelf.ask(Asked((), (COUNT, TOTAL), first))
    assert shelf.ask(Asked((), (COUNT, TOTAL), second))
    assert shelf.ask(Asked((), (COUNT, TOTAL))) == [], "the total minus the two would be p11"


def test_one_changed_value_in_a_new_version_is_not_told(tmp_path: Path) -> None:
    rows = a_crowd(12)
    shelf = Shelf(tmp_path, rows)
    assert shelf.ask(Asked((), (TOTAL,)))
    shelf.put([*rows[:-1], rows[-1] | {"v": 1_000}])
    assert shelf.ask(Asked((), (TOTAL,))) == []
    shelf.put([row | {"v": row["v"] + 1} for row in rows])
    assert shelf.ask(Asked((), (TOTAL,))), "everybody changed"


def test_a_join_is_guarded_on_both_sides(tmp_path: Path) -> None:
    shelf, other = Shelf(tmp_path, a_crowd(12)), tmp_path / "o.parquet"
    pq.write_table(pa.table({"pid": [f"p{n}" for n in range(2, 12)], "kind": ["k"] * 8 + ["m"] * 2}), other)
    room = Room(None, MINIMUM, "pid")
    main = Table(shelf.file, COLUMNS, Room(None, MINIMUM, "who"))
    kind = (Dimension(ColumnRef("kind", is_joined=True), "kind"),)
    asked = Asked(kind, (COUNT, TOTAL), join=Joining("o", "who", "pid"))
    found = ask(Limits(512, 60, tmp_path), asked, [main, Table(other, ("pid", "kind"), room)])
    assert found.table.to_pylist() == [{"kind": "k", "n": 8, "total": sum(range(2, 10))}]
    assert set(found.given) == {0, 1}
    past = Table(other, ("pid", "kind"), room, found.given[1])
    wider = ask(Limits(512, 60, tmp_path), Asked((), (COUNT,)), [past])
    assert wider.table.num_rows == 0, "ten minus the eight of before would be two"


def test_noise_is_spent_as_it_is_asked_and_small_groups_do_not_show(tmp_path: Path) -> None:
    from decimal import Decimal

    pytest.importorskip("opendp")
    rows = [row | {"a": "x"} for row in a_crowd(400)] + [{"who": "lone", "a": "z", "b": 0, "v": 1}]
    shelf = Shelf(tmp_path, rows)
    room = Room(None, MINIMUM, "who", (), Decimal(5))
    bounded = Measure(Function.AVG, "mean", ColumnRef("v"), (0.0, 400.0))
    asked = Asked(by("a"), (COUNT, bounded), epsilon=Decimal(4), most_rows_each=1)
    found = ask_with_noise(Limits(512, 60, tmp_path), asked, Table(shelf.file, COLUMNS, room))
    (group,) = found.table.to_pylist()
    assert group["a"] == "x"
    assert group["n"] != 400
    assert abs(group["n"] - 400) < 40
    assert abs(group["mean"] - 199.5) < 40
    assert threshold(MINIMUM, 1.0, 1) > MINIMUM + 13

"""What stands behind a gate leaves only as the gate says, on both engines, up to the last batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub import engine
from datahub.dataplane.scan import Filter, Op, plan_scan
from datahub.engine import Engine, Stored, run
from tests.engine.test_plans import ROWS, SCHEMA, masking, release_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS, SCHEMA), target)
    return target


@dataclass
class OpenTo:
    """A gate for some rows; after so many looks, for none that is in `gone`."""

    rows: set[int]
    gone: set[int] = field(default_factory=set)
    looks: int = 10**9
    noted: list[int] = field(default_factory=list)

    def look(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def keep(self, rows: Any) -> Any:
        open_ = self.rows - self.gone if self.looks < 0 else self.rows
        return np.array([int(each) in open_ for each in rows], np.bool_)

    def note(self, rows: Any) -> None:
        self.noted += [int(each) for each in rows]


EVEN = {at for at in range(len(ROWS)) if at % 2 == 0}


@pytest.mark.parametrize("which", list(Engine))
def test_a_gate_lets_exactly_the_rows_through_that_it_is_told(path: Path, which: Engine) -> None:
    stored = Stored.of(path)
    open_to = OpenTo(EVEN)
    plan = engine.Plan(stored.schema).behind(engine.SubjectGate()).opened(open_to)
    expected = [row for at, row in enumerate(ROWS) if at in EVEN]
    with run(plan, stored, engine=which) as batches:
        assert pa.Table.from_batches(list(batches), plan.out).to_pylist() == expected
    assert open_to.noted == sorted(EVEN)
    masked = release_for(masking({"place": "hmac"})).steps(stored.schema).behind(engine.SubjectGate())
    with run(masked.opened(OpenTo(EVEN)), stored, engine=which) as batches:
        assert sum(batch.num_rows for batch in batches) == len(expected)
    some = plan_scan(path, fields=["years"], filters=[Filter("years", Op.GE, ("30",))])
    narrow = OpenTo(EVEN)
    with run(some.plan.behind(engine.SubjectGate(narrow)), stored, engine=which) as batches:
        found = [value for batch in batches for value in batch.column(0).to_pylist()]
    assert found == [row["years"] for row in expected if row["years"] is not None and row["years"] >= 30]
    assert narrow.noted == [at for at in sorted(EVEN) if (ROWS[at]["years"] or 0) >= 30], "only what leaves"


@pytest.mark.parametrize("which", list(Engine))
def test_who_is_gone_is_in_no_batch_after_the_look_that_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: Engine
) -> None:
    monkeypatch.setattr("datahub.engine.gated.PIECE_ROWS", 10)
    target = tmp_path / "numbers.parquet"
    pq.write_table(pa.table({"__row_at_gate": range(100)}), target)
    stored = Stored.of(target)
    gate = OpenTo(set(range(100)), gone=set(range(50, 60)), looks=3)
    plan = engine.Plan(stored.schema).behind(engine.SubjectGate(gate))
    with run(plan, stored, engine=which) as batches:
        found = [batch.column(0).to_pylist() for batch in batches]
    assert [value for batch in found for value in batch] == [*range(50), *range(60, 100)]
    assert gate.noted == [*range(50), *range(60, 100)]


def test_a_gate_that_nobody_opened_lets_nothing_through(path: Path) -> None:
    stored = Stored.of(path)
    closed = engine.Plan(stored.schema).behind(engine.SubjectGate())
    late = engine.Plan(stored.schema).then(engine.Limit(1), engine.SubjectGate(OpenTo(EVEN)))
    for plan in (closed, closed.opened(None), late):
        with pytest.raises(engine.GateClosed), run(plan, stored):
            pass


@pytest.mark.parametrize("which", list(Engine))
def test_columns_that_are_never_null_leave_through_a_gate_as_they_were_announced(
    tmp_path: Path, which: Engine
) -> None:
    target = tmp_path / "full.parquet"
    schema = pa.schema([("n", pa.int64(), False), ("text", pa.string(), False)])
    pq.write_table(pa.table({"n": [0, 1, 2], "text": ["a", "b", "c"]}, schema=schema), target)
    plan = plan_scan(target).plan.behind(engine.SubjectGate(OpenTo({0, 2})))
    assert plan.out == schema
    with run(plan, Stored.of(target), engine=which) as batches:
        found = list(batches)
    assert {batch.schema == schema for batch in found} == {True}
    assert pa.Table.from_batches(found).column("n").to_pylist() == [0, 2]


def test_a_large_table_behind_a_gate_leaves_in_order_by_both_engines(tmp_path: Path) -> None:
    target = tmp_path / "large.parquet"
    count = 700_000
    random = np.random.default_rng(3)
    table = pa.table(
        {"n": np.arange(count), "noise": random.random(count), "key": random.integers(0, 99, count)}
    )
    pq.write_table(table, target, row_group_size=50_000)
    stored = Stored.of(target)
    people = random.random(count) < 0.5

    class Mask(OpenTo):
        def keep(self, rows: Any) -> Any:
            return people[rows]

        def note(self, rows: Any) -> None:
            del rows

    plan = plan_scan(target, filters=[Filter("key", Op.GE, ("50",))]).plan.behind(
        engine.SubjectGate(Mask(set()))
    )
    expected = np.arange(count)[people & (table["key"].to_numpy() >= 50)].tolist()
    for which in Engine:
        with run(plan, stored, engine=which) as batches:
            assert [n for batch in batches for n in batch.column(0).to_pylist()] == expected

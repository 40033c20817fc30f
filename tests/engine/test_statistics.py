"""A reader's filter is not answered from statistics of rows that may not leave: time would tell what these hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.dataplane.scan import Filter, Op, plan_scan
from datahub.engine import Engine, Plan, Predicate, run
from datahub.engine.plan import column
from datahub.engine.run import SMALL_BYTES

ROWS, GROUP = 900_000, 90_000


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose incomes cannot be read any more: who looks at them fails, who asks the statistics does not.

    In each row group every second row is of the South, which may not leave, and earns from 5,000.
    """
    path = tmp_path_factory.mktemp("torn") / "data.parquet"
    number = np.arange(ROWS)
    south = number % 2 == 1
    table = pa.table(
        {
            "area": np.where(south, "Zuid", "Noord"),
            "income": np.where(south, 5_000 + number % 1_000, number % 1_000),
            "size": number * 1.5,
        }
    )
    pq.write_table(table, path, row_group_size=GROUP, compression="none", use_dictionary=["area"])
    found = pq.ParquetFile(path).metadata
    content = bytearray(path.read_bytes())
    for at in range(found.num_row_groups):
        chunk = found.row_group(at).column(1)
        content[chunk.data_page_offset : chunk.data_page_offset + 64] = b"\xff" * 64
    path.write_bytes(content)
    return path


def north(schema: pa.Schema) -> Plan:
    return Plan(schema).then(Predicate(column("area").eq("Noord")))


@pytest.mark.parametrize("which", Engine)
@pytest.mark.parametrize(
    "guess",
    [Filter("income", Op.EQ, (each,)) for each in ("700", "5500", "99999")],
    ids=lambda each: each.values[0],
)
def test_the_hidden_rows_are_not_asked_for_by_their_statistics(
    torn: Path, which: Engine, guess: Filter
) -> None:
    assert is_read(torn, which, guess, release=north)


@pytest.mark.parametrize("which", Engine)
def test_a_table_that_hides_no_row_is_filtered_by_its_statistics(torn: Path, which: Engine) -> None:
    assert not is_read(torn, which, Filter("income", Op.EQ, ("99999",)))


def is_read(path: Path, which: Engine, test: Filter, **more: Any) -> bool:
    scan = plan_scan(path, filters=[test], **more)
    assert scan.stored.size > SMALL_BYTES
    try:
        with run(scan.plan, scan.stored, engine=which) as batches:
            assert sum(batch.num_rows for batch in batches) == 0
    except Exception:  # noqa: BLE001 — each engine has its own word for a torn page
        return True
    return False

"""Rows by number at the gate: before the engine sees one, and once more when a batch leaves.

A batch that was made before somebody said no is judged again by what holds now, so nobody waits for a long stream to end.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datahub.engine.plan import (
    ROW_NUMBER,
    MinAggregate,
    Output,
    Plan,
    Project,
    RowGate,
    SubjectGate,
    column,
    columns_used,
    kept,
)

PIECE_ROWS = 131_072
"""What leaves between two looks at the gate."""

_READ_ROWS = 250_000


class GateClosed(Exception):  # noqa: N818 — says what happened
    """The plan stands behind a gate, and nobody said who may pass: nothing leaves."""


def gate_of(plan: Plan) -> RowGate | None:
    """Return who says which rows pass; None: the plan has no gate. Raises GateClosed."""
    found = [step for step in plan.steps if isinstance(step, SubjectGate)]
    if not found:
        return None
    if len(found) > 1 or found[0].rows is None or not isinstance(plan.steps[0], SubjectGate):
        raise GateClosed
    return found[0].rows


def numbered(plan: Plan) -> Plan:
    """Return a gated plan in which each row carries its number to the end; groups carry none."""
    name = "__row_at_gate"
    while name in plan.schema.names:
        name += "_"
    schema = plan.schema.append(pa.field(name, pa.int64()))
    gate, *rest = plan.steps
    assert isinstance(gate, SubjectGate)  # noqa: S101 — `gate_of` looked
    if not any(isinstance(step, Project | MinAggregate) for step in rest):
        rest.append(kept(plan.schema, plan.schema.names))
    carried = [
        Project((*step.outputs, Output(name, pa.int64(), column(name))))
        if isinstance(step, Project)
        else step
        for step in rest
    ]
    return Plan(schema, (replace(gate, row=name), *carried))


def row_of(plan: Plan) -> str:
    """Return what a numbered plan calls the number of a row."""
    gate = plan.steps[0]
    assert isinstance(gate, SubjectGate)  # noqa: S101 — as above
    return gate.row


def passed(found: Iterator[pa.RecordBatch], gate: RowGate, row: str) -> Iterator[pa.RecordBatch]:
    """Give batches without the number of the row: what passes now, noted as on its way out, a piece at a time."""
    for batch in found:
        for start in range(0, max(1, batch.num_rows), PIECE_ROWS):
            piece = batch.slice(start, PIECE_ROWS)
            at = piece.schema.get_field_index(row)
            numbers = piece.column(at).to_numpy(zero_copy_only=False)
            if gate.look():
                keeps = gate.keep(numbers)
                if not keeps.all():
                    piece, numbers = piece.filter(pa.array(keeps)), numbers[keeps]
            gate.note(numbers)
            yield piece.remove_column(at)


def read(
    source: object, memory: pa.Table | None, front: Plan, gate: RowGate, *, is_numbered: bool
) -> pa.RecordBatchReader:
    """Return the rows that pass, read one batch after the other, for an engine that cannot number rows itself."""
    row = row_of(front)
    names = [each for each in columns_used(front) if each not in (row, ROW_NUMBER)]
    fields = [front.schema.field(each) for each in names] + [pa.field(row, pa.int64())]
    fields += [pa.field(ROW_NUMBER, pa.int64())] * is_numbered

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        found = (
            memory.select(names).to_batches(max_chunksize=_READ_ROWS)
            if memory is not None
            else pq.ParquetFile(source).iter_batches(_READ_ROWS, columns=names)
        )
        for batch in found:
            numbers = pa.array(np.arange(start, start + batch.num_rows))
            start += batch.num_rows
            arrays = [batch.column(each).cast(front.schema.field(each).type) for each in names]
            whole = pa.RecordBatch.from_arrays(
                [*arrays, numbers, *[numbers] * is_numbered], schema=pa.schema(fields)
            )
            yield whole.filter(pa.array(gate.keep(numbers.to_numpy())))

    return pa.RecordBatchReader.from_batches(pa.schema(fields), batches())

"""What is done to a batch after the engine: values become codes, and a reader's filter on a coded column sees codes.

The rest of a plan, and a filter on other columns, the engine does itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from datahub.engine.masks import text
from datahub.engine.plan import (
    ROW_NUMBER,
    Limit,
    Mapped,
    Output,
    Plan,
    Predicate,
    Project,
    Step,
    column,
    columns_in,
    kept,
)
from datahub.engine.pseudonyms import codes_of
from datahub.engine.subjects import Subjects

_HIDDEN = "__code_{}_{}"
ROW = "__row"


@dataclass(frozen=True)
class After:
    """The part of a plan that comes after the engine: where the texts to be coded stand, and what is done then."""

    codes: tuple[tuple[str, tuple[tuple[str, bytes | None], ...]], ...]
    steps: tuple[Step, ...]
    out: pa.Schema
    subjects: Subjects | None = None

    def coded(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch in which codes stand in their columns; the columns of texts to be coded are gone."""
        columns = {name: batch.column(name) for name in batch.schema.names}
        rows = columns.pop(ROW, None)
        numbers = self.subjects.numbers(rows) if self.subjects and rows is not None else None
        for name, parts in self.codes:
            layers = [
                self.subjects.codes(numbers, key)
                if hidden == ROW and self.subjects and key is not None
                else codes_of(columns.pop(hidden), key)
                for hidden, key in parts
            ]
            columns[name] = (
                layers[0]
                if len(layers) == 1 and _is_empty(columns[name])
                else pc.coalesce(*layers, columns[name])
            )
        return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _is_empty(found: pa.Array) -> bool:
    return bool(found.null_count == len(found))


def split(plan: Plan, subjects: Subjects | None = None) -> tuple[Plan, After | None]:
    """Return the part of a plan that an engine does, and the part that comes after it, if any column is coded.

    With `subjects` the engine gives the numbers of rows (ROW) instead of the subjects' keys, where these are coded.
    """
    at = next((n for n, step in enumerate(plan.steps) if _codes(step)), None)
    if at is None:
        return plan, None
    project = plan.steps[at]
    assert isinstance(project, Project)  # noqa: S101 — the only step with codes
    early, late = _parted(plan.steps[at + 1 :], {each.name for each in project.outputs if each.codes})
    needed = {*plan.out.names, *_named(late)}
    outputs = [each for each in project.outputs if each.name in needed]
    hidden: list[tuple[str, tuple[tuple[str, bytes | None], ...]]] = []
    # A filter on a column that is not sent needs that column still.
    shown = [each if each.name in needed else _uncoded(each) for each in project.outputs]
    for n, each in enumerate(shown):
        if each.codes:
            shown[n] = _uncoded(each)
            places = [
                ROW if _is_by_number(code, subjects) else _HIDDEN.format(n, m)
                for m, code in enumerate(each.codes)
            ]
            shown += [
                Output(p, pa.string(), code.text)
                for p, code in zip(places, each.codes, strict=True)
                if p != ROW
            ]
            hidden.append((each.name, tuple((p, c.key) for p, c in zip(places, each.codes, strict=True))))
    needed_after = dict.fromkeys(place for _, parts in hidden for place, _ in parts)
    if ROW in needed_after:
        shown.append(Output(ROW, pa.int64(), column(ROW_NUMBER)))
    names = [*(each.name for each in outputs), *needed_after]
    types = pa.schema([(each.name, each.type) for each in shown])
    front = Plan(plan.schema, (*plan.steps[:at], Project(tuple(shown)), *early, kept(types, names)))
    if not hidden:
        return front, None
    return front, After(tuple(hidden), (*late, kept(plan.out, plan.out.names)), plan.out, subjects)


def _is_by_number(code: Mapped, subjects: Subjects | None) -> bool:
    """Tell whether what is coded is the subject's key itself, in every row."""
    return subjects is not None and code.key is not None and code.text == text(column(subjects.column))


def _codes(step: Step) -> bool:
    return isinstance(step, Project) and any(each.codes for each in step.outputs)


def _uncoded(output: Output) -> Output:
    return Output(output.name, output.type, output.value)


def _parted(steps: Sequence[Step], coded: set[str]) -> tuple[list[Step], list[Step]]:
    """Part the steps after the codes in those the engine can do before them and those that must wait."""
    early: list[Step] = []
    late: list[Step] = []
    for step in steps:
        is_free = isinstance(step, Predicate) and not coded & columns_in(step.test)
        # Filters may change places among themselves, but not with a limit.
        if (is_free and not any(isinstance(each, Limit) for each in late)) or (
            isinstance(step, Limit) and not late
        ):
            early.append(step)
        elif not isinstance(step, Project):  # the last projection is made at the end, by name
            late.append(step)
    return early, late


def _named(steps: Sequence[Step]) -> set[str]:
    return {name for step in steps if isinstance(step, Predicate) for name in columns_in(step.test)}

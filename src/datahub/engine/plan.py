"""The plan of one table's way out: a few frozen steps, each over what the step before it gives.

Scan → SubjectGate → Predicate → Project (with masks) → MinAggregate → Limit. Expressions are sqlglot trees made of the
few kinds of nodes that `frames` and DuckDB read alike; nobody changes a tree after it is in a plan.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

ROW_NUMBER = "file_row_number"
"""What the engines call the number of a row in its file, counted from 0."""


@dataclass(frozen=True)
class Predicate:
    """Keep the rows for which the test is true; neither false nor unknown is."""

    test: exp.Expr


class RowGate(Protocol):
    """Who says which stored rows may pass, by their numbers from 0. Asked from several threads."""

    def look(self) -> bool:
        """Learn what has changed; tell whether other rows pass now than when the gate was opened.

        Called before each piece of a stream; whatever it raises ends the stream.
        """

    def keep(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell which rows pass, by all that was learnt so far."""

    def note(self, rows: npt.NDArray[Any]) -> None:
        """Take down that these rows are on their way out."""


@dataclass(frozen=True, eq=False)
class SubjectGate:
    """Keep the rows that pass: exact, never a sketch. The first step of a plan; closed until it is told whom to ask.

    `row`: the column that holds the row's number on its way through an engine.
    """

    rows: RowGate | None = None
    row: str = ""


@dataclass(frozen=True)
class Mapped:
    """Text that leaves as a code: HMAC-SHA-256 under a key, or SHA-256 without one; null where it does not apply."""

    text: exp.Expr
    key: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Output:
    """One column that a projection gives: the first code that is not null, else the value."""

    name: str
    type: pa.DataType
    value: exp.Expr
    codes: tuple[Mapped, ...] = ()


@dataclass(frozen=True)
class Project:
    """Give these columns, in this order, and no others."""

    outputs: tuple[Output, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(each.name for each in self.outputs)


@dataclass(frozen=True)
class Measure:
    """A figure over a group: `count` needs no column."""

    name: str
    function: str
    column: str | None = None


@dataclass(frozen=True)
class MinAggregate:
    """Give groups only, and of those only such as count at least `minimum` (distinct entities, or rows without one)."""

    by: tuple[str, ...]
    measures: tuple[Measure, ...]
    minimum: int
    entity: str | None = None


@dataclass(frozen=True)
class Limit:
    """Give at most so many rows."""

    rows: int


Step: TypeAlias = Predicate | SubjectGate | Project | MinAggregate | Limit


@dataclass(frozen=True)
class Plan:
    """Steps over one stored table of which `schema` says the columns; without steps it gives all of it."""

    schema: pa.Schema
    steps: tuple[Step, ...] = ()

    def then(self, *steps: Step) -> "Plan":
        """Return the plan with more steps after its own."""
        return Plan(self.schema, (*self.steps, *steps))

    def behind(self, gate: SubjectGate) -> "Plan":
        """Return the plan with a gate before all its steps."""
        return Plan(self.schema, (gate, *self.steps))

    def opened(self, rows: RowGate | None) -> "Plan":
        """Return the plan with its gate, where it has one, told whom to ask."""
        return Plan(
            self.schema,
            tuple(SubjectGate(rows) if isinstance(step, SubjectGate) else step for step in self.steps),
        )

    @property
    def projection(self) -> Project | None:
        """The last projection, which says what comes out; None when every stored column does."""
        return next((step for step in reversed(self.steps) if isinstance(step, Project)), None)

    @property
    def out(self) -> pa.Schema:
        """The columns that come out, without metadata. A plan with groups has the schema its engine gives."""
        last = self.projection
        if last is None:
            return self.schema.remove_metadata()
        return pa.schema([(each.name, each.type) for each in last.outputs])

    @property
    def is_whole(self) -> bool:
        """Whether it gives the stored table as it is."""
        return not self.steps

    def coded(self) -> Iterator[str]:
        """Give the names of the columns of which anything leaves as a code."""
        for step in self.steps:
            if isinstance(step, Project):
                yield from (each.name for each in step.outputs if each.codes)


def columns_in(tree: exp.Expr) -> set[str]:
    """Return the names of the columns that an expression reads."""
    return {str(each.name) for each in tree.find_all(exp.Column)}


def columns_used(plan: Plan) -> list[str]:
    """Return the stored columns that a plan reads, in stored order."""
    named: set[str] = set()
    for step in plan.steps:
        match step:
            case Predicate(test):
                named |= columns_in(test)
            case Project(outputs):
                named |= {name for each in outputs for name in columns_in(each.value)}
            case MinAggregate(by, measures, _, entity):
                named |= {*by, *(each.column for each in measures if each.column), entity or ""}
    if not any(isinstance(step, Project | MinAggregate) for step in plan.steps):
        named = set(plan.schema.names)
    return [each for each in plan.schema.names if each in named]


def kept(schema: pa.Schema, names: Sequence[str]) -> Project:
    """Return the projection that gives some columns as they are."""
    return Project(tuple(Output(name, schema.field(name).type, column(name)) for name in names))


def column(name: str) -> exp.Column:
    """Return a column by its name, whatever is in the name."""
    return exp.column(name, quoted=True)

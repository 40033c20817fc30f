"""REST messages about queries."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from datahub.kernel.rest import Line, Schema, SchemaIn, UtcInstant
from datahub.queries.models import Query, QueryKind, QueryState
from datahub.queries.rules import questions as rules
from datahub.queries.rules.questions import Asked, ColumnRef, Function, Op, Unit

MOST_COLUMNS = 10
MOST_FILTERS = 20
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Id = Annotated[str, StringConstraints(pattern="^[0-9a-f-]{36}$")]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _OfColumn(SchemaIn):
    column: ColumnName
    is_joined: bool = Field(default=False, alias="joined", description="The column is of the joined dataset.")

    def ref(self) -> ColumnRef:
        """Return the column meant."""
        return ColumnRef(self.column, self.is_joined)


class DimensionIn(_OfColumn):
    """What groups are made by."""

    truncate: Unit | None = Field(default=None, description="Cut a date or an instant off to this unit.")
    bucket: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Take a number down to a multiple of this."
    )
    name: ColumnName | None = Field(default=None, alias="as")

    def dimension(self) -> rules.Dimension:
        """Return the dimension asked for."""
        return rules.Dimension(self.ref(), self.name or self.column, self.truncate, self.bucket)


Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]


class MeasureIn(SchemaIn):
    """What is told of each group."""

    function: Function
    column: ColumnName | None = Field(default=None, description="All but count take one.")
    is_joined: bool = Field(default=False, alias="joined", description="The column is of the joined dataset.")
    bounds: tuple[Finite, Finite] | None = Field(
        default=None, description="With noise: values are clamped to lie between these."
    )
    name: ColumnName | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.bounds is not None and self.bounds[0] >= self.bounds[1]:
            msg = "bounds: the lower comes first"
            raise ValueError(msg)
        return self

    def measure(self) -> rules.Measure:
        """Return the measure asked for."""
        column = None if self.column is None else ColumnRef(self.column, self.is_joined)
        plain = self.function.value if self.column is None else f"{self.function.value}_{self.column}"
        return rules.Measure(self.function, self.name or plain, column, self.bounds)


Value = Annotated[str, StringConstraints(max_length=1000)] | bool | int | float


class FilterIn(_OfColumn):
    """One condition on rows; all must hold."""

    operator: Op
    values: list[Value] = Field(min_length=1, max_length=1000, description="One, but for `in`.")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.operator is not Op.IN and len(self.values) != 1:
            msg = f"{self.operator} takes one value"
            raise ValueError(msg)
        if self.operator is Op.IS_NULL and not isinstance(self.values[0], bool):
            msg = "isNull takes true or false"
            raise ValueError(msg)
        if any(isinstance(value, str) and "\0" in value for value in self.values):
            msg = "a value holds a NUL character"
            raise ValueError(msg)
        return self

    def condition(self) -> rules.Condition:
        """Return the condition asked for."""
        return rules.Condition(self.ref(), self.operator, tuple(self.values))


class OnIn(SchemaIn):
    """The column on either side that must be equal: where results only leave, the one that counts groups."""

    left: ColumnName
    right: ColumnName


class JoinIn(SchemaIn):
    """One other dataset, under an agreement of its own."""

    dataset: Id
    on: OnIn
    agreement: Id | None = None


class QuestionIn(SchemaIn):
    """One question: what of which groups, over which rows."""

    dimensions: list[DimensionIn] = Field(default=[], max_length=MOST_COLUMNS)
    measures: list[MeasureIn] = Field(min_length=1, max_length=MOST_COLUMNS)
    filters: list[FilterIn] = Field(default=[], max_length=MOST_FILTERS)
    join: JoinIn | None = None
    small_groups: Literal["drop", "merge"] = Field(
        default="drop",
        description="Groups that may not leave: left out, or taken together if that may leave.",
    )
    epsilon: Annotated[Decimal, Field(gt=0, le=rules.MOST_EPSILON, allow_inf_nan=False)] | None = Field(
        default=None, description="With noise: what this question spends of the agreement's."
    )
    max_rows_each: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="With noise: how many rows of one identity count at most."
    )
    version: VersionNumber | None = Field(default=None, description="The latest unless told.")
    agreement: Id | None = Field(default=None, description="Which of the agreements in the token.")

    def question(self) -> Asked:
        """Return the question asked."""
        given = self.join
        join = (
            None
            if given is None
            else rules.Joining(given.dataset, given.on.left, given.on.right, given.agreement)
        )
        return Asked(
            tuple(each.dimension() for each in self.dimensions),
            tuple(each.measure() for each in self.measures),
            tuple(each.condition() for each in self.filters),
            join,
            is_merged=self.small_groups == "merge",
            epsilon=self.epsilon,
            most_rows_each=self.max_rows_each,
        )


class SqlIn(SchemaIn):
    """One SELECT over the rows the agreement gives; they are the table `data`."""

    sql: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    version: VersionNumber | None = Field(default=None, description="The latest unless told.")
    agreement: Id | None = Field(default=None, description="Which of the agreements in the token.")


class ColumnOut(Schema):
    """A column that may be asked about."""

    name: str
    type: str


class AllowedOut(Schema):
    """What may be asked of a dataset now, and what is left of the agreement's budgets."""

    dataset_id: str
    version: int
    agreement_id: str | None
    is_results_only: bool
    columns: list[ColumnOut] = Field(description="For dimensions, measures and filters.")
    functions: list[Function]
    minimum_group: int = Field(description="Smaller groups do not leave.")
    entity_key: str | None = Field(description="The column that counts a group, and on which may be joined.")
    queries_left: int | None = Field(description="In the 24 hours before now; null: no limit.")
    epsilon_left: str | None = Field(description="For noise, over the agreement's life; null: exact results.")
    notes: list[str]


class QueryOut(Schema):
    """One query, as it was asked, and how it ended."""

    id: str
    at: UtcInstant
    kind: QueryKind
    state: QueryState
    code: str | None
    dataset_id: str
    dataset_version: int
    agreement_id: str | None
    provider_id: str
    consumer_id: str | None
    by_client_id: str | None
    purpose: str | None
    asked: dict[str, Any] = Field(description="The body as it came.")
    epsilon: str | None
    joined_dataset_id: str | None
    joined_agreement_id: str | None
    decision_id: str
    entry_id: str
    rows: int | None
    bytes: int | None
    ended_at: UtcInstant | None

    @classmethod
    def of(cls, query: Query) -> Self:
        """Shape the row."""
        spent = query.epsilon_micro
        return cls.model_validate(
            {
                **query.model_dump(exclude={"epsilon_micro", "joined_provider_id"}),
                "epsilon": None if spent is None else str(Decimal(spent) / 1_000_000),
            }
        )


class CellOut(Schema):
    """A column of an answer."""

    name: Line
    type: str


class AnswerOut(Schema):
    """An answer as JSON: settled and in the log before it is sent."""

    query_id: str
    entry_id: str
    decision_id: str
    dataset_version: int
    minimum_group: int = Field(
        description="Groups smaller than this, or too close to earlier answers, are left out."
    )
    is_cut: bool = Field(description="There were more rows than an answer may have.")
    columns: list[CellOut]
    rows: list[dict[str, Any]]

"""What each mask does to a column: one table, read by every engine the same.

A mask that keeps the column's type gives a coarser value or none; the others give text. Codes are not made in the
engine: hashing each row costs more than all the rest, and a distinct value has to be coded once only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from datahub import policy

SHORT = "***"
"""What stands for a text too short to show a part of, and for a fixed text that was not given."""


@dataclass(frozen=True)
class Method:
    """One way to hide: how, whether the column keeps its type, and whether a code replaces the value."""

    apply: Callable[[exp.Expr, str | None], exp.Expr]
    keeps_type: bool = False
    is_code: bool = False


def text(value: exp.Expr) -> exp.Expr:
    """Return a value as text."""
    return exp.Cast(this=value, to=exp.DataType.build("text"))


def _part(take: type[exp.Left | exp.Right], length: int) -> Callable[[exp.Expr, str | None], exp.Expr]:
    """Show the first or last characters, but never all there are."""

    def apply(value: exp.Expr, _: str | None) -> exp.Expr:
        size = exp.Literal.number(length)
        longer = exp.GT(this=exp.Length(this=text(value.copy())), expression=size.copy())
        part = take(this=text(value.copy()), expression=size)
        present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
        return exp.Case(
            ifs=[exp.If(this=longer, true=part), exp.If(this=present, true=exp.Literal.string(SHORT))]
        )

    return apply


def _truncated(unit: str) -> Callable[[exp.Expr, str | None], exp.Expr]:
    return lambda value, _: exp.TimestampTrunc(this=value, unit=exp.var(unit))


def _nothing(_: exp.Expr, __: str | None) -> exp.Expr:
    return exp.Null()


METHODS: Mapping[str, Method] = {
    "null": Method(_nothing, keeps_type=True),
    "fixed": Method(lambda _, said: exp.Literal.string(said or SHORT)),
    "hash": Method(lambda value, _: text(value), is_code=True),
    "hmac": Method(lambda value, _: text(value), is_code=True),
    "first4": Method(_part(exp.Left, 4)),
    "last4": Method(_part(exp.Right, 4)),
    "year": Method(_truncated("YEAR"), keeps_type=True),
    "month": Method(_truncated("MONTH"), keeps_type=True),
    "day": Method(_truncated("DAY"), keeps_type=True),
    "hour": Method(_truncated("HOUR"), keeps_type=True),
}

_UNKNOWN = Method(_nothing, keeps_type=True)


_MOMENTS = frozenset({"year", "month", "day", "hour"})


def method_of(name: str, found: pa.DataType, steps: Sequence[int] = ()) -> Method:
    """Return a method by its name; one that is not known, or does not apply to the type, hides all."""
    if name == "bucket":
        return _bucket(found, steps)
    if name in _MOMENTS and pa.types.is_date(found):
        return METHODS["day" if name == "hour" else name]
    if name in _MOMENTS and not pa.types.is_timestamp(found):
        return _UNKNOWN
    return METHODS.get(name, _UNKNOWN)


def _bucket(found: pa.DataType, steps: Sequence[int]) -> Method:
    is_exact = pa.types.is_integer(found) or pa.types.is_decimal(found)
    if not steps or not (is_exact or pa.types.is_floating(found)):
        return _UNKNOWN
    return Method(lambda value, _: policy.bucketed(value, steps, is_exact=is_exact), keeps_type=True)

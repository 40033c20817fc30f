"""From what a policy lets leave to the steps that carry it out.

Rows first, then the columns with their masks: what the reader filters on or leaves out comes after these steps.
"""

import pyarrow as pa
from sqlglot import exp

from datahub import policy
from datahub.engine import masks
from datahub.engine.plan import Limit, Mapped, Output, Plan, Predicate, Project, column
from datahub.engine.sql import sql_type

_NULL = exp.Null()


def release(
    found: policy.Plan, facts: policy.Facts, schema: pa.Schema, pseudonym_key: bytes | None = None
) -> Plan:
    """Return the steps that let exactly the cells of a policy's plan leave a table with this schema.

    `pseudonym_key` is needed where a column leaves as a pseudonym; without it such a column leaves empty.
    """
    rows, shown = policy.plan_tests(found, facts)
    outputs = tuple(_output(each, schema.field(each.column).type, pseudonym_key) for each in shown)
    plan = Plan(schema).then(Predicate(rows), Project(outputs))
    limit = found.limits.get("rows")
    return plan if limit is None else plan.then(Limit(max(limit, 0)))


def _output(shown: policy.Shown, stored: pa.DataType, key: bytes | None) -> Output:
    methods = [
        None if mask is None else masks.method_of(mask.method, stored, mask.steps) for mask, _ in shown.layers
    ]
    is_text = any(method is not None and not method.keeps_type for method in methods)
    values: list[tuple[exp.Expr | None, exp.Expr]] = []
    codes: list[tuple[int, bytes | None]] = []
    for at, ((mask, when), method) in enumerate(zip(shown.layers, methods, strict=True)):
        value: exp.Expr = column(shown.column)
        if mask is not None and method is not None:
            value = method.apply(value, mask.replacement)
        if method is not None and method.is_code and mask is not None:
            if mask.method == "hash" or key is not None:
                codes.append((at, None if mask.method == "hash" else key))
            else:
                value = _NULL.copy()
        elif is_text and (method is None or method.keeps_type) and not isinstance(value, exp.Null):
            value = masks.text(value)
        elif method is not None and method.keeps_type and not isinstance(value, exp.Null):
            # A bound that the type cannot hold, below a decimal's least, is nothing.
            value = exp.TryCast(this=value, to=exp.DataType.build(sql_type(stored), dialect="duckdb"))
        values.append((when, value))
    coded = {at for at, _ in codes}
    plain = [(when, _NULL.copy() if at in coded else value) for at, (when, value) in enumerate(values)]
    mapped = tuple(
        Mapped(_case([(w, v if n == at else _NULL.copy()) for n, (w, v) in enumerate(values)]), each)
        for at, each in codes
    )
    return Output(shown.column, pa.string() if is_text else stored, _case(plain), mapped)


def _case(layers: list[tuple[exp.Expr | None, exp.Expr]]) -> exp.Expr:
    """Return the value of the first layer whose test is true; a layer without a test ends the list."""
    ifs: list[exp.If] = []
    for when, value in layers:
        if when is None:
            return exp.Case(ifs=ifs, default=value) if ifs else value
        ifs.append(exp.If(this=when.copy(), true=value))
    return (
        exp.Case(ifs=ifs)
        if any(not isinstance(each.args["true"], exp.Null) for each in ifs)
        else _NULL.copy()
    )

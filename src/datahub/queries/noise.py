"""Answers with noise: (ε, δ)-differential privacy by OpenDP's Laplace mechanism, for agreements that state an epsilon.

Each identity counts with at most so many rows, values are clamped to the bounds the asker states, and ε is parted over
the measures and the choice of groups. A group shows when its noisy number of identities passes a threshold so high
that, but for δ, it holds the agreement's minimum exactly (stability-based selection: Korolova et al. 2009).
"""

import math
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow as pa

from datahub.queries.clean_room import Answered, Limits, Table, check, load, opened, sides_of
from datahub.queries.errors import NoiseNotInstalled
from datahub.queries.rules.questions import Asked, Function, Measure

DELTA = 1e-6
"""Per query: the chance that the choice of groups tells more than ε allows."""

_PARTS = {Function.COUNT: 1, Function.SUM: 1, Function.AVG: 2}


def ask_with_noise(limits: Limits, asked: Asked, table: Table) -> Answered:
    """Answer a question with noise. Raises what `ask` raises, and NoiseNotInstalled."""
    with opened(limits, []) as connection:
        sides = sides_of(connection, [table])
        check(connection, asked, sides)
        load(connection, asked, [table], sides)
        return Answered(_released(connection, asked, table.room.minimum))


def laplace(values: list[float], sensitivity: float, epsilon: float) -> list[float]:
    """Return values with noise such that the whole list is ε-differentially private. Raises NoiseNotInstalled."""
    try:
        import opendp.prelude as dp  # noqa: PLC0415 — the extra `privacy`
    except ImportError as missing:
        detail = "This agreement gives results with noise, which this exchange cannot add."
        raise NoiseNotInstalled(detail, remedy="Install the extra `privacy`.") from missing
    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T=float, nan=False))
    measurement: Any = dp.m.make_laplace(
        domain, dp.l1_distance(T=float), scale=sensitivity / epsilon * (1 + 1e-9)
    )
    spent = measurement.map(sensitivity)
    assert spent <= epsilon * (1 + 1e-6)  # noqa: S101 — what OpenDP proves is what is charged
    return list(measurement(values))


def threshold(minimum: int, scale: float, rows_each: int) -> float:
    """Return how large a noisy group must be, so that one of fewer than `minimum` passes with chance below δ."""
    return minimum + scale * math.log(rows_each / (2 * DELTA))


def _released(connection: duckdb.DuckDBPyConnection, asked: Asked, minimum: int) -> pa.Table:
    each, epsilon = asked.most_rows_each or 1, asked.epsilon or Fraction(1)
    share = float(Fraction(epsilon) / (1 + sum(_PARTS[one.function] for one in asked.measures)))
    sums = ", ".join(
        ["count(DISTINCT i0)", *(part for n, one in enumerate(asked.measures) for part in _exact(n, one))]
    )
    columns = "".join(f", any_value(d{n})" for n in range(len(asked.dimensions)))
    bounded = "SELECT *, row_number() OVER (PARTITION BY i0 ORDER BY r0) AS nth FROM base"
    rows = connection.execute(
        f"SELECT {sums}{columns} FROM ({bounded}) WHERE nth <= {each:d} GROUP BY cell ORDER BY cell"  # noqa: S608 — numbers and names of our own
    ).fetchall()
    count = 1 + sum(_PARTS[one.function] for one in asked.measures)
    exact = [[float(row[n] or 0) for row in rows] for n in range(count)]
    noisy = [laplace(exact[0], each, share) if rows else []]
    sensitivities = [size for one in asked.measures for size in _sensitivities(one, each)]
    for values, size in zip(exact[1:], sensitivities, strict=True):
        noisy.append(laplace(values, size, share) if rows else [])
    least = threshold(minimum, each / share, each)
    kept = [place for place, size in enumerate(noisy[0]) if size >= least and exact[0][place] >= minimum]
    found: dict[str, list[Any]] = {
        one.name: [rows[place][count + n] for place in kept] for n, one in enumerate(asked.dimensions)
    }
    at = 1
    for one in asked.measures:
        given = [[column[place] for place in kept] for column in noisy[at : at + _PARTS[one.function]]]
        at += _PARTS[one.function]
        found[one.name] = (
            [total / max(size, 1) for total, size in zip(*given, strict=True)] if len(given) > 1 else given[0]
        )
    return pa.table(found)


def _exact(n: int, one: Measure) -> list[str]:
    if one.function is Function.COUNT:
        return [f"count(m{n})" if one.column else "count(*)"]
    low, high = one.bounds or (0.0, 0.0)
    total = f"sum(greatest({low!r}, least({high!r}, CAST(m{n} AS DOUBLE))))"
    return [total] if one.function is Function.SUM else [total, f"count(m{n})"]


def _sensitivities(one: Measure, each: int) -> list[float]:
    if one.function is Function.COUNT:
        return [float(each)]
    largest = max(abs(bound) for bound in one.bounds or (0.0, 0.0)) or 1.0
    return [each * largest] if one.function is Function.SUM else [each * largest, float(each)]

"""The made-up region of the demo: twelve neighbourhoods and their people, the same on every machine.

Nothing here is about anybody: one seeded generator makes it all. Better-off neighbourhoods score a little better on
most things, not on all of them, so that the picture at the end is worth looking at.
"""

import csv
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq

REGION = "Veenmeer"
YEAR = 2025
_SEED = 20251231
_FIRST_DAY = datetime(YEAR, 11, 3, tzinfo=UTC)  # a Monday
_DAYS = 7
_PUPILS, _PATIENTS = 900, 1200
_YES, _ANSWERED = 0.88, 0.94
_LEVELS = ("vmbo", "havo", "vwo", "mbo", "hbo")
_RUSH = {7: 2.4, 8: 3.0, 9: 1.8, 16: 2.0, 17: 2.7, 18: 1.9}
_NIGHT = 6

Row = Mapping[str, object]


@dataclass(frozen=True)
class Neighbourhood:
    """A neighbourhood; `means` is how well off it is (0 to 1), `reach` how well connected."""

    code: str
    name: str
    residents: int
    means: float
    reach: float


NEIGHBOURHOODS = (
    Neighbourhood("VM01", "Binnenveste", 6_210, 0.71, 0.97),
    Neighbourhood("VM02", "Turfhaven", 4_830, 0.64, 0.86),
    Neighbourhood("VM03", "Touwbaan", 7_940, 0.33, 0.78),
    Neighbourhood("VM04", "Oosterschans", 5_120, 0.58, 0.81),
    Neighbourhood("VM05", "Rietkamp", 8_460, 0.41, 0.44),
    Neighbourhood("VM06", "Sint Joris", 3_970, 0.27, 0.62),
    Neighbourhood("VM07", "Plashoek", 2_650, 0.88, 0.35),
    Neighbourhood("VM08", "Windas", 6_780, 0.36, 0.57),
    Neighbourhood("VM09", "Kalkovens", 5_540, 0.22, 0.39),
    Neighbourhood("VM10", "Plaszicht", 4_310, 0.79, 0.52),
    Neighbourhood("VM11", "Veldzijde", 3_280, 0.55, 0.21),
    Neighbourhood("VM12", "Nieuw Werk", 9_150, 0.48, 0.69),
)


@cache
def income_and_schooling() -> Sequence[Row]:
    """Income and schooling per neighbourhood: what the municipality gives to everybody."""
    dice = _dice(1)
    return tuple(
        {
            "neighbourhood_code": n.code,
            "neighbourhood": n.name,
            "year": YEAR,
            "residents": n.residents,
            "median_income_eur": round(21_500 + 21_000 * n.means + dice.uniform(-1200, 1200)),
            "low_income_pct": round(max(2.0, 19 - 16 * n.means + dice.uniform(-2, 2)), 1),
            "basic_qualification_pct": round(61 + 33 * n.means + dice.uniform(-4, 4), 1),
        }
        for n in NEIGHBOURHOODS
    )


@cache
def schooling_records() -> Sequence[Row]:
    """One row per pupil: what the municipality gives to organisations it knows."""
    dice = _dice(2)
    rows = []
    for number in range(1, _PUPILS + 1):
        home = _somewhere(dice)
        rows.append(
            {
                "pupil_id": f"P{number:05d}",
                "neighbourhood_code": home.code,
                "birth_year": dice.randint(YEAR - 23, YEAR - 13),
                "level": dice.choices(_LEVELS, (3, 3, 2 + 3 * home.means, 4, 2 + 2 * home.means))[0],
                "basic_qualification": dice.random() < 0.55 + 0.38 * home.means,
                "absent_days": int(dice.expovariate(1 / (9 - 5 * home.means))),
            }
        )
    return tuple(rows)


@cache
def travel_and_sensor_counts() -> Sequence[Row]:
    """One week of counters, per neighbourhood and hour: what the transport authority gives to everybody."""
    dice = _dice(3)
    return tuple(
        {
            "neighbourhood_code": n.code,
            "hour": _FIRST_DAY + timedelta(hours=hour),
            "boardings": round(n.residents * n.reach * _rush(hour) * dice.uniform(0.8, 1.2) / 190),
            "cyclists": round(n.residents * _rush(hour) * dice.uniform(0.7, 1.3) / 120),
            "pm25_ug_m3": round(7 + 5 * n.reach + dice.uniform(-1.5, 3.0), 1),
        }
        for n in NEIGHBOURHOODS
        for hour in range(24 * _DAYS)
    )


@cache
def care_use() -> Sequence[Row]:
    """One row per person: what the public health service gives for research only, after a person said yes."""
    dice = _dice(4)
    rows = []
    for number in range(1, _PATIENTS + 1):
        home = _somewhere(dice)
        visits = int(dice.expovariate(1 / (6.5 - 3 * home.means)))
        rows.append(
            {
                "person_id": f"C{number:05d}",
                "neighbourhood_code": home.code,
                "birth_year": dice.randint(YEAR - 95, YEAR - 1),
                "gp_visits": visits,
                "mental_health_care": dice.random() < 0.12 - 0.06 * home.means,
                "costs_eur": round(visits * dice.uniform(28, 64) + dice.expovariate(1 / 900), 2),
            }
        )
    return tuple(rows)


@cache
def answers() -> Mapping[str, bool]:
    """Return what people answered who were asked whether their care records may be used; some never did."""
    dice = _dice(5)
    said = {str(row["person_id"]): dice.random() for row in care_use()}
    return {person: answer < _YES for person, answer in said.items() if answer < _ANSWERED}


def as_csv(rows: Sequence[Row]) -> bytes:
    """Write rows as CSV with a header line."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().encode()


def as_parquet(rows: Sequence[Row]) -> bytes:
    """Write rows as Parquet."""
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), out)
    return out.getvalue()


def misprint(csv_text: bytes, line: int, right: str, wrong: str) -> bytes:
    """Return the same CSV with one value of one line (counted from 1, the header) replaced."""
    lines = csv_text.split(b"\r\n")
    lines[line - 1] = lines[line - 1].replace(right.encode(), wrong.encode(), 1)
    return b"\r\n".join(lines)


def inclusive_growth(
    people: Sequence[Row], counts: Sequence[Row], care: Mapping[str, float]
) -> Sequence[tuple[str, Mapping[str, float]]]:
    """Return per neighbourhood, best first, how it does on income, schooling, mobility and health, and on all four.

    `care`: mean visits to the doctor per neighbourhood; fewer is better.

    Each score is 0 to 100: where the neighbourhood stands between the lowest and the highest of the region.
    """
    boardings: dict[object, float] = {}
    for row in counts:
        code = row["neighbourhood_code"]
        boardings[code] = boardings.get(code, 0) + float(str(row["boardings"]))
    measures = {
        str(row["neighbourhood"]): (
            float(str(row["median_income_eur"])),
            float(str(row["basic_qualification_pct"])),
            boardings[row["neighbourhood_code"]] / float(str(row["residents"])),
            -care[str(row["neighbourhood_code"])],
        )
        for row in people
    }
    scaled = [_scaled(column) for column in zip(*measures.values(), strict=True)]
    scores = []
    kinds = ("income", "schooling", "mobility", "health")
    for name, four in zip(measures, zip(*scaled, strict=True), strict=True):
        scores.append((name, {**dict(zip(kinds, four, strict=True)), "together": sum(four) / len(four)}))
    return sorted(scores, key=lambda score: -score[1]["together"])


def _scaled(column: Sequence[float]) -> list[float]:
    low, high = min(column), max(column)
    return [100 * (value - low) / (high - low) for value in column]


def _rush(hour: int) -> float:
    of_day, day = hour % 24, hour // 24
    if of_day < _NIGHT:
        return 0.1
    return _RUSH.get(of_day, 1.0) if day < 5 else 0.7  # noqa: PLR2004 — Monday to Friday


def _somewhere(dice: random.Random) -> Neighbourhood:
    return dice.choices(NEIGHBOURHOODS, [n.residents for n in NEIGHBOURHOODS])[0]


def _dice(number: int) -> random.Random:
    return random.Random(_SEED + number)  # noqa: S311 — the same numbers every time is the point


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value

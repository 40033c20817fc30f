"""Act 5: results only: questions run here, groups leave, and the app draws its picture without having seen a person."""

from typing import Any

import pyarrow as pa

from datahub.cli.demo import data
from datahub.cli.demo.acts.ask import details
from datahub.cli.demo.cast import Cast
from datahub.cli.demo.teller import Answer, Teller

_LINES = 5


def question(tell: Teller, cast: Cast) -> None:
    """Ask for groups, be refused what points at a few, and draw the region's picture."""
    tell.stage.act("Results only: the question comes to the data")
    care = _groups(tell, cast)
    _too_few(tell, cast)
    _picture(tell, cast, care)


def _groups(tell: Teller, cast: Cast) -> dict[str, float]:
    tell.stage.scene(
        "The app asks how often people see their doctor, per neighbourhood",
        "Only groups of ten people or more leave, and each question is held against those asked before.",
    )
    tell.sign_in(cast.app, "data:read", details(cast, "care-use", "results", action="query"))
    asked = {
        "dimensions": [{"column": "neighbourhood_code"}],
        "measures": [{"function": "count"}, {"function": "avg", "column": "gp_visits", "as": "visits"}],
    }

    def groups(answer: Answer) -> list[str]:
        rows = _rows(answer)
        shown = [
            f"{each['neighbourhood_code']}  {each['count']:>4} people  {each['visits']:5.1f} visits"
            for each in rows
        ]
        return [*shown[:_LINES], f"… {len(rows)} groups"]

    answer = tell.call(cast.app, "POST", _address(cast), asked, shows=asked, tells=groups)
    return {str(each["neighbourhood_code"]): float(each["visits"]) for each in _rows(answer)}


def _too_few(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A question that would point at a few people",
        "By year of birth as well, the groups are too small, or would tell one by subtracting what was told before.",
    )
    asked = {
        "dimensions": [{"column": "neighbourhood_code"}, {"column": "birth_year"}],
        "measures": [{"function": "count"}],
    }
    tell.call(cast.app, "POST", _address(cast), asked, shows=asked, expects=403, code="result-withheld")


def _picture(tell: Teller, cast: Cast, care: dict[str, float]) -> None:
    tell.stage.scene(
        "Inclusive growth per neighbourhood",
        "From two open tables and the groups: where income, schooling, mobility and health go together.",
    )

    def rows(dataset: str) -> list[dict[str, Any]]:
        where = f"/v1/datasets/{cast.datasets[dataset]}/data"
        answer = tell.quietly(cast.app, "GET", where, params={"format": "arrow"})
        found: list[dict[str, Any]] = pa.ipc.open_stream(answer.content).read_all().to_pylist()
        return found

    tell.sign_in(cast.app)
    scores = data.inclusive_growth(rows("income-schooling"), rows("travel-counts"), care)
    tell.stage.bars("neighbourhood", ("income", "schooling", "mobility", "health", "together"), scores)
    tell.stage.note("0 is the lowest of the region, 100 the highest. The data is made up.")


def _address(cast: Cast) -> str:
    return f"/v1/datasets/{cast.datasets['care-use']}/queries"


def _rows(answer: Answer) -> list[dict[str, Any]]:
    names = [each["name"] for each in answer.json["columns"]]
    return [
        dict(zip(names, row, strict=True)) if isinstance(row, list) else row for row in answer.json["rows"]
    ]

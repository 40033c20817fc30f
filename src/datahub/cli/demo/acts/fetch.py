"""A token for one agreement, data in three formats; and what revoking does."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from datahub.cli.demo import data
from datahub.cli.demo.acts.ask import MARKETING, details
from datahub.cli.demo.cast import Cast
from datahub.cli.demo.teller import Answer, StoryBroke, Teller

_LINES = 4


def fetch(tell: Teller, cast: Cast) -> None:
    """Fetch under an agreement."""
    tell.stage.act("Fetching: short tokens, any format, and only the rows of who said yes")
    _token(tell, cast)
    _formats(tell, cast)


def revoke(tell: Teller, cast: Cast) -> None:
    """Revoke, and be refused."""
    tell.stage.act("Ending: an end that is an end")
    _revoked(tell, cast)


def _token(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A token says what it is for",
        "Which dataset, which purpose, which agreement: the token opens that and nothing else.",
    )
    tell.sign_in(
        cast.researcher,
        "data:read",
        details(cast, "care-use", purpose=MARKETING),
        is_quiet=False,
        expects=400,
    )
    tell.stage.note("Another purpose than was agreed is refused. For research:")
    tell.sign_in(
        cast.researcher,
        "data:read",
        details(cast, "care-use"),
        is_quiet=False,
        tells=("token_type", "expires_in", "scope", "authorization_details.0.purpose"),
    )


def _formats(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The same rows as CSV, Parquet and Arrow",
        "Each read is decided again and written down before its first byte; then it streams.",
    )
    where = f"/v1/datasets/{cast.datasets['care-use']}/data"

    def first_lines(answer: Answer) -> list[str]:
        lines = answer.content.decode().splitlines()
        return [*lines[:_LINES], f"… {len(lines) - 1} rows, {len(answer.content):,} bytes"]

    def size(answer: Answer) -> list[str]:
        return [f"{answer.headers['content-type']}, {len(answer.content):,} bytes"]

    def get(format_: str, tells: Any) -> bytes:
        return tell.call(cast.researcher, "GET", where, params={"format": format_}, tells=tells).content

    tables = [
        pyarrow.csv.read_csv(io.BytesIO(get("csv", first_lines))),
        pyarrow.parquet.read_table(io.BytesIO(get("parquet", size))),
        pa.ipc.open_stream(get("arrow", size)).read_all(),
    ]
    said_yes = {person for person, is_yes in data.answers().items() if is_yes}
    wanted = [dict(row) for row in data.care_use() if row["person_id"] in said_yes]
    for table in tables:
        if _in_order(table.to_pylist()) != _in_order(wanted):
            msg = "a fetched table does not hold exactly the rows of who said yes"
            raise StoryBroke(msg)
    tell.stage.note(
        f"Read back: all three hold the {len(wanted):,} rows of who said yes, of {len(data.care_use()):,} published."
    )
    params = {"format": "csv", "fields": "neighbourhood_code,gp_visits", "filter": "gp_visits:gt:25"}
    tell.call(cast.researcher, "GET", where, params=params, tells=first_lines)


def _revoked(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The health service revokes the agreement",
        "An agreement that ends takes its tokens with it, and the very next read is refused.",
    )
    where = f"/v1/agreements/{cast.agreements['care-use']}/transitions"
    move = {"move": "revoke", "reason": "The project was stopped by the ethics committee."}
    tell.call(cast.approver, "POST", where, move, shows=move, expects=201, tells=("state", "standing"))
    data_at = f"/v1/datasets/{cast.datasets['care-use']}/data"
    tell.stage.note("The token that worked a moment ago:")
    tell.call(cast.researcher, "GET", data_at, params={"format": "csv"}, expects=401)
    tell.stage.note("A new token for the same agreement, and a token without one:")
    tell.sign_in(cast.researcher, "data:read", details(cast, "care-use"), is_quiet=False, expects=400)
    tell.sign_in(cast.researcher)
    tell.call(cast.researcher, "GET", data_at, params={"format": "csv"}, expects=403)


def _size(answer: Answer) -> str:
    return f"{len(answer.content):,} bytes"


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row["person_id"]))

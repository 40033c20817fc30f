"""How the commands say what they found: a table for people, JSON for programs."""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import click

from datahub.policy import Fault

WIDEST = 60


class Form(StrEnum):
    """How a command answers."""

    TABLE = "table"
    JSON = "json"


form_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice([each.value for each in Form]),
    default=Form.TABLE.value,
    show_default=True,
    help="How to answer.",
)
lang_option = click.option(
    "--lang", type=click.Choice(["en", "nl"]), default="en", show_default=True, help="Language of sentences."
)


def say_json(value: Any) -> None:
    """Print JSON on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def say_table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, is_talk: bool = False) -> None:
    """Print columns set apart by blanks; the last one may be as wide as it likes."""
    lines = [tuple(heads), *(tuple("" if cell is None else str(cell) for cell in row) for row in rows)]
    widths = [min(max(len(line[at]) for line in lines), WIDEST) for at in range(len(heads) - 1)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=True)]
        click.echo("  ".join(cells).rstrip(), err=is_talk)


def say_faults(source: str, faults: Sequence[Fault], form: str, *, is_talk: bool = False) -> None:
    """Print what is wrong with a document: where, which code, what, and what to do."""
    if form == Form.JSON:
        say_json({"file": source, "faults": [fault_json(each) for each in faults]})
        return
    rows = [(source, each.pointer or "/", each.code, f"{each.message} {each.remedy}") for each in faults]
    say_table(("FILE", "AT", "CODE", "WHAT TO DO"), rows, is_talk=is_talk)


def fault_json(fault: Fault) -> dict[str, str]:
    """Return a fault as JSON."""
    return {
        "pointer": fault.pointer,
        "code": fault.code,
        "message": fault.message,
        "remedy": fault.remedy,
    }

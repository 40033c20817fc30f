"""What the command line looks like, kept beside this file: helps whole, and tables and JSON of made-up answers.

After a change that is meant: `.venv/bin/python -m tests.cli.test_snapshots` writes what comes.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datahub.cli import main
from datahub.cli.output import Output

SNAPSHOTS = Path(__file__).parent / "snapshots"
HELPS = ("", "dataset", "dataset publish", "request create", "data get", "log", "profile add", "demo")
ITEMS: list[Mapping[str, Any]] = [
    {
        "ref": "city/air",
        "title": {"en": "Air quality", "nl": "Luchtkwaliteit"},
        "isOpen": False,
        "keywords": ["air", "pm2.5"],
        "lastVersion": 3,
        "licence": None,
    },
    {
        "ref": "city/trees",
        "title": {"en": None, "nl": "Bomen, “oud”"},
        "isOpen": True,
        "keywords": [],
        "lastVersion": None,
        "licence": "CC0-1.0",
    },
]
COLUMNS = ("ref", "title", "isOpen", "keywords", "lastVersion", "licence")


def _help(words: str) -> str:
    return (
        CliRunner()
        .invoke(main, [*words.split(), "--help"], prog_name="datahub", env={"COLUMNS": "100"})
        .output
    )


def _printed(print_it: Callable[[], None]) -> str:
    with redirect_stdout(StringIO()) as said:
        print_it()
    return said.getvalue()


def taken() -> dict[str, str]:
    """Return every snapshot as it is now, by the name of its file."""
    found = {f"help{''.join(f'-{word}' for word in words.split())}.txt": _help(words) for words in HELPS}
    for form in ("table", "json", "jsonl", "csv"):
        found[f"many.{form}"] = _printed(lambda form=form: Output(form).many(ITEMS, COLUMNS))  # type: ignore[misc]
        found[f"one.{form}"] = _printed(lambda form=form: Output(form).one(ITEMS[0]))  # type: ignore[misc]
    picked = Output("json", ("ref", "title.en"))
    return found | {"picked.json": _printed(lambda: picked.many(ITEMS, COLUMNS))}


@pytest.mark.parametrize(
    "name", sorted(path.name for path in SNAPSHOTS.iterdir()) if SNAPSHOTS.exists() else ()
)
def test_the_command_line_looks_as_it_did(name: str) -> None:
    assert taken()[name] == (SNAPSHOTS / name).read_text()


def test_every_snapshot_is_kept() -> None:
    assert set(taken()) == {path.name for path in SNAPSHOTS.iterdir()}


if __name__ == "__main__":
    SNAPSHOTS.mkdir(exist_ok=True)
    for file, text in taken().items():
        (SNAPSHOTS / file).write_text(text)
    sys.stdout.write(f"{SNAPSHOTS}\n")

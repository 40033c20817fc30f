"""How commands answer: a table for people, JSON, JSON Lines or CSV for programs. stdout is data, stderr is talk."""

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

FORMS = ("table", "json", "jsonl", "csv")
# Between the words of a field's name: `lastVersion` heads its column as LAST VERSION.
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
# On a terminal no cell but the last is wider, and none is cut to less.
WIDEST, NARROWEST = 60, 8


@dataclass(frozen=True)
class Output:
    """The form asked for, and the fields; no fields means those that the command shows, or in JSON all."""

    form: str = "table"
    fields: tuple[str, ...] = ()

    def many(self, items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Print a list; JSON Lines and CSV as the items come."""
        if self.form == "jsonl":
            for item in items:
                click.echo(json.dumps(self._picked(item), ensure_ascii=False))
        elif self.form == "json":
            click.echo(json.dumps([self._picked(item) for item in items], indent=2, ensure_ascii=False))
        elif self.form == "csv":
            self._csv(items, self.fields or columns)
        else:
            heads = self.fields or tuple(columns)
            table(heads, ([value_at(item, name) for name in heads] for item in items))

    def one(self, item: Mapping[str, Any], columns: Sequence[str] = ()) -> None:
        """Print one thing: a field a line for people."""
        if self.form == "csv":
            self._csv([item], self.fields or columns or tuple(item))
        elif self.form in ("json", "jsonl"):
            indent = 2 if self.form == "json" else None
            click.echo(json.dumps(self._picked(item), indent=indent, ensure_ascii=False))
        else:
            names = self.fields or tuple(columns) or tuple(item)
            width = max((len(name) for name in names), default=0)
            for name in names:
                click.echo(f"{name.ljust(width)}  {_shown(value_at(item, name))}".rstrip())

    def _picked(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: value_at(item, name) for name in self.fields} if self.fields else item

    def _csv(self, items: Iterable[Mapping[str, Any]], heads: Sequence[str]) -> None:
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        for cells in (heads, *([_shown(value_at(item, name)) for name in heads] for item in items)):
            writer.writerow(cells)
            click.echo(line.getvalue(), nl=False)
            line.seek(0)
            line.truncate()


def value_at(item: Mapping[str, Any], name: str) -> Any:
    """Return a field by its name, or deeper by dots: `title.en`."""
    found: Any = item
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], room: int | None = None) -> None:
    """Print columns set apart by blanks; piped, the whole of every cell.

    `room`: characters in a line; on a terminal, its width. What does not fit is cut, or told field by field.
    """
    shown = [
        [_WORD.sub(" ", name).upper() for name in heads],
        *([_shown(cell) for cell in row] for row in rows),
    ]
    if len(shown) == 1:
        click.echo("Nothing found.", err=True)
        return
    if room is None and sys.stdout.isatty():
        room = shutil.get_terminal_size().columns
    widths = [max(len(row[at]) for row in shown) for at in range(len(heads))]
    fitted = widths if room is None else _fitted(widths, room)
    if fitted is None:
        _one_by_one(shown)
        return
    for number, row in enumerate(shown):
        cells = (_cut(cell, width).ljust(width) for cell, width in zip(row, fitted, strict=True))
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 and room is not None else line)


def _fitted(widths: Sequence[int], room: int) -> list[int] | None:
    """Return widths that fit in a line, taken from the widest; None where nothing would be left to read.

    The last column stays whole: it holds the id that the next command needs.
    """
    found = [*(min(width, WIDEST) for width in widths[:-1]), widths[-1]]
    over = sum(found) + 2 * (len(found) - 1) - room
    while over > 0:
        at = max(range(len(found) - 1), key=found.__getitem__, default=0)
        if len(found) == 1 or found[at] <= NARROWEST:
            return None
        found[at] -= 1
        over -= 1
    return found


def _one_by_one(shown: Sequence[Sequence[str]]) -> None:
    heads, *rows = shown
    width = max(len(head) for head in heads)
    for number, row in enumerate(rows):
        if number:
            click.echo()
        for head, cell in zip(heads, row, strict=True):
            click.echo(f"{head.ljust(width)}  {cell}".rstrip())


def say(text: str) -> None:
    """Tell the person something, on stderr."""
    click.echo(text, err=True)


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 1]}…"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping) and set(value) <= {"nl", "en"}:
        return str(value.get("en") or value.get("nl") or "")
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, tuple, Mapping)) else str(value)

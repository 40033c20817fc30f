"""How the story looks in a terminal: scenes, calls and their answers, tables and bars, at most 100 columns wide.

Piped, it is plain text; NO_COLOR is honoured (https://no-color.org), by rich.
"""

import io
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from rich.bar import Bar
from rich.console import Console, JustifyMethod
from rich.rule import Rule
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

MAX_WIDTH = 100
_ID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{6}([0-9a-f]{6})\b")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z")
_OK, _REFUSED, _WRONG = 300, 400, 500
_REFUSED_STYLE = "yellow"

Line = str | tuple[str, str]


class Stage:
    """Prints the story. Ids are shortened to `…` and their last six characters."""

    def __init__(self, console: Console | None = None) -> None:
        """Print to the terminal, or to any console."""
        self._out = console or _terminal()
        self._act = 0

    @property
    def width(self) -> int:
        """Return how many columns there are."""
        return self._out.width

    def title(self, text: str, *under: str) -> None:
        """Open the story."""
        self._out.print()
        self._out.print(Text(text, "bold"))
        for line in under:
            self._out.print(Text(line, "dim"))

    def act(self, text: str) -> None:
        """Begin the next act."""
        self._act += 1
        self._out.print()
        self._out.print(Rule(Text(f"{self._act}  {text}", "bold"), align="left", style="dim", characters="─"))

    def scene(self, title: str, why: str) -> None:
        """Begin a scene: what happens, and in one sentence why it matters."""
        self._out.print()
        self._out.print(Text(title, "bold cyan"))
        self._out.print(Text(why))

    def note(self, text: str) -> None:
        """Say something between the calls."""
        self._out.print()
        self._indented(Text(text), 2)

    def call(self, who: str, method: str, path: str, body: str = "") -> None:
        """Show a call as it is made: who, method, path, and the key part of what is sent."""
        shown, mark, query = short(path).partition("?")
        room = self.width - len(method) - len(who) - 5
        if len(shown) + len(query) + 1 <= room:
            shown, mark, query = short(path), "", ""
        line = Text.assemble((method, "bold"), " ", _cut(shown, room))
        line.append(" " * max(2, self.width - 2 - line.cell_len - len(who)))
        line.append(who, "dim")
        self._out.print()
        self._indented(line, 2)
        for more in filter(None, (mark + query, short(body))):
            self._indented(Text(more, "dim"), 4)

    def answer(self, status: int, reason: str, lines: Sequence[Line], *, is_expected: bool = True) -> None:
        """Show what came back: the status, and the interesting part; pairs are a name and what it holds."""
        style = "green" if status < _OK else _REFUSED_STYLE if status < _WRONG else "red"
        head = Text(f"{status} {reason}", f"bold {style if is_expected else 'red'}")
        self._indented(head, 2)
        pairs = Table.grid(padding=(0, 2, 0, 0))
        for line in lines:
            if isinstance(line, str):
                self._indented(Text(short(line)), 4)
            else:
                pairs.add_row(Text(line[0], "dim"), Text(short(line[1])))
        if pairs.row_count:
            self._indented(pairs, 4)

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        right: Sequence[str] = (),
        wraps: Sequence[str] = (),
    ) -> None:
        """Show rows, without borders; columns in `right` hold numbers, those in `wraps` give way when it gets tight."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1 if wraps else 2, 0, 0))
        for name in columns:
            side: JustifyMethod = "right" if name in right else "left"
            table.add_column(name, justify=side, no_wrap=name not in wraps, overflow="fold")
        for row in rows:
            table.add_row(*(Text(short("" if cell is None else str(cell))) for cell in row))
        self._out.print()
        self._indented(table, 2)

    def bars(self, label: str, names: Sequence[str], rows: Sequence[tuple[str, Mapping[str, float]]]) -> None:
        """Show scores from 0 to 100: numbers for `names`, a bar for the last of them."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column(label, no_wrap=True)
        for name in names:
            table.add_column(name, justify="right")
        table.add_column("")
        # What the numbers leave of the line, which is cut rather than wrapped.
        taken = 2 + max(len(row) for row, _ in rows) + sum(max(3, len(name)) + 2 for name in (*names, ""))
        length = max(8, min(40, self.width - taken))
        for row, scores in rows:
            *numbers, last = (scores[name] for name in names)
            shade = "green" if last >= 60 else "yellow" if last >= 30 else "red"  # noqa: PLR2004 — thirds or so
            bar = Bar(100, 0, last, width=length, color=shade)
            table.add_row(row, *(f"{n:.0f}" for n in numbers), f"{last:.0f}", bar)
        self._out.print()
        self._indented(table, 2)

    def hint(self, label: str, text: str) -> None:
        """Show one place to go to; never wrapped, so that it can be copied."""
        self._out.print(Text.assemble("  ", (f"{label:<15}", "dim"), text), soft_wrap=True)

    def command(self, why: str, *lines: str) -> None:
        """Show a command to try; never wrapped, so that it can be copied."""
        self._out.print()
        self._out.print(Text(f"  # {why}", "dim"))
        for line in lines:
            self._out.print(Text(f"  {line}"), soft_wrap=True)

    def line(self, text: str = "", style: str | Style = "") -> None:
        """Say a line of its own."""
        self._out.print(Text(text, style))

    def _indented(self, what: Text | Table, columns: int) -> None:
        """Print with an indent, wrapped in what room is left, and without blanks at the ends of lines."""
        room = self._out.options.update(width=self.width - columns)
        for line in self._out.render_lines(what, room, pad=False):
            while line and not line[-1].text.rstrip():
                line.pop()
            if line:
                last = line.pop()
                line[:] = [Segment(" " * columns), *line, Segment(last.text.rstrip(), last.style)]
            self._out.print(Segments([*line, Segment.line()]), end="")


def short(text: str) -> str:
    """Shorten ids to their last six characters and drop the fractions of seconds."""
    return _INSTANT.sub(r"\1Z", _ID.sub(r"…\1", text))


def compact(value: Any) -> str:
    """Write JSON on one line, long texts cut."""
    return orjson.dumps(_trimmed(value)).decode().replace('":', '": ').replace(',"', ', "')


def _trimmed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _trimmed(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_trimmed(each) for each in value]
    return _cut(value, 80) if isinstance(value, str) and not _ID.search(value) else value


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _terminal() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a bar gets a question mark, not a crash.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, markup=False, emoji=False)
    width = min(MAX_WIDTH, console.width) if console.is_terminal else MAX_WIDTH
    console.width = width
    return console

"""Groups that know their commands' names and one-liners without importing them, so that `--help` starts fast."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

# command → ("module:attribute", one line for the list)
Table = Mapping[str, tuple[str, str]]


class Lazy(click.Group):
    """A group whose commands come from a table and are loaded when they are called."""

    def __init__(self, *args: Any, table: Table, **more: Any) -> None:
        """Take the table."""
        super().__init__(*args, **more)
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the table's order."""
        del ctx
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        del ctx
        if cmd_name not in self._table:
            return None
        module, _, attribute = self._table[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list from the table."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._table.items()])

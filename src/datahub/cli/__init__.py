"""The command line. Commands are loaded when they are called, so that `datahub --help` starts fast.

stdout is data, stderr is talk; exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

# command → (module, one line for the list); the module's function of the same name is the command
_COMMANDS = {
    "init": (
        "datahub.cli.setup",
        "Make the exchange: database, keys, its own organisation, the first admin client.",
    ),
    "migrate": ("datahub.cli.setup", "Bring the database to the newest schema."),
    "serve": ("datahub.cli.serve", "Run the exchange's HTTP server."),
    "worker": ("datahub.cli.serve", "Run what the clock and the outbox ask for."),
    "demo": ("datahub.cli.demo", "Tell the whole story with real calls on this machine."),
    "policy": (
        "datahub.cli.policy",
        "Check, decide, explain and compare policies on files, without a server.",
    ),
    "openapi": ("datahub.cli.setup", "Print the OpenAPI document."),
}


class _Lazy(click.Group):
    """Knows its commands' names and one-liners without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command: Any = getattr(import_module(module), cmd_name)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="A first exchange in this folder: datahub init, then datahub serve. Settings are DATAHUB_* variables.",
)
@click.version_option(version("datahub"), "--version", message="datahub %(version)s")
def main() -> None:
    """Datahub: a trusted data exchange for a region."""

"""`datahub policy`: policies on files, without a server; made to stand in a pipeline as a gate.

Exit codes: 0 fine, 1 faults or broken examples, 2 wrong usage, 4 denied by the policy. stdout is data, stderr is talk.
"""

from importlib import import_module

import click

# command → (module here, function in it, one line for the list)
_COMMANDS = {
    "lint": ("checking", "lint", "Find what is wrong with policies."),
    "test": ("checking", "hold_against_examples", "Hold a policy against its examples."),
    "diff": ("comparing", "diff", "Say whether a new policy grants more than the old one."),
    "simulate": ("deciding", "simulate", "Decide one attempt; exit 4 when it is denied."),
    "explain": ("deciding", "explain", "Say what a policy asks, term by term and rule by rule."),
    "who-can": ("deciding", "who_can", "List which organisations and purposes are permitted."),
    "render": ("showing", "render_text", "Write a policy in plain Dutch or English."),
    "templates": ("showing", "show_templates", "List the templates, show one, or fill it in."),
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
        module, function, _ = _COMMANDS[cmd_name]
        command = getattr(import_module(f"datahub.cli.policy.{module}"), function)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in _COMMANDS.items()])


@click.group(
    cls=_Lazy,
    epilog="\b\n"
    "Examples:\n"
    '  datahub policy templates purpose --fill \'{"purposes": ["dpv:ResearchAndDevelopment"]}\' > research.json\n'
    "  datahub policy lint research.json\n"
    "  datahub policy render research.json --lang nl\n"
    "  datahub policy simulate research.json --purpose dpv:Marketing",
)
def policy() -> None:
    """Check, decide, explain and compare policies on files, without a server.

    A FILE holds ODRL in JSON-LD, or an offer as the API takes it: `{"template": …, "parameters": …}` or `{"policy": …}`,
    with its `examples`. `-` reads standard input.
    """

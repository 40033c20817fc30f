"""`datahub policy`: policies on files, without a server; made to stand in a pipeline as a gate.

Exit codes: 0 fine, 1 faults or broken examples, 2 wrong usage, 4 denied by the policy. stdout is data, stderr is talk.
"""

import click

from datahub.cli.lazy import Lazy

_HERE = "datahub.cli.policy"
_COMMANDS = {
    "lint": (f"{_HERE}.checking:lint", "Find what is wrong with policies."),
    "test": (f"{_HERE}.checking:hold_against_examples", "Hold a policy against its examples."),
    "diff": (f"{_HERE}.comparing:diff", "Say whether a new policy grants more than the old one."),
    "simulate": (f"{_HERE}.deciding:simulate", "Decide one attempt; exit 4 when it is denied."),
    "explain": (f"{_HERE}.deciding:explain", "Say what a policy asks, term by term and rule by rule."),
    "who-can": (f"{_HERE}.deciding:who_can", "List which organisations and purposes are permitted."),
    "render": (f"{_HERE}.showing:render_text", "Write a policy in plain Dutch or English."),
    "templates": (f"{_HERE}.showing:show_templates", "List the templates, show one, or fill it in."),
}


@click.group(
    cls=Lazy,
    table=_COMMANDS,
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

"""`datahub consent`: rules, what people decided, files of decisions, and the person's own door."""

import click

from datahub.cli.lazy import Lazy

_HERE = "datahub.cli.consent"
_COMMANDS = {
    "rule": (f"{_HERE}.rule:rule", "The consent rule of a dataset: read, try, write."),
    "list": (f"{_HERE}.records:list_all", "List the consents on a dataset; whose they are is not shown."),
    "find": (f"{_HERE}.records:find", "Find one person's consents by their key."),
    "show": (f"{_HERE}.records:show", "Show one consent with its events."),
    "receipt": (f"{_HERE}.records:receipt", "Fetch a consent as a receipt: JSON, JSON-LD, or signed."),
    "give": (f"{_HERE}.deciding:give", "Report that a person gave consent."),
    "renew": (f"{_HERE}.deciding:renew", "Report that a person renewed it."),
    "withdraw": (f"{_HERE}.deciding:withdraw", "Report that a person withdrew it."),
    "refuse": (f"{_HERE}.deciding:refuse", "Report that a person refused, or objects."),
    "request": (f"{_HERE}.deciding:request", "Record that a person was asked."),
    "invalidate": (f"{_HERE}.deciding:invalidate", "Say that a consent never was a good one."),
    "forget": (f"{_HERE}.deciding:forget", "Cut a person's consents loose from the person."),
    "import": (f"{_HERE}.imports:import_file", "Send a file of decisions, and follow it."),
    "imports": (f"{_HERE}.imports:list_all", "List the imports into a dataset."),
    "faults": (f"{_HERE}.imports:faults", "List what is wrong with an import, by line."),
    "link": (f"{_HERE}.records:link", "Make a one-time link for one person."),
    "my": (f"{_HERE}.my:my", "As the person: decide, see who received what, ask, take it along."),
}


@click.group(cls=Lazy, table=_COMMANDS)
def consent() -> None:
    """On which basis rows about people may leave, what each person decided, and what they can do."""

"""`datahub agreement`: what was agreed."""

import click

from datahub.cli.known import complete
from datahub.cli.remote import Calls, examples, limit_option, moves, remote

COLUMNS = ("id", "state", "standing", "purpose", "validFrom", "validUntil", "datasetId")
_MOVES = {
    "suspend": ("suspend", "Stop reads for now, as the provider.", ""),
    "resume": ("resume", "Let reads go on.", ""),
    "end": ("end", "End it, as either side.", "The agreement ends for good, at the next read. Go on?"),
    "revoke": (
        "revoke",
        "Take it back, as the provider.",
        "The agreement ends for good, at the next read. Go on?",
    ),
}


@click.group(name="agreement")
def agreement() -> None:
    """What was agreed: read, suspend, end."""


@agreement.command("list", epilog=examples("datahub agreement list --role consumer"))
@click.option("--state", help="active, suspended, ended, revoked or expired.")
@click.option(
    "--dataset", metavar="DATASET", shell_complete=complete, help="On which dataset, by reference or id."
)
@click.option("--role", type=click.Choice(["provider", "consumer"]), help="Which side you are.")
@limit_option
@remote()
def list_all(calls: Calls, state: str | None, dataset: str | None, role: str | None, limit: int) -> None:
    """List agreements, newest first."""
    found = calls.pages("/v1/agreements", limit, state=state, dataset=calls.known_dataset(dataset), role=role)
    calls.out.many(found, COLUMNS)


@agreement.command(epilog=examples("datahub agreement show $AGREEMENT"))
@click.argument("thing", metavar="AGREEMENT", shell_complete=complete)
@remote()
def show(calls: Calls, thing: str) -> None:
    """Show one agreement with its policy and signature."""
    calls.out.one(calls.get(_path(thing)))


@agreement.command(epilog=examples("datahub agreement text $AGREEMENT --lang nl"))
@click.argument("thing", metavar="AGREEMENT", shell_complete=complete)
@click.option("--lang", type=click.Choice(["en", "nl"]), default="en", show_default=True, help="Language.")
@remote()
def text(calls: Calls, thing: str, lang: str) -> None:
    """Read it in plain language, as both sides accepted it."""
    click.echo(calls.hub.call("GET", f"{_path(thing)}/text", params={"lang": lang}).text)


def _path(thing: str) -> str:
    return f"/v1/agreements/{thing}"


moves(agreement, lambda _, thing: _path(thing), _MOVES, "AGREEMENT", COLUMNS)

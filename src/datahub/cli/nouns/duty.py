"""`datahub duty`: what is owed, by whom, until when."""

import hashlib
from pathlib import Path

import click

from datahub.cli.known import complete
from datahub.cli.remote import Calls, examples, limit_option, moves, remote

COLUMNS = ("id", "state", "action", "dueAt", "subjects", "consequence", "agreementId")
_MOVES = {
    "waive": ("waive", "Let it go, as whom it is owed.", ""),
    "return": ("return", "Say that it was not done, as whom it is owed.", ""),
    "restore": ("restore", "Ask for it again after waiving it.", ""),
    "retract": ("retract", "Take back that you fulfilled or declined it.", ""),
    "decline": (
        "decline",
        "Say no to what a person asked, with the reason they will read.",
        "The person is told no. Go on?",
    ),
}


@click.group(name="duty")
def duty() -> None:
    """What is owed, by whom, until when: read, fulfil, waive."""


@duty.command("list", epilog=examples("datahub duty list --role debtor --state due"))
@click.option("--state", help="open, due, overdue, fulfilled, waived, declined or lapsed.")
@click.option("--role", type=click.Choice(["debtor", "creditor"]), help="Who owes it, or whom it is owed.")
@click.option(
    "--agreement", metavar="AGREEMENT", shell_complete=complete, help="Under which agreement, by id."
)
@click.option(
    "--dataset", metavar="DATASET", shell_complete=complete, help="On which dataset, by reference or id."
)
@click.option("--ground", type=click.Choice(["policy", "recall", "right"]), help="What it comes from.")
@click.option("--due-before", "due_before", help="Whose term ends before, as 2027-01-01T00:00:00Z.")
@limit_option
@remote()
def list_all(
    calls: Calls,
    state: str | None,
    role: str | None,
    agreement: str | None,
    dataset: str | None,
    ground: str | None,
    due_before: str | None,
    limit: int,
) -> None:
    """List what your organisation owes and is owed, newest first."""
    wanted = {
        "state": state,
        "role": role,
        "agreement": agreement,
        "dataset": calls.known_dataset(dataset),
        "ground": ground,
    }
    calls.out.many(calls.pages("/v1/duties", limit, **wanted, dueBefore=due_before), COLUMNS)


@duty.command(epilog=examples("datahub duty show $DUTY"))
@click.argument("thing", metavar="DUTY", shell_complete=complete)
@remote()
def show(calls: Calls, thing: str) -> None:
    """Show one duty: what is to be done, by when, and what you can do now."""
    calls.out.one(calls.get(_path(thing)))


@duty.command(epilog=examples("datahub duty people $DUTY"))
@click.argument("thing", metavar="DUTY", shell_complete=complete)
@limit_option
@remote()
def people(calls: Calls, thing: str, limit: int) -> None:
    """List whom a duty of yours is about, as you know them. That you looked is logged."""
    calls.out.many(calls.pages(f"{_path(thing)}/subjects", limit), ("number", "known", "name", "match"))


@duty.command(
    epilog=examples('datahub duty fulfil $DUTY --text "Erased from both systems, checked by two of us" --yes')
)
@click.argument("thing", metavar="DUTY", shell_complete=complete)
@click.option("--text", help="An attestation, in words.")
@click.option("--see", metavar="URL", help="Where it can be read; the exchange does not call it.")
@click.option(
    "--document",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A document that shows it: its SHA-256 is sent, it stays here.",
)
@remote(is_change=True)
def fulfil(calls: Calls, thing: str, text: str | None, see: str | None, document: Path | None) -> None:
    """Say that it was done, with what shows it; whom it is owed reads that."""
    digest = hashlib.sha256(document.read_bytes()).hexdigest() if document else None
    said = {"text": text, "url": see, "sha256": digest}
    evidence = {name: value for name, value in said.items() if value}
    if not evidence:
        raise click.UsageError("Say how it was done: --text, --see or --document.")
    calls.sure("Attest, for your organisation, that this duty was fulfilled?")
    body = {"move": "fulfil", "evidence": evidence}
    calls.out.one(calls.change("POST", f"{_path(thing)}/transitions", body), COLUMNS)


@duty.command(
    epilog=examples('datahub duty extend $DUTY --due 2030-01-01T00:00:00Z --reason "A holiday in between"')
)
@click.argument("thing", metavar="DUTY", shell_complete=complete)
@click.option("--due", required=True, help="The new end, as 2027-01-01T00:00:00Z.")
@click.option("--reason", required=True, help="Why; both sides can read it.")
@remote(is_change=True)
def extend(calls: Calls, thing: str, due: str, reason: str) -> None:
    """Give it more time, as whom it is owed; once, in a person's request, as who owes it."""
    body = {"move": "extend", "dueAt": due, "reason": reason}
    calls.out.one(calls.change("POST", f"{_path(thing)}/transitions", body), COLUMNS)


def _path(thing: str) -> str:
    return f"/v1/duties/{thing}"


moves(duty, lambda _, thing: _path(thing), _MOVES, "DUTY", COLUMNS)

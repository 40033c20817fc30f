"""`datahub participant`: organisations and their people."""

from typing import Any

import click

from datahub.cli.known import complete
from datahub.cli.remote import Calls, examples, limit_option, moves, remote, slug_option

COLUMNS = ("id", "slug", "name", "state", "legalIdentifiers")
_MOVES = {
    "admit": ("admit", "Let an organisation in, as the exchange.", ""),
    "decline": ("decline", "Do not let it in, as the exchange.", "Decline this organisation?"),
    "suspend": ("suspend", "Stop all it does until it is reinstated.", ""),
    "reinstate": ("reinstate", "End a suspension.", ""),
    "leave": (
        "leave",
        "Leave the exchange for good.",
        "This ends the organisation's agreements and tokens. Go on?",
    ),
}


@click.group(name="participant")
def participant() -> None:
    """Organisations: apply, admit, suspend; their people."""


@participant.command(
    epilog=examples(
        'datahub participant apply --slug harbour --name "Harbour" --email data@harbour.example --id kvk=90000066'
    )
)
@slug_option("Short name, used in addresses of datasets.")
@click.option("--name", required=True, help="Its name.")
@click.option("--email", required=True, help="Where to reach it.")
@click.option(
    "--id",
    "identifiers",
    multiple=True,
    required=True,
    metavar="SCHEME=VALUE",
    help="kvk, oin, eori, lei or did; repeatable.",
)
@click.option("--website", help="Its website.")
@remote(is_change=True)
def apply(
    calls: Calls, slug: str, name: str, email: str, identifiers: tuple[str, ...], website: str | None
) -> None:
    """Apply to join; needs no account."""
    pairs = [each.partition("=") for each in identifiers]
    if any(not value for _, _, value in pairs):
        raise click.UsageError("--id is SCHEME=VALUE, as in kvk=34366966")
    body: dict[str, Any] = {
        "slug": slug,
        "name": name,
        "contactEmail": email,
        "legalIdentifiers": {scheme: value for scheme, _, value in pairs},
    }
    made = calls.change("POST", "/v1/participants", body | ({"website": website} if website else {}))
    calls.out.one(made, COLUMNS)


@participant.command("list", epilog=examples("datahub participant list --state admitted"))
@click.option("--state", help="applied, admitted, suspended or left.")
@click.option("-q", "words", help="Part of the name.")
@limit_option
@remote()
def list_all(calls: Calls, state: str | None, words: str | None, limit: int) -> None:
    """List organisations."""
    calls.out.many(calls.pages("/v1/participants", limit, state=state, q=words), COLUMNS)


@participant.command(epilog=examples("datahub participant show $PARTICIPANT"))
@click.argument("thing", metavar="PARTICIPANT", shell_complete=complete)
@remote()
def show(calls: Calls, thing: str) -> None:
    """Show one organisation."""
    calls.out.one(calls.get(_path(thing)))


@participant.command(epilog=examples("datahub participant people $PARTICIPANT"))
@click.argument("thing", metavar="PARTICIPANT", shell_complete=complete)
@limit_option
@remote()
def people(calls: Calls, thing: str, limit: int) -> None:
    """List the people who act for an organisation."""
    found = calls.pages(f"{_path(thing)}/people", limit)
    calls.out.many(found, ("id", "name", "email", "roles", "isActive"))


@participant.command(
    "add-person",
    epilog=examples(
        'datahub participant add-person $PARTICIPANT --name "Noor" --email noor@city.example --role approver'
    ),
)
@click.argument("thing", metavar="PARTICIPANT", shell_complete=complete)
@click.option("--name", required=True, help="Name.")
@click.option("--email", required=True, help="Address.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="publisher, requester, approver, auditor or admin; repeatable.",
)
@remote(is_change=True)
def add_person(calls: Calls, thing: str, name: str, email: str, roles: tuple[str, ...]) -> None:
    """Let somebody act for an organisation."""
    body = {"name": name, "email": email, "roles": list(roles)}
    calls.out.one(calls.change("POST", f"{_path(thing)}/people", body))


def _path(thing: str) -> str:
    return f"/v1/participants/{thing}"


moves(participant, lambda _, thing: _path(thing), _MOVES, "PARTICIPANT", COLUMNS)

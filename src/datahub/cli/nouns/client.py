"""`datahub client`: programs of an organisation. The key pair is made here; only its public half travels."""

from dataclasses import replace
from typing import Any

import click

from datahub.cli.known import complete
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, limit_option, moves, remote

COLUMNS = ("id", "name", "securityProfile", "state", "roles", "participantId")
_EVENT_COLUMNS = ("at", "action", "outcome", "check", "clockSkewS", "facts")
_MOVES = {
    "disable": ("disable", "Disable a client; its tokens end at once.", "Its programs stop working. Go on?"),
    "enable": ("enable", "Enable a client again.", ""),
}


@click.group(name="client")
def client() -> None:
    """Programs (OAuth clients) of an organisation: make one with a key, rotate, disable."""


@client.command(
    epilog=examples(
        'datahub client create --name "night run" --role requester --participant $PARTICIPANT --save-as night'
    )
)
@click.option("--name", required=True, help="What people call it.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="publisher, requester, approver, auditor or admin; repeatable.",
)
@click.option(
    "--participant",
    metavar="PARTICIPANT",
    shell_complete=complete,
    help="Its organisation, by id; the caller's unless told.",
)
@click.option("--person", help="Who it acts for, by id: its roles are then limited to the person's.")
@click.option(
    "--security-profile",
    type=click.Choice(["fapi2", "nlgov", "basic"]),
    default="fapi2",
    show_default=True,
    help="How it proves itself: keys and DPoP, keys, or a secret.",
)
@click.option(
    "--metadata-uri",
    metavar="URL",
    help="Address of its metadata document, which holds its keys and is its client_id; no key is made then.",
)
@click.option("--save-as", metavar="PROFILE", help="Profile to write; named after the client unless told.")
@remote(is_change=True)
def create(
    calls: Calls,
    name: str,
    roles: tuple[str, ...],
    participant: str | None,
    person: str | None,
    security_profile: str,
    metadata_uri: str | None,
    save_as: str | None,
) -> None:
    """Make a client: the key is made here and stays here, in a new profile; the exchange gets the public half."""
    from datahub.client.credentials import new_key
    from datahub.client.profiles import Profile, names, save

    body: dict[str, Any] = {"name": name, "roles": list(roles), "securityProfile": security_profile}
    body |= {"participantId": participant} if participant else {}
    body |= {"personId": person} if person else {}
    if metadata_uri:
        calls.out.one(
            calls.change("POST", "/v1/clients", body | {"clientMetadataUri": metadata_uri}), COLUMNS
        )
        return
    kept_as = save_as or name.lower().replace(" ", "-")
    if kept_as in names():
        raise click.UsageError(f"There is a profile “{kept_as}” already: choose another with --save-as.")
    private, public = new_key() if security_profile != "basic" else ("", {})
    body |= {"jwks": {"keys": [public]}} if public else {}
    made = calls.change("POST", "/v1/clients", body)
    secret = "" if private else calls.change("POST", f"{_path(made['id'])}/secrets", {})["secret"]
    kept = Profile(
        kept_as,
        calls.hub.profile.url,
        made["id"],
        private_key=private,
        secret=secret,
        is_dpop=security_profile == "fapi2",
    )
    place = save(kept)
    calls.out.one(made, COLUMNS)
    where = "the keyring" if place == "keyring" else "a file only you can read"
    say(f"Profile “{kept_as}” written, its key in {where}. Use it: datahub -p … or DATAHUB_PROFILE={kept_as}")


@client.command("list", epilog=examples("datahub client list"))
@click.option(
    "--participant", metavar="PARTICIPANT", shell_complete=complete, help="Of which organisation, by id."
)
@click.option("--state", help="active or disabled.")
@limit_option
@remote()
def list_all(calls: Calls, participant: str | None, state: str | None, limit: int) -> None:
    """List clients."""
    calls.out.many(calls.pages("/v1/clients", limit, participantId=participant, state=state), COLUMNS)


@client.command(epilog=examples("datahub client show $CLIENT"))
@click.argument("thing", metavar="CLIENT", shell_complete=complete)
@remote()
def show(calls: Calls, thing: str) -> None:
    """Show one client, with its public keys."""
    calls.out.one(calls.get(_path(thing)))


@client.command(epilog=examples("datahub client events $CLIENT"))
@click.argument("thing", metavar="CLIENT", shell_complete=complete)
@limit_option
@remote()
def events(calls: Calls, thing: str, limit: int) -> None:
    """List how its attempts to get tokens went, newest first: which check failed, and by how much."""
    calls.out.many(calls.pages(f"{_path(thing)}/auth-events", limit), _EVENT_COLUMNS)


@client.command(epilog=examples("datahub client doctor $CLIENT"))
@click.argument("thing", metavar="CLIENT", shell_complete=complete)
@remote()
def doctor(calls: Calls, thing: str) -> None:
    """Say what is wrong with a client and what to do: its state, its keys, its clock, what was refused of late."""
    from datahub.cli.nouns.client_doctor import findings

    found = findings(calls.get(_path(thing)), list(calls.pages(f"{_path(thing)}/auth-events", 100)))
    calls.out.many((vars(each) for each in found), ("result", "check", "seen", "todo"))
    if any(each.result == "bad" for each in found):
        raise click.exceptions.Exit(1)


@client.command(epilog=examples("datahub client rotate $CLIENT --profile-to-update night --yes"))
@click.argument("thing", metavar="CLIENT", shell_complete=complete)
@click.option(
    "--profile-to-update", metavar="PROFILE", required=True, help="The profile that holds the client's key."
)
@remote(is_change=True)
def rotate(calls: Calls, thing: str, profile_to_update: str) -> None:
    """Give a client a new key: both are good until the new one is in the profile, then the old one goes."""
    from datahub.client.credentials import new_key
    from datahub.client.profiles import save, stored

    old = stored(profile_to_update)
    if old.client_id != thing:
        raise click.UsageError(
            f"Profile “{profile_to_update}” is of client {old.client_id or '(none)'}, not of {thing}."
        )
    calls.sure("The old key stops working wherever else it is used. Go on?")
    private, public = new_key()
    before = calls.get(_path(thing)).get("jwks") or {"keys": []}
    calls.replace(_path(thing), {"jwks": {"keys": [*before["keys"], public]}})
    save(replace(old, private_key=private))
    made = calls.replace(_path(thing), {"jwks": {"keys": [public]}})
    calls.out.one(made, COLUMNS)
    say(f"Profile “{profile_to_update}” holds the new key.")


def _path(thing: str) -> str:
    return f"/v1/clients/{thing}"


moves(client, lambda _, thing: _path(thing), _MOVES, "CLIENT", COLUMNS)

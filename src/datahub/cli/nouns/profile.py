"""`datahub profile`: which exchange, as which client; kept in one file, secrets in the keyring or a file of mode 0600."""

import sys

import click

from datahub.cli.output import Output, say
from datahub.cli.remote import complete_profile, examples, form_option, talking


@click.group(name="profile")
def profile() -> None:
    """Which exchange to call, as which client: kept on this machine."""


@profile.command(
    epilog=examples(
        "echo $SECRET | datahub profile add --name city --url $HUB --client-id $CLIENT --secret-stdin"
    )
)
@click.option("--name", default="default", show_default=True, help="What to call it.")
@click.option("--url", required=True, help="Address of the exchange.")
@click.option("--client-id", default="", help="Which client; none calls as anybody.")
@click.option(
    "--secret-stdin",
    is_flag=True,
    help="Read the client's secret from standard input; asked for unless told.",
)
@click.option(
    "--key", "key_file", type=click.Path(exists=True, dir_okay=False), help="A file with the private JWK."
)
@click.option("-f", "--force", is_flag=True, help="Replace a profile of this name.")
def add(
    name: str, url: str, client_id: str, key_file: str | None, *, secret_stdin: bool, force: bool
) -> None:
    """Keep a profile. A secret is never an argument: it is asked for, or read from standard input."""
    from pathlib import Path

    from datahub.client.profiles import Profile, names, profiles_file, save

    with talking():
        if name in names() and not force:
            raise click.UsageError(f"There is a profile “{name}” already; --force replaces it.")
        secret = ""
        if client_id and not key_file:
            secret = (
                sys.stdin.readline().strip()
                if secret_stdin
                else click.prompt("Secret", hide_input=True, err=True)
            )
        key = Path(key_file).read_text(encoding="utf-8") if key_file else ""
        place = save(Profile(name, url.rstrip("/"), client_id, secret=secret, private_key=key))
        where = f", its credential in the {place}" if client_id else ""
        say(f"Profile “{name}” written to {profiles_file()}{where}.")


@profile.command("list", epilog=examples("datahub profile list"))
@form_option
def list_all(form: str) -> None:
    """List the profiles; no secret is shown."""
    from datahub.client.profiles import names, stored

    with talking():
        found = [stored(name) for name in names()]
        rows = [
            {
                "name": each.name,
                "url": each.url,
                "clientId": each.client_id,
                "credential": "key" if each.private_key else "secret" if each.secret else "",
            }
            for each in found
        ]
        Output(form).many(rows, ("name", "url", "clientId", "credential"))


@profile.command(epilog=examples("datahub profile remove night --yes"))
@click.argument("name", shell_complete=complete_profile)
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask.")
def remove(name: str, *, is_sure: bool) -> None:
    """Forget a profile and its secret. The client itself stays; disable it with `datahub client disable`."""
    from datahub.client import profiles

    with talking():
        if not is_sure:
            if not sys.stdin.isatty():
                raise click.UsageError("The key or secret is gone then. Say --yes to confirm.")
            click.confirm(f"The key or secret of “{name}” is gone then. Go on?", abort=True, err=True)
        profiles.remove(name)
        say(f"Profile “{name}” forgotten.")

"""`datahub log forwards | forward`: where the log goes on to."""

import click

from datahub.cli.known import complete
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, remote

_COLUMNS = ("id", "url", "isActive", "log", "leafIndex", "sentAt", "failure")


@click.command(epilog=examples("datahub log forwards"))
@remote()
def forwards(calls: Calls) -> None:
    """List where the log is forwarded to, and how far that went."""
    calls.out.many(calls.get("/v1/log-forwards")["items"], _COLUMNS)


@click.command(
    epilog=examples(
        "datahub log forward --to syslog+tls://collector.example",
        "datahub log forward --to https://collector.example/log --from beginning",
        "datahub log forward $FORWARD --move pause",
        "datahub log forward $FORWARD --remove --yes",
    )
)
@click.argument("forward_id", metavar="[FORWARD]", shell_complete=complete, required=False)
@click.option(
    "--to", "receiver", metavar="URL", help="A new receiver: https://… or syslog+tls://host[:6514]."
)
@click.option(
    "--from",
    "start",
    type=click.Choice(["now", "beginning"]),
    default="now",
    show_default=True,
    help="The first entry that a new receiver gets.",
)
@click.option(
    "--move", type=click.Choice(["pause", "resume"]), help="Stop for a while; go on where it ended."
)
@click.option("--remove", is_flag=True, help="Forward there no longer.")
@remote(is_change=True)
def forward(
    calls: Calls, forward_id: str | None, receiver: str | None, start: str, move: str | None, *, remove: bool
) -> None:
    """Forward the log to another system, or show, pause, resume or end that."""
    if (forward_id is None) == (receiver is None):
        raise click.UsageError("Say a FORWARD, or --to for a new one.")
    if receiver is not None:
        calls.out.one(calls.change("POST", "/v1/log-forwards", {"url": receiver, "start": start}), _COLUMNS)
        return
    path = f"/v1/log-forwards/{forward_id}"
    if remove:
        calls.sure("Forward the log there no longer?")
        calls.replace(path, None, "DELETE")
        say("Removed.")
    elif move is not None:
        calls.out.one(calls.change("POST", f"{path}/transitions", {"move": move}), _COLUMNS)
    else:
        calls.out.one(calls.get(path))

"""`datahub log status | witnesses | witness | witnessed | witness-for`: how the log is doing, and who watches whom."""

from typing import Any

import click

from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, remote

_WITNESS = ("id", "name", "url", "size", "cosignedAt", "failure")
_LOG = ("id", "origin", "size", "root", "cosignedAt")
_WELL = frozenset({"ok", "empty"})


@click.command(epilog=examples("datahub log status"))
@remote()
def status(calls: Calls) -> None:
    """Say how the log is doing: age of its head, lag, witnesses and quorum, last self-audit. Exit code 1: not well."""
    found = calls.get("/v1/log/status")
    calls.out.one(found)
    if found["state"] not in _WELL:
        raise SystemExit(1)


@click.command(epilog=examples("datahub log witnesses"))
@remote()
def witnesses(calls: Calls) -> None:
    """List the witnesses that the exchange asks to cosign its log, and how far each is."""
    calls.out.many(calls.get("/v1/witness/witnesses")["items"], _WITNESS)


@click.command(
    epilog=examples(
        'datahub log witness --ask peer --at https://peer.example/witness --vkey "$VKEY"',
        "datahub log witness $WITNESS",
        "datahub log witness $WITNESS --remove --yes",
    )
)
@click.argument("witness_id", metavar="[WITNESS]", required=False)
@click.option("--ask", "name", metavar="NAME", help="Ask a new witness, known by this name.")
@click.option("--at", "address", metavar="URL", help="Where it takes `add-checkpoint`.")
@click.option("--vkey", "vkeys", multiple=True, help="A key of it, as it publishes them; again for more.")
@click.option("--remove", is_flag=True, help="Ask it no longer.")
@remote(is_change=True)
def witness(
    calls: Calls,
    witness_id: str | None,
    name: str | None,
    address: str | None,
    vkeys: tuple[str, ...],
    *,
    remove: bool,
) -> None:
    """Ask a witness to cosign the exchange's log; or show one, or ask it no longer."""
    _one_of(witness_id, name, "Say a WITNESS, or --ask for a new one.")
    if name is not None:
        body = {"name": name, "url": address, "vkeys": list(vkeys)}
        calls.out.one(calls.change("POST", "/v1/witness/witnesses", body), _WITNESS)
        return
    _shown_or_removed(
        calls, f"/v1/witness/witnesses/{witness_id}", "Ask this witness no longer?", remove=remove
    )


@click.command(epilog=examples("datahub log witnessed"))
@remote()
def witnessed(calls: Calls) -> None:
    """List the logs of others that the exchange witnesses, with the newest head that it cosigned of each."""
    calls.out.many(calls.get("/v1/witness/logs")["items"], _LOG)


@click.command(
    "witness-for",
    epilog=examples(
        'datahub log witness-for --origin peer.example/log --vkey "$LOG_VKEY"',
        "datahub log witness-for $LOG --evidence",
        "datahub log witness-for $LOG --remove --yes",
    ),
)
@click.argument("log_id", metavar="[LOG]", required=False)
@click.option("--origin", help="Witness a new log, whose checkpoints begin with this line.")
@click.option(
    "--vkey", "vkeys", multiple=True, help="A key of the log, as it publishes them; again for more."
)
@click.option("--evidence", is_flag=True, help="Show what proves that it forked.")
@click.option("--remove", is_flag=True, help="Witness it no longer.")
@remote(is_change=True)
def witness_for(
    calls: Calls,
    log_id: str | None,
    origin: str | None,
    vkeys: tuple[str, ...],
    *,
    evidence: bool,
    remove: bool,
) -> None:
    """Witness somebody else's log: cosign what goes on, keep what forks; or show that, or end it."""
    _one_of(log_id, origin, "Say a LOG, or --origin for a new one.")
    path = f"/v1/witness/logs/{log_id}"
    if origin is not None:
        body = {"origin": origin, "vkeys": list(vkeys)}
        calls.out.one(calls.change("POST", "/v1/witness/logs", body), _LOG)
    elif evidence:
        calls.out.many(calls.get(f"{path}/evidence")["items"], ("id", "at", "verdict"))
    else:
        _shown_or_removed(calls, path, "Witness this log no longer?", remove=remove)


def _one_of(given: Any, other: Any, otherwise: str) -> None:
    if (given is None) == (other is None):
        raise click.UsageError(otherwise)


def _shown_or_removed(calls: Calls, path: str, question: str, *, remove: bool) -> None:
    if not remove:
        calls.out.one(calls.get(path))
        return
    calls.sure(question)
    calls.replace(path, None, "DELETE")
    say("Removed.")

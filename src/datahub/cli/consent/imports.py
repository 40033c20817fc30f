"""`datahub consent import | imports | faults`: millions of decisions in one file, its progress and its faults."""

import sys
import time
from pathlib import Path
from typing import Any

import click

from datahub.cli.consent.naming import CHANNELS
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.progress import bar
from datahub.cli.remote import Calls, examples, limit_option, remote

COLUMNS = ("id", "state", "lines", "applied", "unchanged", "faulty", "isDry", "createdAt")
FAULTS = ("line", "pointer", "code", "detail")
_TYPES = {".csv": "text/csv", ".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson"}
_OVER = ("done", "failed")
_POLL_S = (0.1, 2.0)
_SHOWN = 10


@click.command(
    "import",
    epilog=examples(
        "datahub consent import city/people consents.csv --channel paper --check",
        "datahub consent import city/people consents.csv --channel paper",
    ),
)
@named
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--channel", type=click.Choice(CHANNELS), required=True, help="How the decisions reached you.")
@click.option("--evidence", help="Where the proof is kept; people see this.")
@click.option("--check", "is_check", is_flag=True, help="Check every line; change no consent.")
@click.option("--no-wait", is_flag=True, help="Come back when the file is received.")
@remote(is_change=True)
def import_file(
    calls: Calls,
    ref: str,
    file: Path,
    channel: str,
    evidence: str | None,
    *,
    is_check: bool,
    no_wait: bool,
) -> None:
    """Send a file of decisions, CSV or JSON Lines by its name, and follow it; each line stands by itself.

    Columns or fields: subject, purpose, move, at, and validUntil, explicit, ruleNumber, language, evidence, conditional,
    majorityAt, relation. Sending a file again changes nothing. Ends with 1 when a line was wrong.
    """
    media_type = _TYPES.get(file.suffix.lower())
    if media_type is None:
        raise click.UsageError(
            f"{file}: name it .csv, .ndjson or .jsonl, so that it is known how to read it."
        )
    at = f"/v1/datasets/{calls.dataset_id(ref)}/consent-imports"
    params = {"channel": channel, "evidence": evidence, "dryRun": "true" if is_check else None}
    if calls.is_dry:
        calls.change("POST", at, {"file": str(file), **params})
    told = {name: value for name, value in params.items() if value is not None}
    with bar(f"Sending {file}") as progress:
        made = calls.hub.send_file(at, file, media_type, params=told, progress=progress)
    found = made if no_wait else _followed(calls, f"{at}/{made['id']}")
    calls.out.one(found, COLUMNS)
    if no_wait:
        say(f"Received. How far it is: datahub consent imports {ref}")
    elif found["state"] == "failed":
        say(f"It failed: {found['why']}")
        raise click.exceptions.Exit(1)
    elif found["faulty"]:
        say(f"{found['faulty']} of {found['lines']} lines are wrong:")
        for fault in calls.pages(f"{at}/{made['id']}/faults", _SHOWN):
            say(f"  line {fault['line']} {fault['pointer']}: {fault['detail']} ({fault['code']})")
        if found["faulty"] > _SHOWN:
            say(f"  and more: datahub consent faults {ref} {made['id']}")
        raise click.exceptions.Exit(1)


@click.command("imports", epilog=examples("datahub consent imports city/people"))
@named
@limit_option
@remote()
def list_all(calls: Calls, ref: str, limit: int) -> None:
    """List the imports into a dataset, newest first, and how far they are."""
    calls.out.many(calls.pages(f"/v1/datasets/{calls.dataset_id(ref)}/consent-imports", limit), COLUMNS)


@click.command(epilog=examples("datahub consent faults city/people $IMPORT -o csv"))
@named
@click.argument("thing", metavar="IMPORT")
@limit_option
@remote()
def faults(calls: Calls, ref: str, thing: str, limit: int) -> None:
    """List what is wrong with an import, by line. What a line said is not repeated: it names a person."""
    path = f"/v1/datasets/{calls.dataset_id(ref)}/consent-imports/{thing}/faults"
    calls.out.many(calls.pages(path, limit), FAULTS)


def _followed(calls: Calls, path: str) -> Any:
    """Wait until the worker is through with it, telling how far it is where somebody looks."""
    wait_s, longest_s = _POLL_S
    is_seen = sys.stderr.isatty()
    while True:
        found = calls.get(path)
        if is_seen:
            share = found["bytesDone"] / max(found["bytes"], 1)
            sys.stderr.write(f"\r\x1b[K{found['lines']} lines ({share:.0%}), {found['faulty']} wrong")
            sys.stderr.flush()
        if found["state"] in _OVER:
            if is_seen:
                sys.stderr.write("\n")
            return found
        time.sleep(wait_s)
        wait_s = min(wait_s * 1.5, longest_s)

"""`datahub log list | show | tail | stats | decision | proof | export`: reading the log is logged too."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from datahub.cli.known import complete
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, limit_option, remote

COLUMNS = ("at", "action", "outcome", "code", "actorParticipantId", "datasetId", "purpose", "id")
_PLAIN = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
_FORMS = ["csv", "jsonl", "ocsf", "nen7513"]


def filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the filters that reading the log takes."""
    options = (
        click.option("--dataset", help="About which dataset, by reference or id."),
        click.option("--outcome", help="permit, deny, done, failed, …"),
        click.option("--action", help="Which action, as data.read."),
        click.option("--code", help="Which code, as agreement-revoked."),
        click.option("--since", metavar="INSTANT", help="From then on, as 2026-11-01T00:00:00Z."),
        click.option("--until", metavar="INSTANT", help="Before then."),
        click.option("--reason", help="Why you look; it is logged with the look."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def asked(calls: Calls, said: dict[str, str | None]) -> dict[str, Any]:
    """Return the filters as the exchange names them."""
    found = {"from": said.pop("since"), "to": said.pop("until"), **said}
    if found["dataset"]:
        found["dataset"] = calls.dataset_id(found["dataset"])
    return found


@click.command("list", epilog=examples("datahub log list --dataset city/air --outcome deny"))
@filtered
@click.option("--oldest-first", is_flag=True, help="Newest first unless told.")
@limit_option
@remote()
def list_all(calls: Calls, limit: int, *, oldest_first: bool, **said: str | None) -> None:
    """List the entries that concern your organisation."""
    order = "oldest" if oldest_first else None
    calls.out.many(calls.pages("/v1/log-entries", limit, order=order, **asked(calls, said)), COLUMNS)


@click.command(epilog=examples("datahub log show $ENTRY"))
@click.argument("entry", metavar="ENTRY", shell_complete=complete)
@click.option("--reason", help="Why you look; it is logged with the look.")
@remote()
def show(calls: Calls, entry: str, reason: str | None) -> None:
    """Show one entry."""
    calls.out.one(calls.get(f"/v1/log-entries/{entry}", reason=reason))


@click.command(epilog=examples("datahub log tail --dataset city/air --for 1"))
@filtered
@click.option(
    "--for", "seconds", type=click.IntRange(1, 900), help="Stop after so many seconds; Ctrl-C unless told."
)
@click.option("--after", metavar="PLACE", help="Go on after this place, as `place` of an entry says it.")
@remote()
def tail(calls: Calls, seconds: int | None, after: str | None, **said: str | None) -> None:
    """Follow the log as it grows: entries come as they get their place in it, each once."""
    for each in calls.hub.log.follow(after=after, seconds=seconds, **asked(calls, said)):
        calls.out.many([each], COLUMNS) if calls.out.form != "table" else _line(each)


def _line(entry: Mapping[str, Any]) -> None:
    click.echo("  ".join(str(entry.get(name) or "-") for name in COLUMNS))
    sys.stdout.flush()


@click.command(epilog=examples("datahub log stats --by dataset"))
@filtered
@click.option("--by", "group_by", default="dataset", show_default=True, help="dataset, consumer, purpose, …")
@limit_option
@remote()
def stats(calls: Calls, group_by: str, limit: int, **said: str | None) -> None:
    """Count reads, rows and refusals."""
    found = calls.pages("/v1/log-statistics", limit, groupBy=group_by, **asked(calls, said))
    rows = list(found)
    calls.out.many(rows, tuple(rows[0]) if rows else ())


@click.command(epilog=examples("datahub log decision $DECISION", "datahub log decision $DECISION --replay"))
@click.argument("decision_id", metavar="DECISION", shell_complete=complete)
@click.option("--replay", is_flag=True, help="Decide again, with the same policy and facts.")
@click.option("--reason", help="Why you look; it is logged with the look.")
@remote()
def decision(calls: Calls, decision_id: str, reason: str | None, *, replay: bool) -> None:
    """Explain one decision; each side sees the part that is theirs."""
    path = f"/v1/decisions/{decision_id}{'/replay' if replay else ''}"
    calls.out.one(calls.get(path, reason=reason))


@click.command(epilog=examples("datahub log proof $ENTRY --to entry.tlog-proof"))
@click.argument("entry", metavar="ENTRY", shell_complete=complete)
@click.option("--to", "target", metavar="FILE", help="Where to; standard output unless told.")
@remote()
def proof(calls: Calls, entry: str, target: str | None) -> None:
    """Fetch the receipt that an entry is in the log; keep it, and verify it offline with `datahub log verify`."""
    text = calls.hub.log.proof(entry)
    if target is None:
        click.echo(text, nl=False)
    else:
        Path(target).write_text(text, encoding="utf-8")
        say(f"Receipt written to {target}. Verify it: datahub log verify --help")


@click.command(
    epilog=examples(
        "datahub log export --dataset city/air --as csv --to log.csv",
        "datahub log export --dataset city/air --as jsonl --with-proofs --to log.zip",
    )
)
@filtered
@click.option("--as", "form_", type=click.Choice(_FORMS), default="csv", show_default=True, help="Format.")
@click.option("--with-proofs", is_flag=True, help="A ZIP that `datahub log verify --export` verifies.")
@click.option("--to", "target", metavar="FILE", required=True, help="Where to.")
@remote()
def export(calls: Calls, form_: str, target: str, *, with_proofs: bool, **said: str | None) -> None:
    """Export entries to a file. OCSF and NEN 7513 come as a ZIP with a manifest."""
    query, headers, path = asked(calls, said), {}, "log-exports"
    if form_ in _PLAIN and not with_proofs:
        path, headers = "log-entries", {"Accept": _PLAIN[form_]}
    else:
        query |= {"as": form_, "withProofs": str(with_proofs).lower()}
    written = calls.hub.log.save(path, Path(target), query, headers)
    say(f"{target}: {written:,} bytes")


@click.command(epilog=examples("datahub log facets --dataset city/air --bucket day"))
@filtered
@click.option("--bucket", type=click.Choice(["minute", "hour", "day", "month"]), help="How long a bar is.")
@remote()
def facets(calls: Calls, bucket: str | None, **said: str | None) -> None:
    """Count entries per consumer, provider, dataset, purpose, outcome, code and action, and over time."""
    found = calls.get("/v1/log-entries/facets", bucket=bucket, **asked(calls, said))
    if calls.out.form != "table":
        calls.out.one(found)
        return
    rows = [
        {"facet": found["bucket"], "value": bar["from"], "count": bar["count"]} for bar in found["histogram"]
    ]
    for name, facet in found["facets"].items():
        rows += [{"facet": name, **each} for each in facet["values"]]
        rows += [{"facet": name, "value": "(others)", "count": facet["others"]}] if facet["others"] else []
    calls.out.many(rows, ("facet", "value", "count"))

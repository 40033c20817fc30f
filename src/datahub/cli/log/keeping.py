"""`datahub log erase | erase-subject | holds | hold | retention`: what goes from the log, and what must stay."""

from pathlib import Path

import click
import orjson

from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, remote

_HOLD = ("id", "reason", "entryId", "datasetId", "participantId", "placedAt", "releasedAt")
_DONE = ("entryId", "count")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_BASIS = "Why, as GDPR art. 17(1)(d); it is kept in the log."


@click.command(
    epilog=examples(
        'datahub log erase $ENTRY --field purpose --field actorPerson --basis "GDPR art. 17(1)(d)" --yes',
        'datahub log erase $ENTRY --basis "GDPR art. 17(1)(d)" --yes',
    )
)
@click.argument("entry", metavar="ENTRY")
@click.option("--field", "names", multiple=True, help="Only this field, and again for more; all unless told.")
@click.option("--basis", required=True, help=_BASIS)
@remote(is_change=True)
def erase(calls: Calls, entry: str, names: tuple[str, ...], basis: str) -> None:
    """Erase the record of an entry, or some of its fields. Its leaf stays in the tree, and every proof holds."""
    what = ", ".join(names) if names else "the whole record"
    calls.sure(f"Erase {what} of entry {entry}? Nothing brings it back.")
    body = {"basis": basis, **({"fields": list(names)} if names else {})}
    calls.out.one(calls.change("POST", f"/v1/log-entries/{entry}/erasures", body), _DONE)


@click.command(
    "erase-subject",
    epilog=examples('datahub log erase-subject --report report.json --basis "GDPR art. 17" --yes'),
)
@click.option(
    "--report",
    "report_file",
    type=_FILE,
    required=True,
    help="A report on the person, by `datahub log subject-report`: it says how the log refers to them.",
)
@click.option("--basis", required=True, help=_BASIS)
@remote(is_change=True)
def erase_subject(calls: Calls, report_file: Path, basis: str) -> None:
    """Destroy a person's key: their tags in all leaves become noise, and nothing ties entries to them any more."""
    try:
        reference = str(orjson.loads(report_file.read_bytes())["reference"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as fault:
        raise click.UsageError(f"{report_file} is no report of `datahub log subject-report`") from fault
    calls.sure(
        "Destroy the person's key? No later report finds entries about them, and nothing brings it back."
    )
    body = {"subject": reference, "basis": basis}
    calls.out.one(calls.change("POST", "/v1/log-subject-erasures", body), _DONE)


@click.command(epilog=examples("datahub log holds"))
@remote()
def holds(calls: Calls) -> None:
    """List the legal holds, released ones too."""
    calls.out.many(calls.get("/v1/log-holds")["items"], _HOLD)


@click.command(
    epilog=examples(
        'datahub log hold --dataset city/air --reason "Case 26/123"',
        'datahub log hold --entry $ENTRY --reason "Case 26/123"',
        'datahub log hold $HOLD --release --reason "Case closed" --yes',
    )
)
@click.argument("hold_id", metavar="[HOLD]", required=False)
@click.option("--entry", help="Keep this entry.")
@click.option("--dataset", help="Keep what is about this dataset, by reference or id.")
@click.option("--participant", help="Keep what is about this organisation, by id.")
@click.option("--everything", is_flag=True, help="Keep the whole log.")
@click.option("--release", is_flag=True, help="End the hold.")
@click.option("--reason", required=True, help="Why; it is kept in the log.")
@remote(is_change=True)
def hold(
    calls: Calls,
    hold_id: str | None,
    entry: str | None,
    dataset: str | None,
    participant: str | None,
    reason: str,
    *,
    everything: bool,
    release: bool,
) -> None:
    """Place a legal hold: what matches all that is named cannot be erased, by nobody and no retention; or end one."""
    named = {"entryId": entry, "datasetId": dataset, "participantId": participant}
    said = {name: value for name, value in named.items() if value is not None}
    if (hold_id is not None) != release or (hold_id is not None and (said or everything)):
        raise click.UsageError("Say what to keep, or HOLD and --release.")
    if hold_id is not None:
        calls.sure("Release the hold? What it kept may then be erased.")
        body = {"move": "release", "reason": reason}
        calls.out.one(calls.change("POST", f"/v1/log-holds/{hold_id}/transitions", body), _HOLD)
        return
    if bool(said) == everything:
        raise click.UsageError("Name --entry, --dataset or --participant; or say --everything.")
    if dataset is not None:
        said["datasetId"] = calls.dataset_id(dataset)
    calls.out.one(calls.change("POST", "/v1/log-holds", {"reason": reason, **said}), _HOLD)


@click.command(epilog=examples("datahub log retention"))
@remote()
def retention(calls: Calls) -> None:
    """Say how long records and leaves are kept, and which were pruned.

    Erasing and pruning happen by themselves, each hour, and are entries of the log. To change how long:
    DATAHUB_LOG_RECORDS_DAYS and DATAHUB_LOG_LEAVES_DAYS of the exchange.
    """
    text = calls.hub.call("GET", "/log/retention-policy").text
    if calls.out.form == "table":
        click.echo(text, nl=False)
        return
    lines = text.partition("\n\n")[0].splitlines()
    told = {name: value for name, _, value in (line.partition(" ") for line in lines)}
    numbers = {"minimumIndex": "minimum-index", "recordsDays": "records-days", "leavesDays": "leaves-days"}
    calls.out.one({"origin": told["origin"], **{name: int(told[key]) for name, key in numbers.items()}})
    say("As the exchange publishes it at /log/retention-policy.")

"""`datahub consent list | find | show | receipt | link`: what people decided, as their organisation sees it."""

from pathlib import Path
from typing import Any

import click

from datahub.cli.consent.naming import CHANNELS, CONSENT, person_option, said, text_of
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, limit_option, remote

EVENTS = ("number", "at", "move", "state", "collector", "channel", "evidence", "ruleNumber")
FORMS = {"json": "application/json", "jsonld": "application/ld+json", "signed": "application/jose"}


@click.command(
    "list",
    epilog=examples(
        "datahub consent list city/people",
        "datahub consent list city/people --purpose dpv:AcademicResearch --state withdrawn -o csv",
    ),
)
@named
@click.option("--purpose", help="For which purpose: dpv:Name.")
@click.option("--state", help="requested, given, renewed, withdrawn, refused, expired or invalidated.")
@limit_option
@remote()
def list_all(calls: Calls, ref: str, purpose: str | None, state: str | None, limit: int) -> None:
    """List the consents on a dataset of yours; whose they are is not shown."""
    path = f"/v1/datasets/{calls.dataset_id(ref)}/consents"
    calls.out.many(calls.pages(path, limit, purpose=purpose, state=state), CONSENT)


@click.command(epilog=examples("datahub consent find city/people --person @person.txt"))
@named
@person_option
@remote()
def find(calls: Calls, ref: str, person: str) -> None:
    """Find one person's consents by their key. That you looked is logged."""
    path = f"/v1/datasets/{calls.dataset_id(ref)}/consents/lookups"
    calls.out.many(calls.change("POST", path, {"subject": person})["items"], CONSENT)


@click.command(epilog=examples("datahub consent show $CONSENT", "datahub consent show $CONSENT --events"))
@click.argument("thing", metavar="CONSENT")
@click.option("--events", is_flag=True, help="Only its events, one a line.")
@remote()
def show(calls: Calls, thing: str, *, events: bool) -> None:
    """Show where a consent stands, and how it came to stand there."""
    found = calls.get(f"/v1/consents/{thing}")
    if events:
        calls.out.many(found["events"], EVENTS)
    else:
        calls.out.one(found)


@click.command(
    epilog=examples(
        "datahub consent receipt $CONSENT", "datahub consent receipt $CONSENT --as signed --to receipt.jws"
    )
)
@click.argument("thing", metavar="CONSENT")
@click.option(
    "--as", "kind", type=click.Choice(list(FORMS)), default="json", show_default=True, help="In which form."
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), metavar="FILE", help="Where to; else printed."
)
@remote()
def receipt(calls: Calls, thing: str, kind: str, target: Path | None) -> None:
    """Fetch a consent as a receipt (ISO/IEC TS 27560), for the person. That it was handed out is logged."""
    save(calls, f"/v1/consents/{thing}/receipt", FORMS[kind], target)


@click.command(
    epilog=examples(
        "datahub consent link city/people --person @person.txt",
        "datahub consent link city/people --person @child.txt --guardian parent --guardian-key @person.txt "
        "--majority-at 2039-01-01T00:00:00Z",
    )
)
@named
@person_option
@click.option("--hours", type=click.IntRange(1, 720), help="How long it can be used; 72 unless told.")
@click.option("--delivery", type=click.Choice(CHANNELS), help="How you bring it; by email unless told.")
@click.option("--guardian", help="For a guardian, who decides for a minor: parent, for example.")
@click.option("--guardian-key", metavar="KEY", help="The guardian's own key; @FILE reads a file.")
@click.option("--majority-at", help="When the minor is of age.")
@remote(is_change=True)
def link(
    calls: Calls,
    ref: str,
    person: str,
    hours: int | None,
    delivery: str | None,
    guardian: str | None,
    guardian_key: str | None,
    majority_at: str | None,
) -> None:
    """Make a one-time link for one person; you bring it to them. It is shown this once."""
    by: dict[str, Any] | None = None
    if guardian or guardian_key or majority_at:
        if not (guardian and guardian_key and majority_at):
            raise click.UsageError("--guardian, --guardian-key and --majority-at go together.")
        by = {"relation": guardian, "key": text_of(guardian_key), "majorityAt": majority_at}
    body = {"subject": person, **said(validHours=hours, delivery=delivery, guardian=by)}
    made = calls.change("POST", f"/v1/datasets/{calls.dataset_id(ref)}/consent-links", body)
    say("Whoever holds this link can use it, once. Bring it to the person and to nobody else.")
    calls.out.one(made, ("url", "expiresAt"))


def save(calls: Calls, path: str, media_type: str, target: Path | None) -> None:
    """Write what comes as it comes, to a file or to standard output."""
    answer = calls.hub.call("GET", path, headers={"Accept": media_type})
    if target is None:
        click.echo(answer.text)
    else:
        target.write_bytes(answer.content)
        say(f"{target}: {len(answer.content)} bytes.")

"""`datahub consent rule`: on which basis rows about people leave a dataset, and the notice people are shown."""

from typing import Any

import click

from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, json_of, limit_option, remote

COLUMNS = ("number", "subjects", "keySpace", "several", "nobody", "createdAt")
_EFFECTS = ("agreementId", "purpose", "before.subjects", "after.subjects", "before.rows", "after.rows")


@click.group(name="rule")
def rule() -> None:
    """The consent rule of a dataset: read, try, write."""


@rule.command(
    epilog=examples(
        "datahub consent rule show city/people", "datahub consent rule show city/people --lang nl"
    )
)
@named
@click.option("--number", type=click.IntRange(1), help="An earlier version.")
@click.option("--lang", type=click.Choice(["en", "nl"]), help="Only the notice that people are shown.")
@remote()
def show(calls: Calls, ref: str, number: int | None, lang: str | None) -> None:
    """Show the rule as it is now. Everybody who sees the dataset may read it."""
    found = calls.get(f"{_at(calls, ref)}/consent-rule{f's/{number}' if number else ''}")
    if lang:
        click.echo(found["notice"][lang])
    else:
        calls.out.one(found)


@rule.command(epilog=examples("datahub consent rule versions city/people"))
@named
@limit_option
@remote()
def versions(calls: Calls, ref: str, limit: int) -> None:
    """List its versions, newest first."""
    calls.out.many(calls.pages(f"{_at(calls, ref)}/consent-rules", limit), COLUMNS)


@rule.command(
    "set",
    epilog=examples(
        "datahub consent rule set city/people --rule @rule.json --validate-only",
        "datahub consent rule set city/people --rule @rule.json",
    ),
)
@named
@click.option("--rule", "wish", metavar="JSON", required=True, help="The rule; @FILE reads a file.")
@click.option("--based-on", type=click.IntRange(0), help="Refuse when a version came since this one.")
@click.option("--validate-only", is_flag=True, help="Say what it would ask of people; keep nothing.")
@remote(is_change=True)
def write(calls: Calls, ref: str, wish: str, based_on: int | None, *, validate_only: bool) -> None:
    """Write the next version of the rule and its notice; it holds from the next read on."""
    told = {"basedOn": based_on, "validateOnly": "true" if validate_only else None}
    query = "&".join(f"{name}={value}" for name, value in told.items() if value is not None)
    path = f"{_at(calls, ref)}/consent-rules{f'?{query}' if query else ''}"
    made = calls.change("POST", path, json_of(wish, "--rule"))
    for part in made["toAsk"]:
        say(f"To ask anew of who said yes: {_words(part)}")
    say(
        "Kept nothing (--validate-only)." if validate_only else f"Version {made['number']} holds from now on."
    )
    calls.out.one(made, COLUMNS)


@rule.command(epilog=examples("datahub consent rule preview city/people --rule @rule.json"))
@named
@click.option("--rule", "wish", metavar="JSON", required=True, help="The rule; @FILE reads a file.")
@remote()
def preview(calls: Calls, ref: str, wish: str) -> None:
    """Say how many people and rows a rule lets through, now and then, for each agreement. Nothing is kept."""
    found = calls.change("POST", f"{_at(calls, ref)}/consent-rule-preview", json_of(wish, "--rule"))
    if found["total"] is None:
        say("The dataset has no table yet to try it on.")
        return
    say(f"Version {found['version']}: {found['total']['subjects']} people in {found['total']['rows']} rows.")
    calls.out.many(found["agreements"], _EFFECTS)


def _at(calls: Calls, ref: str) -> str:
    return f"/v1/datasets/{calls.dataset_id(ref)}"


def _words(part: dict[str, Any]) -> str:
    columns = ", ".join(part["data"]) or "all columns"
    return f"{part['purpose'].rpartition('#')[2]}, for {', '.join(part['recipients'])}, about {columns}"

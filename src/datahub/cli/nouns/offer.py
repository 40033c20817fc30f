"""`datahub offer`: terms on a dataset."""

from typing import Any

import click

from datahub.cli.known import complete
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, json_of, limit_option, remote

COLUMNS = ("id", "title", "state", "version", "template")
_MOVES = {
    "open": ("Open it: from now on organisations can ask under it.", ""),
    "close": ("Close it: nobody can ask any more; agreements go on.", ""),
    "reopen": ("Open it again.", ""),
}


@click.group(name="offer")
def offer() -> None:
    """Terms on a dataset: a template with its blanks filled in, or a policy in ODRL."""


@offer.command("list", epilog=examples("datahub offer list city/air"))
@named
@limit_option
@remote()
def list_all(calls: Calls, ref: str, limit: int) -> None:
    """List the offers on a dataset."""
    calls.out.many(calls.pages(_path(calls, ref), limit), COLUMNS)


@offer.command(
    epilog=examples("datahub offer show city/air $OFFER", "datahub offer show city/air $OFFER --lang nl")
)
@named
@click.argument("offer_id", metavar="OFFER", shell_complete=complete)
@click.option("--lang", type=click.Choice(["en", "nl"]), help="Only the terms in plain language.")
@remote()
def show(calls: Calls, ref: str, offer_id: str, lang: str | None) -> None:
    """Show one offer, or read its terms."""
    found = calls.get(f"{_path(calls, ref)}/{offer_id}")
    if lang:
        click.echo(found["text"][lang], nl=False)
    else:
        calls.out.one(found)


@offer.command(
    epilog=examples(
        "datahub offer create city/air --title 'For research' --template purpose "
        '--parameters \'{"purposes": ["dpv:ResearchAndDevelopment"]}\'',
        "datahub offer create city/air --title 'Open' --template open --validate-only",
    )
)
@named
@click.option("--title", required=True, help="Title.")
@click.option("--template", help="A template of `datahub policy templates`.")
@click.option("--parameters", metavar="JSON", help="The template's parameters; @FILE reads a file.")
@click.option("--policy", metavar="JSON", help="A policy in ODRL; @FILE reads a file.")
@click.option("--more", metavar="JSON", help="Further fields of the API: questions, automatic, examples.")
@click.option("--validate-only", is_flag=True, help="Read how it would be understood; keep nothing.")
@remote(is_change=True)
def create(
    calls: Calls,
    ref: str,
    title: str,
    template: str | None,
    parameters: str | None,
    policy: str | None,
    more: str | None,
    *,
    validate_only: bool,
) -> None:
    """Put an offer on a dataset, as a draft; it reads its terms back to you."""
    body: dict[str, Any] = {"title": {"en": title}, **(json_of(more, "--more") or {})}
    said = {
        "template": template,
        "parameters": json_of(parameters, "--parameters"),
        "policy": json_of(policy, "--policy"),
    }
    body |= {name: value for name, value in said.items() if value is not None}
    query = "?validateOnly=true" if validate_only else ""
    made = calls.change("POST", f"{_path(calls, ref)}{query}", body)
    for warning in made.get("warnings", ()):
        say(f"Warning at {warning['pointer']}: {warning['detail']} {warning['remedy']}")
    say(made["text"]["en"])
    calls.out.one(made, ("labels",) if validate_only else COLUMNS)


@offer.command(epilog=examples("datahub offer preview city/air $OFFER --template open"))
@named
@click.argument("offer_id", metavar="OFFER", shell_complete=complete)
@click.option("--template", help="The new terms, from a template.")
@click.option("--parameters", metavar="JSON", help="The template's parameters; @FILE reads a file.")
@click.option("--policy", metavar="JSON", help="The new terms, in ODRL; @FILE reads a file.")
@remote()
def preview(
    calls: Calls, ref: str, offer_id: str, template: str | None, parameters: str | None, policy: str | None
) -> None:
    """Say who gains and loses by new terms, which agreements they touch, which reads would have gone otherwise."""
    said = {
        "template": template,
        "parameters": json_of(parameters, "--parameters"),
        "policy": json_of(policy, "--policy"),
    }
    body = {name: value for name, value in said.items() if value is not None}
    calls.out.one(calls.change("POST", f"{_path(calls, ref)}/{offer_id}/preview", body))


def _path(calls: Calls, ref: str) -> str:
    return f"/v1/datasets/{calls.dataset_id(ref)}/offers"


def _add(move: str, line: str) -> None:
    @offer.command(move, help=line, epilog=examples(f"datahub offer {move} city/air $OFFER"))
    @named
    @click.argument("offer_id", metavar="OFFER", shell_complete=complete)
    @click.option("--reason", help="Why.")
    @remote(is_change=True)
    def run(calls: Calls, ref: str, offer_id: str, reason: str | None) -> None:
        body = {"move": move, **({"reason": reason} if reason else {})}
        calls.out.one(calls.change("POST", f"{_path(calls, ref)}/{offer_id}/transitions", body), COLUMNS)


for _move, (_line, _) in _MOVES.items():
    _add(_move, _line)

"""`datahub consent my`: the person's own door, with the session that a one-time link turns into."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from datahub.cli.consent.naming import text_of
from datahub.cli.consent.records import FORMS, save
from datahub.cli.output import FORMS as OUTPUTS
from datahub.cli.output import Output, say
from datahub.cli.remote import Calls, examples, talking

TOPICS = ("datasetTitle", "label", "purpose", "basis", "consent.state", "isInForce", "moves", "datasetId")
RECIPIENTS = (
    "organisation",
    "datasetTitle",
    "purpose",
    "firstAt",
    "lastAt",
    "erasure.state",
    "erasure.confirmedAt",
)
REQUESTS = ("id", "kind", "state", "askedAt", "dueAt", "answer")
Command = Callable[..., Any]


def _person(command: Command) -> Command:
    """Make a function a command's body that gets `calls` as the person; add the options."""

    @click.option("--url", metavar="URL", envvar="DATAHUB_URL", required=True, help="Which exchange.")
    @click.option(
        "--session",
        envvar="DATAHUB_SESSION",
        required=True,
        metavar="TOKEN",
        help="What `datahub consent my open` printed; @FILE reads a file. Or in DATAHUB_SESSION.",
    )
    @click.option(
        "-o", "--output", "form", type=click.Choice(OUTPUTS), help="How to answer; a table unless told."
    )
    @functools.wraps(command)
    def run(*args: Any, url: str, session: str, form: str | None, **more: Any) -> Any:
        from datahub.client import Hub, Profile

        with talking(), Hub(profile=Profile("person", url, token=text_of(session))) as hub:
            return command(Calls(hub, Output(form or "table")), *args, **more)

    return run


@click.group(name="my")
def my() -> None:
    """As the person: see and decide, learn who received what, ask, take it along."""


@my.command("open", epilog=examples("datahub consent my open --link $LINK"))
@click.option("--link", required=True, help="The link you were sent; @FILE reads a file. It works once.")
def open_link(link: str) -> None:
    """Turn a one-time link into a session of an hour, and print its token."""
    from datahub.client import Hub, Profile

    where, _, token = text_of(link).partition("#")
    url = where.rpartition("/consents")[0]
    if not token or not url:
        raise click.UsageError("The link is not whole: it has a # with a token behind it.")
    with talking(), Hub(profile=Profile("person", url)) as hub:
        made = hub.call("POST", "/v1/me/sessions", body={"token": token}).json()
    say(f"Good until {made['expiresAt']}. Keep it to yourself: it is you.")
    click.echo(made["accessToken"])


@my.command("list", epilog=examples("datahub consent my list"))
@_person
def list_all(calls: Calls) -> None:
    """See everything you are asked, what was decided for you, and what you can do."""
    calls.out.many(calls.get("/v1/me/consents")["items"], TOPICS)


def _decide(move: str, line: str) -> None:
    @my.command(
        move, help=line, epilog=examples(f"datahub consent my {move} --dataset $DATASET --purpose $PURPOSE")
    )
    @click.option("--dataset", required=True, help="The dataset's id, as `my list` shows it.")
    @click.option("--purpose", required=True, help="For which purpose, as `my list` shows it.")
    @click.option("--explicit", is_flag=True, help="In so many words: some purposes need it.")
    @_person
    def run(calls: Calls, dataset: str, purpose: str, *, explicit: bool) -> None:
        body = {"datasetId": dataset, "purpose": purpose, "move": move, "explicit": explicit}
        made = calls.change("POST", "/v1/me/consents", body)
        say("It holds from the next read on.")
        calls.out.one(made, ("id", "purpose", "state", "validUntil"))


for _move, _line in (
    ("give", "Give consent for one purpose."),
    ("renew", "Give it anew before it ends."),
    ("withdraw", "Withdraw it; no reason is needed."),
    ("refuse", "Refuse, or object."),
):
    _decide(_move, _line)


@my.command(epilog=examples("datahub consent my receipt $CONSENT --as signed"))
@click.argument("thing", metavar="CONSENT")
@click.option(
    "--as", "kind", type=click.Choice(list(FORMS)), default="json", show_default=True, help="In which form."
)
@click.option(
    "--to", "target", type=click.Path(path_type=Path), metavar="FILE", help="Where to; else printed."
)
@_person
def receipt(calls: Calls, thing: str, kind: str, target: Path | None) -> None:
    """Take the receipt of one of your consents with you."""
    save(calls, f"/v1/me/consents/{thing}/receipt", FORMS[kind], target)


@my.command(epilog=examples("datahub consent my recipients"))
@_person
def recipients(calls: Calls) -> None:
    """See who received rows about you, and who says that they were erased."""
    calls.out.many(calls.get("/v1/me/recipients")["items"], RECIPIENTS)


@my.command(epilog=examples("datahub consent my report --to report.json"))
@click.option(
    "--to", "target", type=click.Path(path_type=Path), metavar="FILE", required=True, help="Where to."
)
@_person
def report(calls: Calls, target: Path) -> None:
    """Take the entries of the access log about you with you, with proofs (GDPR art. 15)."""
    save(calls, "/v1/me/report", "application/json", target)
    say("Check that none is withheld: datahub log subject-scan --report FILE URL/log")


@my.command(epilog=examples("datahub consent my export --to my-data.json"))
@click.option(
    "--to", "target", type=click.Path(path_type=Path), metavar="FILE", required=True, help="Where to."
)
@_person
def export(calls: Calls, target: Path) -> None:
    """Take along everything the exchange keeps about you that it can show."""
    save(calls, "/v1/me/export", "application/json", target)


@my.command(epilog=examples("datahub consent my requests"))
@_person
def requests(calls: Calls) -> None:
    """See what you asked of the organisation, and what became of it."""
    calls.out.many(calls.get("/v1/me/requests")["items"], REQUESTS)


@my.command(epilog=examples('datahub consent my ask erasure --wish "All of it, please"'))
@click.argument("kind", type=click.Choice(["erasure", "objection"]))
@click.option("--dataset", help="On which dataset; an erasure without it is about all.")
@click.option("--purpose", help="Against which purpose you object.")
@click.option("--wish", help="What you want to say with it.")
@_person
def ask(calls: Calls, kind: str, dataset: str | None, purpose: str | None, wish: str | None) -> None:
    """Ask the organisation to erase you, or object to a purpose; it has a month to answer."""
    told = {"kind": kind, "datasetId": dataset, "purpose": purpose, "wish": wish}
    body = {name: value for name, value in told.items() if value is not None}
    calls.out.one(calls.change("POST", "/v1/me/requests", body), REQUESTS)

"""`datahub log findings | reviews | sample | review`: judging what is unusual in the log."""

import click

from datahub.cli.known import complete
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, limit_option, remote

_REVIEW = ("id", "state", "findingId", "entryId", "askedId", "assignee", "verdict")


@click.command(epilog=examples("datahub log findings --rule volume"))
@click.option("--rule", help="Only of this rule: first-use, new-purpose, off-hours, volume, deny-burst, …")
@limit_option
@remote()
def findings(calls: Calls, rule: str | None, limit: int) -> None:
    """List what the rules found unusual in the use of your data; --json explanation says it in a sentence."""
    columns = ("at", "rule", "consumerId", "datasetId", "id")
    calls.out.many(calls.pages("/v1/log-findings", limit, rule=rule), columns)


@click.command(epilog=examples("datahub log reviews --state open"))
@click.option("--state", help="open, assigned, asked, answered or closed.")
@limit_option
@remote()
def reviews(calls: Calls, state: str | None, limit: int) -> None:
    """List the reviews that you do, and those that your organisation is asked about."""
    calls.out.many(calls.pages("/v1/log-reviews", limit, state=state), _REVIEW)


@click.command(epilog=examples("datahub log sample --size 5"))
@click.option("--size", type=click.IntRange(1, 200), default=10, show_default=True, help="How many.")
@remote(is_change=True)
def sample(calls: Calls, size: int) -> None:
    """Make reviews of random attempts on your data."""
    made = calls.change("POST", "/v1/log-reviews", {"size": size})["items"]
    calls.out.many(made, _REVIEW)
    say(f"{len(made)} reviews made.")


@click.command(
    epilog=examples(
        "datahub log review $REVIEW",
        "datahub log review $REVIEW --move assign --assignee Ann",
        'datahub log review $REVIEW --move ask --reason "Why at night?"',
        "datahub log review $REVIEW --move close --verdict justified",
    )
)
@click.argument("review_id", metavar="REVIEW", shell_complete=complete)
@click.option(
    "--move", type=click.Choice(["assign", "ask", "answer", "close", "reopen"]), help="What to do with it."
)
@click.option("--reason", help="The question, the answer, or a remark.")
@click.option("--assignee", help="Who handles it.")
@click.option(
    "--verdict",
    type=click.Choice(["justified", "violation", "false-alarm", "unclear"]),
    help="What you make of it.",
)
@remote(is_change=True)
def review(calls: Calls, review_id: str, move: str | None, **said: str | None) -> None:
    """Show a review; with --move assign it, ask for a reason, answer, close or reopen it."""
    path = f"/v1/log-reviews/{review_id}"
    if move is None:
        calls.out.one(calls.get(path))
        return
    body = {"move": move, **{name: value for name, value in said.items() if value is not None}}
    calls.out.one(calls.change("POST", f"{path}/transitions", body), _REVIEW)

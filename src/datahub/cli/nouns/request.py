"""`datahub request`: ask for access, and decide on what others ask."""

import click

from datahub.cli.known import complete
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, json_of, limit_option, moves, remote

COLUMNS = ("id", "status", "state", "purpose", "agreementId", "dueAt")
_MOVES = {
    "reject": ("reject", "Say no, as the provider; give the --reason.", ""),
    "withdraw": ("withdraw", "Take it back, as the consumer.", "Withdraw this request?"),
}


@click.group(name="request")
def request() -> None:
    """Ask for access; decide on what others ask."""


@request.command(epilog=examples("datahub request create city/air --purpose dpv:AcademicResearch --yes"))
@named
@click.option("--purpose", help="A DPV purpose: dpv:Name, or its IRI.")
@click.option(
    "--offer", metavar="OFFER", shell_complete=complete, help="Under which offer, where there are several."
)
@click.option(
    "--answers", metavar="JSON", help="Answers to the offer's questions, by id; @FILE reads a file."
)
@click.option("--until", help="The latest end you ask for, as 2027-01-01T00:00:00Z.")
@click.option("--comment", help="Something to say to the provider.")
@remote(is_change=True)
def create(
    calls: Calls,
    ref: str,
    purpose: str | None,
    offer: str | None,
    answers: str | None,
    until: str | None,
    comment: str | None,
) -> None:
    """Ask for access. The terms are read to you first: by asking you agree to them."""
    dataset = calls.hub.datasets.get(ref)
    offered = [each for each in dataset.offers() if each["state"] == "open" and offer in (None, each["id"])]
    if len(offered) == 1:
        say(offered[0]["text"]["en"])
        calls.sure("Do you agree to these terms, for your organisation?")
    if calls.is_dry:
        calls.change("POST", "/v1/access-requests", {"dataset": ref, "purpose": purpose})
    try:
        made = dataset.request_access(
            purpose, offer=offer, answers=json_of(answers, "--answers"), until=until, comment=comment
        )
    except ValueError as several:
        raise click.UsageError(str(several)) from several
    calls.out.one(made.data, COLUMNS)


@request.command("list", epilog=examples("datahub request list --role provider --state REQUESTED"))
@click.option("--state", help="State of the negotiation: REQUESTED, OFFERED, FINALIZED, TERMINATED, ….")
@click.option(
    "--dataset", metavar="DATASET", shell_complete=complete, help="On which dataset, by reference or id."
)
@click.option("--role", type=click.Choice(["provider", "consumer"]), help="Which side you are.")
@limit_option
@remote()
def list_all(calls: Calls, state: str | None, dataset: str | None, role: str | None, limit: int) -> None:
    """List requests, newest first."""
    found = calls.pages(
        "/v1/access-requests", limit, state=state, dataset=calls.known_dataset(dataset), role=role
    )
    calls.out.many(found, COLUMNS)


@request.command(epilog=examples("datahub request show $REQUEST"))
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@remote()
def show(calls: Calls, thing: str) -> None:
    """Show one request with its steps."""
    calls.out.one(calls.get(_path(thing)))


@request.command(epilog=examples("datahub request approve $REQUEST"))
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@click.option("--until", help="When the agreement ends, as 2027-01-01T00:00:00Z.")
@remote(is_change=True)
def approve(calls: Calls, thing: str, until: str | None) -> None:
    """Say yes, as the provider: the agreement is made and signed."""
    body = {"move": "approve", **({"validUntil": until} if until else {})}
    calls.out.one(calls.change("POST", f"{_path(thing)}/transitions", body), COLUMNS)


@request.command(
    "return",
    epilog=examples(
        'datahub request return $REQUEST --reason "One year will do" --until 2027-11-01T00:00:00Z'
    ),
)
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@click.option("--reason", required=True, help="Why.")
@click.option("--until", help="Another end.")
@click.option("--template", help="Other terms, from a template.")
@click.option("--parameters", metavar="JSON", help="The template's parameters; @FILE reads a file.")
@remote(is_change=True)
def return_it(
    calls: Calls, thing: str, reason: str, until: str | None, template: str | None, parameters: str | None
) -> None:
    """Hand it back with changed terms, as the provider."""
    said = {"validUntil": until, "template": template, "parameters": json_of(parameters, "--parameters")}
    body = {"move": "return", "reason": reason, **{name: value for name, value in said.items() if value}}
    calls.out.one(calls.change("POST", f"{_path(thing)}/transitions", body), COLUMNS)


@request.command(epilog=examples("datahub request accept $REQUEST --yes"))
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@remote(is_change=True)
def accept(calls: Calls, thing: str) -> None:
    """Accept the terms that the provider handed back; they are shown first."""
    found = calls.get(_path(thing))
    say(f"Until {found.get('offeredUntil') or 'no end'}, policy {found['policyHash']}")
    calls.sure("Accept these terms?")
    body = {"move": "accept", "agreesTo": found["policyHash"]}
    calls.out.one(calls.change("POST", f"{_path(thing)}/transitions", body), COLUMNS)


@request.command(epilog=examples('datahub request comment $REQUEST "Which years do you need?"'))
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@click.argument("text")
@remote(is_change=True)
def comment(calls: Calls, thing: str, text: str) -> None:
    """Say something to the other side."""
    calls.out.one(calls.change("POST", f"{_path(thing)}/comments", {"text": text}))


@request.command(epilog=examples("datahub request comments $REQUEST"))
@click.argument("thing", metavar="REQUEST", shell_complete=complete)
@remote()
def comments(calls: Calls, thing: str) -> None:
    """Read what both sides said."""
    calls.out.many(calls.get(f"{_path(thing)}/comments")["items"], ("at", "byParticipantId", "text"))


def _path(thing: str) -> str:
    return f"/v1/access-requests/{thing}"


moves(request, lambda _, thing: _path(thing), _MOVES, "REQUEST", COLUMNS)

"""`datahub consent give | renew | withdraw | refuse | request | invalidate | forget`: what a publisher reports."""

from typing import Any

import click

from datahub.cli.consent.naming import CHANNELS, CONSENT, Command, person_option, said
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, remote

_PURPOSE = "--person @person.txt --purpose dpv:AcademicResearch --channel paper"
_YES = f'{_PURPOSE} --valid-until $UNTIL --explicit --evidence "form 12"'


def _how(command: Command) -> Command:
    """Add how a decision was expressed."""
    for option in (
        click.option("--evidence", help="Where the proof is kept; the person sees this."),
        click.option("--at", help="When it was expressed, as 2027-01-01T00:00:00Z; now unless told."),
        click.option("--rule-number", type=click.IntRange(1), help="The version of the notice shown."),
        click.option("--language", type=click.Choice(["nl", "en"]), help="Of the notice shown."),
        click.option("--channel", type=click.Choice(CHANNELS), required=True, help="How it reached you."),
    ):
        command = option(command)
    return command


def _person_command(move: str, line: str, example: str, *, is_yes: bool) -> click.Command:
    @named
    @person_option
    @click.option("--purpose", required=True, help="For which purpose: dpv:Name; one decision is for one.")
    @_how
    @click.option("--valid-until", help="The end of a consent, as 2027-01-01T00:00:00Z.")
    @click.option("--explicit", is_flag=True, help="Given in so many words.")
    @click.option("--conditional", is_flag=True, help="A service was made to depend on it.")
    @click.option("--guardian", help="Given by a guardian: parent, for example.")
    @click.option("--majority-at", help="When the minor is of age, and the guardian's consent ends.")
    @remote(is_change=True)
    def yes(calls: Calls, ref: str, person: str, **more: Any) -> None:
        guardian, majority_at = more.pop("guardian"), more.pop("majority_at")
        if (guardian is None) != (majority_at is None):
            raise click.UsageError("--guardian and --majority-at go together.")
        if guardian:
            more["guardian"] = {"relation": guardian, "majorityAt": majority_at}
        _report(calls, ref, person, move, more)

    @named
    @person_option
    @click.option("--purpose", required=True, help="For which purpose: dpv:Name; one decision is for one.")
    @_how
    @remote(is_change=True)
    def other(calls: Calls, ref: str, person: str, **more: Any) -> None:
        _report(calls, ref, person, move, more)

    epilog = examples(f"datahub consent {move} city/people {example}")
    return click.command(move, help=line, epilog=epilog)(yes if is_yes else other)


def _report(calls: Calls, ref: str, person: str, move: str, more: dict[str, Any]) -> None:
    names = {"valid_until": "validUntil", "rule_number": "ruleNumber"}
    body = {"subject": person, "move": move, **said(**{names.get(n, n): v for n, v in more.items()})}
    path = f"/v1/datasets/{calls.dataset_id(ref)}/consents"
    calls.out.one(calls.change("POST", path, body), CONSENT)


give = _person_command("give", "Report that a person gave consent.", _YES, is_yes=True)
renew = _person_command("renew", "Report that a person renewed a consent.", _YES, is_yes=True)
withdraw = _person_command(
    "withdraw",
    "Report that a person withdrew a consent; who received their rows is told to erase them.",
    _PURPOSE,
    is_yes=False,
)
refuse = _person_command("refuse", "Report that a person refused, or objects.", _PURPOSE, is_yes=False)
request = _person_command(
    "request", "Record that a person was asked; what they decided stays.", _PURPOSE, is_yes=False
)


@click.command(
    epilog=examples('datahub consent invalidate $CONSENT --channel other --evidence "forged" --yes')
)
@click.argument("thing", metavar="CONSENT")
@click.option("--channel", type=click.Choice(CHANNELS), required=True, help="How it reached you.")
@click.option("--evidence", help="Why; the person sees this.")
@remote(is_change=True)
def invalidate(calls: Calls, thing: str, channel: str, evidence: str | None) -> None:
    """Say that a consent never was a good one; the person's rows leave no more."""
    calls.sure("The consent ends, and who received rows is told to erase them. Go on?")
    body = {"move": "invalidate", **said(channel=channel, evidence=evidence)}
    calls.out.one(calls.change("POST", f"/v1/consents/{thing}/transitions", body), CONSENT)


@click.command(epilog=examples("datahub consent forget city/people --person @person.txt --yes"))
@named
@person_option
@remote(is_change=True)
def forget(calls: Calls, ref: str, person: str) -> None:
    """Cut a person's consents loose from the person, in all datasets of the key space (GDPR art. 17)."""
    calls.sure("Nobody can tell any more whose these consents were. Go on?")
    path = f"/v1/datasets/{calls.dataset_id(ref)}/consents/erasures"
    found = calls.change("POST", path, {"subject": person})
    say("Who received rows of this person is told to erase them.")
    calls.out.one(found)

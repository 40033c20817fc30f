"""`datahub policy simulate`, `explain` and `who-can`: what a policy decides, and why."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import click

from datahub.cli.policy.files import DENIED, attempt_or_exit, read_list, terms_or_exit
from datahub.cli.policy.saying import Form, form_option, lang_option, say_json, say_table
from datahub.policy import Decision, Facts, Reason, advice, decide, labels, render, taxonomies

Command = TypeVar("Command", bound=Callable[..., Any])
MOST_PAIRS = 100_000


def _attempt_options(command: Command) -> Command:
    """Add the options that describe one attempt; what they leave out is unknown, and unknown permits nothing."""
    for option in reversed(
        (
            click.option(
                "--who", multiple=True, metavar="ID", help="A name of the organisation; repeatable."
            ),
            click.option("--purpose", metavar="IRI", help="What for, e.g. dpv:AcademicResearch."),
            click.option("--when", metavar="INSTANT", help="e.g. 2027-01-01T00:00:00Z. [default: now]"),
            click.option("--action", help="[default: read]"),
            click.option("--role", "roles", multiple=True, help="A role of the caller; repeatable."),
            click.option("--row", metavar="JSON", help="One row: is this one in?"),
            click.option("--column", help="One column: is this one in?"),
            click.option(
                "--attempt", "file", metavar="FILE", help="All facts, as a JSON object; - for stdin."
            ),
        )
    ):
        command = option(command)
    return command


@click.command(
    epilog="\b\n"
    "Examples:\n"
    "  datahub policy simulate research.json --who did:web:university.example --purpose dpv:AcademicResearch\n"
    "  datahub policy simulate offer.json --attempt attempt.json -o json",
)
@click.argument("source", metavar="FILE")
@_attempt_options
@click.option(
    "--view",
    type=click.Choice(["provider", "requester"]),
    default="provider",
    show_default=True,
    help="Whose explanation.",
)
@form_option
@lang_option
def simulate(source: str, form: str, lang: Any, view: Any, **given: Any) -> None:
    """Decide one attempt with the engine that decides in production; ends with 4 when it is denied."""
    policy = terms_or_exit(source).policy
    decision = decide(policy, _attempt(given))
    if form == Form.JSON:
        say_json(_decided(decision, lang, view))
    else:
        click.echo(f"{decision.code}: {decision.explanation(lang, view)}")
        for key, duty in decision.duties:
            click.echo(f"duty {key}: {duty.action} ({duty.timing})")
    if not _flows(decision):
        sys.exit(DENIED)


@click.command(
    epilog="\b\n"
    "Examples:\n"
    "  datahub policy explain research.json\n"
    "  datahub policy explain research.json --purpose dpv:Marketing",
)
@click.argument("source", metavar="FILE")
@_attempt_options
@form_option
@lang_option
def explain(source: str, form: str, lang: Any, **given: Any) -> None:
    """Say what a policy asks: its text, what the exchange does about each term, and for an attempt rule by rule why."""
    policy = terms_or_exit(source).policy
    decision = decide(policy, _attempt(given)) if any(given.values()) else None
    if form == Form.JSON:
        said: dict[str, Any] = {
            "text": render(policy, lang),
            "labels": {term: str(label) for term, label in labels(policy).items()},
        }
        say_json(said | ({"decision": _decided(decision, lang, "provider")} if decision else {}))
        return
    click.echo(render(policy, lang))
    say_table(("TERM", "WHAT THE EXCHANGE DOES ABOUT IT"), sorted(labels(policy).items()))
    if decision is not None:
        click.echo(f"\n{decision.code}: {decision.explanation(lang, 'provider')}\n")
        rows = [(each.pointer, _yes(each.active), _yes(each.applied)) for each in decision.rules]
        say_table(("RULE", "ACTIVE", "APPLIES"), rows)
        if decision.changes:
            click.echo("\nNearest change that would permit it:")
            say_table(("CODE", "RULE", "CHANGE"), [(e.code, e.pointer, e.remedy) for e in decision.changes])


@click.command(
    "who-can",
    epilog="\b\n"
    "Examples:\n"
    "  datahub policy who-can research.json\n"
    "  datahub policy who-can offer.json --who did:web:a.example --who did:web:b.example --purpose dpv:AcademicResearch",
)
@click.argument("source", metavar="FILE")
@click.option("--who", multiple=True, metavar="ID", help="An organisation to try; repeatable.")
@click.option(
    "--purpose", "purposes", multiple=True, metavar="IRI", help="A purpose to try; repeatable. [default: all]"
)
@click.option("--when", metavar="INSTANT", help="[default: now]")
@click.option("--action", help="[default: read]")
@click.option("--candidates", metavar="FILE", help="Attempts to try instead: a JSON list; - for stdin.")
@click.option("--all", "shows_all", is_flag=True, help="Show the denied ones too.")
@form_option
def who_can(
    source: str,
    form: str,
    *,
    who: tuple[str, ...],
    purposes: tuple[str, ...],
    when: str | None,
    action: str | None,
    candidates: str | None,
    shows_all: bool,
) -> None:
    """List which organisations and purposes are permitted; ends with 4 when there is none."""
    policy = terms_or_exit(source).policy
    shared = {"when": when, "action": action}
    if candidates is not None:
        tried = [_one(each, shared) for each in read_list(candidates)]
    else:
        found = purposes or tuple(sorted(taxonomies()["purpose"].concepts))
        pairs = [(each, purpose) for each in (who or (None,)) for purpose in found]
        if len(pairs) > MOST_PAIRS:
            raise click.UsageError(f"These are more than {MOST_PAIRS} combinations.")
        tried = [_one({"who": each, "purpose": purpose}, shared) for each, purpose in pairs]
    decisions = [decide(policy, facts) for facts in tried]
    can = [decision for decision in decisions if _flows(decision)]
    shown = decisions if shows_all else can
    if form == Form.JSON:
        say_json([_candidate(each) for each in shown])
    else:
        rows = [(_yes(_flows(each)), *_named(each.facts), each.code) for each in shown]
        say_table(("CAN", "WHO", "PURPOSE", "CODE"), rows)
    click.echo(f"{len(can)} of {len(decisions)} can", err=True)
    if not can:
        sys.exit(DENIED)


def _attempt(given: Mapping[str, Any]) -> Facts:
    options = {name: value for name, value in given.items() if name != "file"}
    if options["row"] is not None:
        try:
            options["row"] = json.loads(options["row"])
        except ValueError as fault:
            raise click.UsageError(f"--row is not JSON: {fault}") from fault
    return _now(attempt_or_exit(options, given["file"]))


def _one(document: object, shared: Mapping[str, Any]) -> Facts:
    given = {**document, **{k: v for k, v in shared.items() if v}} if isinstance(document, Mapping) else {}
    return _now(attempt_or_exit(given, None))


def _now(facts: Facts) -> Facts:
    from datahub.kernel.clock import system_clock  # noqa: TID251 — who sits at a terminal means now

    return facts if facts.now is not None else replace(facts, now=system_clock())


def _flows(decision: Decision) -> bool:
    return decision.permit or decision.permit_with_plan


def _decided(decision: Decision, lang: Any, view: Any) -> dict[str, Any]:
    return {
        "isPermitted": _flows(decision),
        "code": decision.code,
        "explanation": decision.explanation(lang, view),
        "reasons": [_reason(each) for each in decision.reasons] if view == "provider" else [],
        "wouldPermit": [_reason(each) | {"sentence": advice(each, lang)} for each in decision.changes],
        "duties": [
            {"key": key, "action": duty.action, "timing": str(duty.timing)} for key, duty in decision.duties
        ],
        "rules": [
            {"rule": each.pointer, "isActive": each.active, "applies": each.applied}
            for each in decision.rules
        ],
    }


def _reason(reason: Reason) -> dict[str, str]:
    return {"code": reason.code, "rule": reason.pointer, "change": reason.remedy}


def _candidate(decision: Decision) -> dict[str, Any]:
    who, purpose = _named(decision.facts)
    return {"can": _flows(decision), "who": who, "purpose": purpose, "code": decision.code}


def _named(facts: Facts) -> tuple[str | None, str | None]:
    return ", ".join(sorted(facts.recipient)) if facts.recipient else None, facts.purpose


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"

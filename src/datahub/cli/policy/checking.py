"""`datahub policy lint` and `test`: gates before a policy is published."""

import sys
from typing import Any

import click

from datahub.cli.policy.files import FAULTY, read_list, read_terms, terms_or_exit
from datahub.cli.policy.saying import (
    Form,
    fault_json,
    form_option,
    lang_option,
    say_faults,
    say_json,
    say_table,
)
from datahub.policy import Fault, Policy, PolicyFaults, broken_examples, cautions, hygiene, read_examples

_NO_ANALYSIS = "Rules without effect were not looked for: that needs the extra `analysis` (pip install datahub[analysis])."


@click.command(
    epilog="\b\nExample:\n  datahub policy lint research.json --strict",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--strict", is_flag=True, help="Rules that can have no effect count as faults too.")
@form_option
def lint(files: tuple[str, ...], form: str, *, strict: bool) -> None:
    """Find what is wrong with policies: terms nobody knows, wrong values, rules that can have no effect.

    Ends with 1 when there are faults; rules without effect, or forbidding more than they say, are warnings, unless --strict.
    """
    findings: list[dict[str, Any]] = []
    for file in files:
        faults, warnings = _linted(file, is_strict=strict)
        findings.append({"file": file, "faults": faults, "warnings": warnings})
    if form == Form.JSON:
        shaped = [
            {"file": each["file"], **{k: [fault_json(f) for f in each[k]] for k in ("faults", "warnings")}}
            for each in findings
        ]
        say_json(shaped)
    else:
        for each in findings:
            found = (*each["faults"], *each["warnings"])
            if found:
                say_faults(each["file"], found, form)
            else:
                click.echo(f"{each['file']}: nothing wrong", err=True)
    if any(each["faults"] or (strict and each["warnings"]) for each in findings):
        sys.exit(FAULTY)


@click.command(
    "test",
    epilog="\b\nExample:\n  datahub policy test offer.json",
)
@click.argument("file", metavar="FILE")
@click.option("--examples", "examples_file", metavar="FILE", help="Examples kept apart: a JSON list.")
@form_option
@lang_option
def hold_against_examples(file: str, examples_file: str | None, form: str, lang: Any) -> None:
    """Hold a policy against its examples: attempts, each with the answer it must get.

    Ends with 1 when an example is decided otherwise. An example is
    `{"title"?, "who"?, "purpose"?, "when"?, "row"?, …, "expect": "allow" | "deny"}`.
    """
    terms = terms_or_exit(file)
    examples = terms.examples
    if examples_file is not None:
        try:
            examples = read_examples(read_list(examples_file))
        except PolicyFaults as found:
            say_faults(examples_file, found.faults, Form.TABLE, is_talk=True)
            sys.exit(FAULTY)
    if not examples:
        raise click.UsageError(f"{file} has no examples; write some, or name a file with --examples.")
    broken = {id(each): decision for each, decision in broken_examples(terms.policy, examples)}
    answers = [
        {
            "title": each.title,
            "expect": "allow" if each.permit else "deny",
            "isKept": id(each) not in broken,
            "code": broken[id(each)].code if id(each) in broken else None,
            "explanation": broken[id(each)].explanation(lang, "provider") if id(each) in broken else None,
        }
        for each in examples
    ]
    if form == Form.JSON:
        say_json(answers)
    else:
        rows = [
            ("kept" if a["isKept"] else "BROKEN", a["expect"], a["title"], a["explanation"]) for a in answers
        ]
        say_table(("RESULT", "EXPECTED", "EXAMPLE", "WHY"), rows)
    if broken:
        sys.exit(FAULTY)


def _linted(file: str, *, is_strict: bool) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    try:
        terms = read_terms(file)
    except PolicyFaults as found:
        return found.faults, ()
    return (), cautions(terms.policy) + _without_effect(terms.policy, is_strict=is_strict)


def _without_effect(policy: Policy, *, is_strict: bool) -> tuple[Fault, ...]:
    try:
        return hygiene(policy)
    except ImportError as fault:
        if is_strict:  # a gate that looks at nothing must not be open
            raise click.UsageError(_NO_ANALYSIS) from fault
        click.echo(_NO_ANALYSIS, err=True)
        return ()

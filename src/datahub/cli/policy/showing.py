"""`datahub policy render` and `templates`: a policy in words, and ready-made policies."""

import json
import sys
from typing import Any

import click

from datahub.cli.policy.files import FAULTY, terms_or_exit
from datahub.cli.policy.saying import Form, form_option, lang_option, say_faults, say_json, say_table
from datahub.policy import PolicyFaults, Template, fill_template, render, template, templates


@click.command(
    "render",
    epilog="\b\nExample:\n  datahub policy render research.json --lang nl",
)
@click.argument("file", metavar="FILE")
@lang_option
def render_text(file: str, lang: Any) -> None:
    """Write a policy in plain Dutch or English: the text that parties accept."""
    click.echo(render(terms_or_exit(file).policy, lang), nl=False)


@click.command(
    "templates",
    epilog="\b\n"
    "Examples:\n"
    "  datahub policy templates\n"
    "  datahub policy templates purpose\n"
    '  datahub policy templates purpose --fill \'{"purposes": ["dpv:ResearchAndDevelopment"]}\'',
)
@click.argument("name", required=False)
@click.option("--fill", "parameters", metavar="JSON", help="Print the policy with these parameters, in ODRL.")
@form_option
@lang_option
def show_templates(name: str | None, parameters: str | None, form: str, lang: Any) -> None:
    """List the templates, show the parameters of one, or fill it in."""
    try:
        if name is None:
            _list(form, lang)
        elif parameters is None:
            _show(template(name), form, lang)
        else:
            say_json(fill_template(name, _object(parameters)))
    except PolicyFaults as found:
        say_faults(name or "templates", found.faults, Form.TABLE, is_talk=True)
        sys.exit(FAULTY)


def _object(parameters: str) -> dict[str, Any]:
    try:
        given = json.loads(parameters)
    except ValueError as fault:
        raise click.UsageError(f"--fill is not JSON: {fault}") from fault
    if not isinstance(given, dict):
        raise click.UsageError("--fill takes a JSON object.")
    return given


def _list(form: str, lang: str) -> None:
    if form == Form.JSON:
        say_json([_json(each) for each in templates()])
        return
    rows = [(each.name, _parameters(each), each.title[lang]) for each in templates()]
    say_table(("TEMPLATE", "PARAMETERS", "WHAT IT SAYS"), rows)


def _show(chosen: Template, form: str, lang: str) -> None:
    if form == Form.JSON:
        say_json(_json(chosen))
        return
    click.echo(f"{chosen.name}: {chosen.title[lang]}\n{chosen.description[lang]}\n")
    rows = [
        (
            each.name,
            f"list of {each.sort}" if each.several else each.sort,
            "yes" if each.required else "no",
            each.title[lang],
        )
        for each in chosen.parameters
    ]
    if rows:
        say_table(("PARAMETER", "SORT", "NEEDED", "WHAT IT IS"), rows)
    example = json.dumps(chosen.examples[0]["parameters"], ensure_ascii=False)
    click.echo(f"\nExample: datahub policy templates {chosen.name} --fill '{example}'")


def _parameters(chosen: Template) -> str:
    return ", ".join(each.name if each.required else f"[{each.name}]" for each in chosen.parameters)


def _json(chosen: Template) -> dict[str, Any]:
    return {
        "name": chosen.name,
        "title": dict(chosen.title),
        "description": dict(chosen.description),
        "parameters": chosen.schema(),
        "examples": [dict(each) for each in chosen.examples],
    }

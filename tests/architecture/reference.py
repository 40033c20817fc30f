"""Writes docs/reference from the code, by `make openapi`: `python -m tests.architecture.reference`.

The command line from its commands, the API from its description, the terms from the tables the engine reads.
"""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from datahub.cli import main

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/reference"
# Said once, at the top: options that every command that calls an exchange has.
_SHARED = (
    "-h, --help",
    "-p, --profile",
    "--url",
    "-o, --output [",
    "--json FIELDS",
    "--dry-run",
    "-y, --yes",
)
_NOTE = "Generated from the code by `make openapi`; a test compares.\n"


def command_line() -> str:
    """Return the page of all commands, with their arguments, options and examples."""
    lines = ["# Command line", "", _NOTE, (main.__doc__ or "").strip(), ""]
    lines += [
        "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not authenticated, 4 denied by a policy, 5 not found,",
        "6 conflict, 7 too many calls, 8 not reachable, 130 interrupted.",
        "",
        "Every command that calls an exchange knows `-p NAME` (which profile), `--url URL` (which exchange),",
        "`-o table|json|jsonl|csv` (how to answer) and `--json FIELDS` (only these); one that changes something also",
        "`--dry-run` (show what would be sent, send nothing) and `-y` (do not ask).",
        "",
    ]
    context = click.Context(main, info_name="datahub", **main.context_settings)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        lines += [f"## datahub {name}", ""]
        lines += _command(command, click.Context(command, info_name=name, parent=context), 3)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    yield from (_plain(command.help), "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            below = click.Context(inner, info_name=name, parent=context)
            yield from (f"{'#' * level} {below.command_path}", "")
            yield from _command(inner, below, level + 1)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("```text", f"{context.command_path} {usage}".rstrip(), "```", "")
    records = [each.get_help_record(context) for each in command.params if isinstance(each, click.Option)]
    shown = [record for record in records if record and not record[0].startswith(_SHARED)]
    for option, words in shown:
        yield f"- `{option}`: {_plain(words)}"
    if shown:
        yield ""
    examples = [line.strip() for line in (command.epilog or "").splitlines() if line.strip()]
    if examples:
        yield from ("```sh", *(line for line in examples if line not in ("\b", "Example:")), "```", "")


def _plain(text: str | None) -> str:
    return "\n".join(line.strip() for line in (text or "").replace("\b", "").strip().splitlines())


def api() -> str:
    """Return the page of all addresses: scope, what each does, its parameters and answers."""
    document = json.loads((ROOT / "openapi/datahub.json").read_text())
    lines = ["# API", "", _NOTE]
    lines += [
        f"Below `{document['servers'][0]['url'] if document.get('servers') else '/'}`; the whole description, with every",
        "schema, is at `/v1/openapi.json` of a running exchange and, readable, at `/docs`.",
        "",
    ]
    grouped: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if isinstance(operation, dict) and "responses" in operation:
                tag = (operation.get("tags") or ["other"])[0]
                grouped.setdefault(tag, []).append((method.upper(), path, operation))
    for tag in sorted(grouped):
        lines += [f"## {tag}", "", "| call | what it does | scope |", "|---|---|---|"]
        for method, path, operation in grouped[tag]:
            first = (operation.get("description") or operation.get("summary") or "").split("\n\n")[0]
            words = " ".join(first.split()).replace("|", "\\|")
            lines.append(f"| `{method} {path}` | {words} | {_scope(operation)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _scope(operation: Mapping[str, Any]) -> str:
    scopes = {
        scope for each in operation.get("security") or () for wanted in each.values() for scope in wanted
    }
    return ", ".join(f"`{scope}`" for scope in sorted(scopes))


def policy_terms() -> str:
    """Return the page of every term a policy may use, and what the exchange does about it."""
    tables: Mapping[str, Mapping[str, Any]] = {
        name: tomllib.loads((ROOT / f"policies/{name}.toml").read_text())
        for name in ("operands", "actions", "patterns")
    }
    lines = ["# Terms of policies", "", _NOTE]
    lines += [
        "What the exchange does about a term: *enforced* by itself, *attested* by the other side or a credential,",
        "*tracked* as a duty, or *legal* text only. A term that is not here is refused when a policy is published.",
        "",
        "## Left operands",
        "",
        "| term | says | values | what is done | other names |",
        "|---|---|---|---|---|",
    ]
    for name, row in tables["operands"].items():
        also = ", ".join(f"`{each}`" for each in row.get("also", ()))
        done = row.get("label", "enforced")
        lines.append(f"| `{name}` | {row['en']} ({row['nl']}) | {row.get('sort', '')} | {done} | {also} |")
    lines += ["", "## Actions", "", "| action | says | part of | what is done |", "|---|---|---|---|"]
    for name, row in tables["actions"].items():
        part = f"`{row.get('in', 'use')}`" if row.get("in", "use") else ""
        lines.append(f"| `{name}` | {row['en']} ({row['nl']}) | {part} | {row.get('label', 'legal')} |")
    lines += ["", "## Usage patterns", "", "| pattern | terms | what is done | |", "|---|---|---|---|"]
    for name, row in tables["patterns"].items():
        terms = ", ".join(f"`{each}`" for each in row["terms"])
        lines.append(f"| {name} {row['en']} | {terms} | {row['label']} | {row['note']} |")
    lines += ["", "## Templates", "", "| template | what it says | parameters |", "|---|---|---|"]
    for path in sorted((ROOT / "policies/templates").glob("*.json")):
        row = json.loads(path.read_text())
        parameters = ", ".join(f"`{each}`" for each in row.get("parameters", {}))
        lines.append(f"| `{row['name']}` | {row['description']['en']} | {parameters} |")
    return "\n".join(lines) + "\n"


PAGES = {"cli.md": command_line, "api.md": api, "policy-terms.md": policy_terms}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())

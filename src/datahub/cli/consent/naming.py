"""What commands about consents share: how a person and a way of deciding are named on the command line."""

import functools
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

CHANNELS = ("web-form", "paper", "phone", "in-person", "email", "other")
CONSENT = ("id", "purpose", "state", "validUntil", "explicit", "ruleNumber", "isPersonsOwn")
Command = Callable[..., Any]


def text_of(said: str) -> str:
    """Return what was said, or what stands in the file (@FILE) or on standard input (@-)."""
    if not said.startswith("@"):
        return said
    try:
        found = sys.stdin.read() if said == "@-" else Path(said[1:]).read_text(encoding="utf-8")
    except OSError as fault:
        raise click.UsageError(str(fault)) from fault
    return found.strip()


def person_option(command: Command) -> Command:
    """Add `--person`, read: a key on a command line can be seen by others on the machine, so it may come from a file."""

    @click.option(
        "--person",
        required=True,
        metavar="KEY",
        help="The person's key; @FILE reads it from a file, @- from standard input.",
    )
    @functools.wraps(command)
    def run(*args: Any, person: str, **more: Any) -> Any:
        return command(*args, person=text_of(person), **more)

    return run


def said(**fields: Any) -> Mapping[str, Any]:
    """Return the fields that were said."""
    return {name: value for name, value in fields.items() if value is not None}

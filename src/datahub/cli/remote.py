"""Commands that call an exchange: options they share, errors as sentences and exit codes, a warning before loss."""

import functools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datahub.cli.known import complete
from datahub.cli.output import FORMS, Output, say

if TYPE_CHECKING:
    from datahub.client import Hub, Retries

EXIT_OF = {
    "NotConfigured": 2,
    "NotAuthenticated": 3,
    "PolicyDenied": 4,
    "Forbidden": 3,
    "NotFound": 5,
    "Conflict": 6,
    "RateLimited": 7,
    "NotReachable": 8,
    "TransferBroken": 8,
}
FAILED, USAGE, INTERRUPTED = 1, 2, 130
Command = Callable[..., Any]
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Calls:
    """The exchange as a command sees it: reads go out, changes are shown instead in a dry run."""

    def __init__(self, hub: "Hub", out: Output, *, is_dry: bool = False, is_sure: bool = False) -> None:
        """Take the hub and what was said on the command line."""
        self.hub, self.out = hub, out
        self.is_dry, self._is_sure = is_dry, is_sure

    def get(self, path: str, **params: Any) -> Any:
        """Read JSON."""
        return self.hub.call("GET", path, params=params).json()

    def pages(self, path: str, limit: int | None, **params: Any) -> Any:
        """Read the items of a list, page after page."""
        return self.hub.items(path, params, limit)

    def change(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send a change and return what it brings; in a dry run show what would be sent, and end."""
        if self.is_dry:
            click.echo(
                json.dumps({"method": method, "path": path, "body": body}, indent=2, ensure_ascii=False)
            )
            say("Nothing was sent (--dry-run).")
            raise click.exceptions.Exit(0)
        answer = self.hub.call(method, path, body=body, headers=headers)
        return answer.json() if answer.content else None

    def replace(self, path: str, body: Any, method: str = "PATCH") -> Any:
        """Change what is there as it was just read (If-Match)."""
        etag = self.hub.call("GET", path).headers.get("etag", "*")
        return self.change(method, path, body, {"If-Match": etag})

    def sure(self, question: str) -> None:
        """Ask before something that cannot be undone; without a terminal --yes must have been said."""
        if self._is_sure or self.is_dry:
            return
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Say --yes to confirm.")
        click.confirm(question, abort=True, err=True)

    def dataset_id(self, ref: str) -> str:
        """Return a dataset's id, from its reference or id."""
        from datahub.client import is_id

        return ref if is_id(ref) else self.hub.datasets.get(ref).id

    def known_dataset(self, ref: str | None) -> str | None:
        """Do as `dataset_id` where a dataset is named."""
        return self.dataset_id(ref) if ref else None


def remote(*, is_change: bool = False) -> Callable[[Command], Command]:
    """Make a function a command's body that gets `calls` first; add the shared options; say errors as errors."""

    def wrap(body: Command) -> Command:
        @functools.wraps(body)
        def run(
            *args: Any,
            profile: str | None,
            url: str | None,
            form: str | None,
            fields: str | None,
            is_dry: bool = False,
            is_sure: bool = False,
            **more: Any,
        ) -> Any:
            chosen = tuple(name.strip() for name in (fields or "").split(",") if name.strip())
            out = Output(form or ("json" if chosen else "table"), chosen)
            with talking(), a_hub(url, profile) as hub:
                return body(Calls(hub, out, is_dry=is_dry, is_sure=is_sure), *args, **more)

        command: Command = run
        for option in reversed((*_OPTIONS, *(_CHANGE_OPTIONS if is_change else ()))):
            command = option(command)
        return command

    return wrap


def a_hub(url: str | None, profile: str | None, retries: "Retries | None" = None) -> "Hub":
    """Return the exchange to call. Raises NotConfigured."""
    from datahub.client import Hub

    return Hub(url, profile=profile, retries=retries)


class talking:  # noqa: N801 — reads as a statement: `with talking():`
    """Says the client's errors as sentences on stderr and ends with their exit code."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, fault: BaseException | None, trace: object) -> None:
        """Turn an error of the client's into an exit."""
        from datahub.client import DatahubError, PolicyDenied

        if isinstance(fault, KeyboardInterrupt):
            say(" ".join(("Interrupted.", *fault.args)))
            raise SystemExit(INTERRUPTED) from None
        if isinstance(fault, FileNotFoundError):
            raise click.UsageError(_about_file(fault)) from fault
        if isinstance(fault, OSError) and not isinstance(fault, (BrokenPipeError, DatahubError)):
            say(f"Error: {_about_file(fault)}")
            raise SystemExit(FAILED) from None
        if not isinstance(fault, DatahubError):
            return
        say(f"Error: {fault}")
        if isinstance(fault, PolicyDenied):
            say(f"  Code: {fault.code}")
        for change in getattr(fault, "would_permit", ()):
            say(
                f"  Would permit: {change.get('sentence', {}).get('en') or json.dumps(change, ensure_ascii=False)}"
            )
        if getattr(fault, "decision_id", None):
            say(f"  Why in full: datahub log decision {fault.decision_id}")  # type: ignore[attr-defined]
        if _is_about_terms(fault):
            say("  The templates and what each takes: datahub policy templates")
        if fault.request_id:
            say(f"  Request id: {fault.request_id}")
        raise SystemExit(exit_code(fault)) from None


def _is_about_terms(fault: Exception) -> bool:
    problem = getattr(fault, "problem", {})
    return any(
        str(each.get("pointer")).startswith(("/parameters", "/template"))
        for each in problem.get("errors", ())
    )


def _about_file(fault: OSError) -> str:
    return f"{fault.filename}: {fault.strerror}" if fault.filename and fault.strerror else str(fault)


def exit_code(fault: Exception) -> int:
    """Return the exit code of an error: that of the nearest class in the table."""
    return next((EXIT_OF[kind.__name__] for kind in type(fault).__mro__ if kind.__name__ in EXIT_OF), FAILED)


def json_of(text: str | None, what: str) -> Any:
    """Read JSON from the command line, from a file by @name, or from standard input by @-."""
    if text is None:
        return None
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as fault:
        raise click.UsageError(f"{what}: {fault}") from fault
    except ValueError as fault:
        raise click.UsageError(f"{what} is not JSON: {fault}") from fault


def examples(*lines: str) -> str:
    """Return an epilog that keeps its lines; the tests run every one."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def limit_option(command: Command) -> Command:
    """Add `--limit`."""
    return click.option(
        "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many."
    )(command)


def slug_option(words: str) -> Callable[[Command], Command]:
    """Add `--slug`, checked before anything is sent."""
    return click.option("--slug", required=True, callback=_must_be_slug, help=words)


def _must_be_slug(ctx: Any, param: Any, value: str) -> str:
    del ctx, param
    if not _SLUG.fullmatch(value):
        raise click.BadParameter(f"“{value}” is not: lower-case letters, digits, and hyphens between them.")
    return value


def moves(
    group: click.Group,
    path: Callable[[Calls, str], str],
    table: Mapping[str, tuple[str, str, str]],
    argument: str,
    columns: Sequence[str],
) -> None:
    """Add a command for each move of a thing's life: command → (move, one line, question to ask first or "")."""
    for command, (move, line, question) in table.items():
        group.add_command(
            _move_command(f"{group.name} {command}", path, (move, line, question), argument, columns)
        )

    @group.command(epilog=examples(f"datahub {group.name} history ${argument}"))
    @click.argument("thing", metavar=argument, shell_complete=complete)
    @remote()
    def history(calls: Calls, thing: str) -> None:
        """Tell all its moves, oldest first."""
        found = calls.get(f"{path(calls, thing)}/transitions")["items"]
        calls.out.many(found, ("at", "move", "fromState", "toState", "reason"))


def _move_command(
    words: str,
    path: Callable[[Calls, str], str],
    told: tuple[str, str, str],
    argument: str,
    columns: Sequence[str],
) -> click.Command:
    move, line, question = told

    @click.argument("thing", metavar=argument, shell_complete=complete)
    @click.option("--reason", help="Why; both sides can read it.")
    @remote(is_change=True)
    def run(calls: Calls, thing: str, reason: str | None) -> None:
        if question:
            calls.sure(question)
        body = {"move": move, **({"reason": reason} if reason else {})}
        calls.out.one(calls.change("POST", f"{path(calls, thing)}/transitions", body), columns)

    epilog = examples(f'datahub {words} ${argument} --reason "As discussed"{" --yes" if question else ""}')
    return click.command(words.rsplit(maxsplit=1)[-1], help=line, epilog=epilog)(run)


def complete_profile(ctx: Any, param: Any, incomplete: str) -> list[str]:
    """Give the profiles that begin so."""
    del ctx, param
    from datahub.client.profiles import names

    return [name for name in names() if name.startswith(incomplete)]


def profile_options(command: Command) -> Command:
    """Add `--profile` and `--url`."""
    for option in (
        click.option("--url", metavar="URL", help="Which exchange; wins over the profile's."),
        click.option(
            "-p", "--profile", metavar="NAME", shell_complete=complete_profile, help="Which profile."
        ),
    ):
        command = option(command)
    return command


def form_option(command: Command) -> Command:
    """Add `--output` to a command that has no fields to choose from."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMS),
        default="table",
        help="How to answer; a table unless told.",
    )(command)


_OPTIONS: Sequence[Callable[[Command], Command]] = (
    profile_options,
    click.option(
        "-o", "--output", "form", type=click.Choice(FORMS), help="How to answer; a table unless told."
    ),
    click.option(
        "--json", "fields", metavar="FIELDS", help="Only these fields, parted by commas; JSON unless -o."
    ),
)
_CHANGE_OPTIONS: Sequence[Callable[[Command], Command]] = (
    click.option("--dry-run", "is_dry", is_flag=True, help="Show what would be sent; send nothing."),
    click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask."),
)

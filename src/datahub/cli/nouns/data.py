"""`datahub data`: fetch what an agreement allows, or be told why not."""

import os
import shutil
import sys
from functools import partial
from pathlib import Path

import click

from datahub.cli.known import complete
from datahub.cli.nouns.dataset import named
from datahub.cli.output import say
from datahub.cli.progress import bar
from datahub.cli.remote import EXIT_OF, Calls, examples, remote

FORMATS = ("csv", "jsonl", "parquet", "arrow")


@click.group(name="data")
def data() -> None:
    """Fetch what an agreement allows, or be told why not."""


@data.command(
    epilog=examples(
        "datahub data get city/air --to air.parquet",
        "datahub data get city/air --columns station,pm25 --filter pm25:gt:8",
    )
)
@named
@click.option(
    "--to",
    "target",
    metavar="FILE",
    help="Where to; its ending says the format. Standard output unless told.",
)
@click.option("--format", "form_", type=click.Choice(FORMATS), help="Of a table.")
@click.option("--file", "file", help="Of a dataset of files: which one.")
@click.option("--columns", help="Only these columns, parted by commas.")
@click.option(
    "--filter", "filters", multiple=True, metavar="COLUMN:OP:VALUE", help="Repeatable; all must hold."
)
@click.option(
    "--parts",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Connections at once, with --to: for a long line that one does not fill.",
)
@click.option("--version", type=click.IntRange(1), help="Another version than the latest.")
@click.option("--purpose", help="For which purpose.")
@click.option(
    "--agreement", metavar="AGREEMENT", shell_complete=complete, help="Under which agreement, by id."
)
@remote()
def get(
    calls: Calls,
    ref: str,
    target: str | None,
    form_: str | None,
    file: str | None,
    columns: str | None,
    filters: tuple[str, ...],
    parts: int,
    version: int | None,
    purpose: str | None,
    agreement: str | None,
) -> None:
    """Fetch a table or a file. A file goes on where an earlier try broke off, and its digest is checked."""
    _must_be_writable(target)
    dataset = calls.hub.datasets.get(ref)
    is_table = dataset.data["kind"] != "files"
    form = form_ or _form_of(target) if is_table else None
    if target is None or columns or filters:
        names = columns.split(",") if columns else None
        stream = dataset.read(
            form=form,
            file=file,
            columns=names,
            filters=filters,
            version=version,
            purpose=purpose,
            agreement=agreement,
        )
        with stream:
            if target is None:
                shutil.copyfileobj(stream, sys.stdout.buffer)
                return
            with Path(target).open("wb") as written:
                shutil.copyfileobj(stream, written)
    else:
        with bar(f"Fetching {ref}", partial(_is_kept, Path(target))) as progress:
            dataset.download(
                target,
                file=file,
                format=form,
                version=version,
                progress=progress,
                parts=parts,
                purpose=purpose,
                agreement=agreement,
            )
    say(f"{target}: {Path(target).stat().st_size:,} bytes")


@data.command(epilog=examples("datahub data head city/air -n 2"))
@named
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many rows.")
@click.option("--purpose", help="For which purpose.")
@remote()
def head(calls: Calls, ref: str, count: int, purpose: str | None) -> None:
    """Show the first rows of a table."""
    dataset = calls.hub.datasets.get(ref)
    shown = [
        {name: value if isinstance(value, (int, float)) else str(value) for name, value in row.items()}
        for row in dataset.to_arrow(purpose=purpose, limit=count).to_pylist()
    ]
    calls.out.many(shown, tuple(shown[0]) if shown else ())


@data.command(epilog=examples("datahub data explain city/air --purpose dpv:AcademicResearch"))
@named
@click.option("--purpose", help="For which purpose.")
@remote()
def explain(calls: Calls, ref: str, purpose: str | None) -> None:
    """Say whether you may read it now, and if not, why and what would change that; exit code 4 when not."""
    found = calls.hub.datasets.get(ref).explain(purpose)
    calls.out.one(
        {
            "isPermit": found.is_permit,
            "code": found.code,
            "text": found.text,
            "wouldPermit": list(found.would_permit),
        }
    )
    if not found:
        sys.exit(EXIT_OF["PolicyDenied"])


def _is_kept(target: Path) -> bool:
    from datahub.client import can_resume

    return can_resume(target)


_ENDINGS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrows": "arrow",
    ".arrow": "arrow",
}


def _form_of(target: str | None) -> str:
    ending = Path(target).suffix.lower() if target else ".csv"
    if ending not in _ENDINGS:
        said = ", ".join(_ENDINGS)
        raise click.UsageError(f"--to {target}: its ending says no format ({said}); say it with --format.")
    return _ENDINGS[ending]


def _must_be_writable(target: str | None) -> None:
    """Refuse before anything is read what could not be written after."""
    if target is None:
        return
    path = Path(target)
    if path.is_dir():
        raise click.UsageError(f"--to {target} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise click.UsageError(f"--to {target}: there is no folder {path.parent}.")
    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"--to {target}: {path.parent} cannot be written to.")

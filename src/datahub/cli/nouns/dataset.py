"""`datahub dataset`: find, publish, add versions."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from datahub.cli.known import complete
from datahub.cli.output import say
from datahub.cli.progress import bar
from datahub.cli.remote import Calls, examples, json_of, limit_option, moves, remote, slug_option

COLUMNS = ("ref", "title", "state", "accessRights", "lastVersion", "id")
_MOVES = {
    "release": ("publish", "Publish a draft.", ""),
    "deprecate": ("deprecate", "Say that it will go; what is agreed goes on.", ""),
    "restore": ("restore", "Take the deprecation back.", ""),
    "withdraw": (
        "withdraw",
        "Take it out for good; reads end at once.",
        "Every read of it ends, for good. Go on?",
    ),
}


@click.group(name="dataset")
def dataset() -> None:
    """The catalogue: find, publish, add versions."""


def named(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument that names a dataset."""
    return click.argument("ref", metavar="DATASET", shell_complete=complete)(command)


@dataset.command(
    "list",
    epilog=examples(
        "datahub dataset list -q air", "datahub dataset list --publisher city --json ref,title.en"
    ),
)
@click.option("-q", "words", help="Words in title, description or keywords.")
@click.option("--publisher", help="Of which organisation, by short name.")
@click.option("--keyword", help="With this keyword.")
@click.option("--state", help="draft, published, deprecated or withdrawn.")
@click.option("--sort", help="title, modified, published; with - before it the other way round.")
@limit_option
@remote()
def list_all(
    calls: Calls,
    words: str | None,
    publisher: str | None,
    keyword: str | None,
    state: str | None,
    sort: str | None,
    limit: int,
) -> None:
    """Search the catalogue; needs no account."""
    found = calls.pages(
        "/v1/datasets", limit, q=words, publisher=publisher, keyword=keyword, state=state, sort=sort
    )
    calls.out.many(found, COLUMNS)


@dataset.command(epilog=examples("datahub dataset show city/air"))
@named
@remote()
def show(calls: Calls, ref: str) -> None:
    """Show one dataset."""
    calls.out.one(calls.get(_path(calls.dataset_id(ref))))


@dataset.command(
    epilog=examples(
        "datahub dataset publish air.csv --slug quay-air --title 'Air at the quay' --policy open",
        "datahub dataset publish air.csv --slug study-air --title 'Air, for research' --policy purpose "
        '--parameters \'{"purposes": ["dpv:ResearchAndDevelopment"]}\'',
    )
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@slug_option("Short name in your organisation, as air-quality.")
@click.option("--title", required=True, help="Title.")
@click.option("--description", help="Description; the title unless told.")
@click.option(
    "--policy", required=True, help="A template (datahub policy templates), or @FILE with ODRL in JSON-LD."
)
@click.option("--parameters", metavar="JSON", help="The template's parameters; @FILE reads a file.")
@click.option("--files", "is_files", is_flag=True, help="Keep the file as it is, whatever its format.")
@remote(is_change=True)
def publish(
    calls: Calls,
    file: str,
    slug: str,
    title: str,
    description: str | None,
    policy: str,
    parameters: str | None,
    *,
    is_files: bool,
) -> None:
    """Describe, upload, publish and put on offer, in one go. Again for the same slug: the next version."""
    terms = json_of(policy, "--policy") if policy.startswith("@") else policy
    how: dict[str, Any] = {
        "slug": slug,
        "title": title,
        "description": description or title,
        "policy": terms,
        "parameters": json_of(parameters, "--parameters"),
        "kind": "files" if is_files else "table",
    }
    if calls.is_dry:
        calls.change("POST", "/v1/datasets", how | {"file": file})
    with bar(f"Uploading {file}", partial(_is_kept, file)) as progress:
        made = calls.hub.datasets.publish(file, progress=progress, **how)
    calls.out.one(made.data, COLUMNS)
    say(f"Anybody finds it now: datahub dataset show {made.ref}")


@dataset.command(
    epilog=examples(
        "datahub dataset create --slug trees --title Trees --description 'Along streets.' --rights PUBLIC"
    )
)
@slug_option("Short name in your organisation, as air-quality.")
@click.option("--title", required=True, help="Title.")
@click.option("--description", required=True, help="Description.")
@click.option(
    "--kind", type=click.Choice(["table", "files"]), default="table", show_default=True, help="What it holds."
)
@click.option(
    "--rights",
    type=click.Choice(["PUBLIC", "RESTRICTED", "NON_PUBLIC"]),
    default="RESTRICTED",
    show_default=True,
    help="Access rights.",
)
@click.option("--more", metavar="JSON", help="Further fields of the API; @FILE reads a file.")
@remote(is_change=True)
def create(
    calls: Calls, slug: str, title: str, description: str, kind: str, rights: str, more: str | None
) -> None:
    """Describe a dataset; it starts as a draft that only your organisation sees."""
    body = {
        "slug": slug,
        "kind": kind,
        "title": {"en": title},
        "description": {"en": description},
        "accessRights": rights,
        **(json_of(more, "--more") or {}),
    }
    calls.out.one(calls.change("POST", "/v1/datasets", body), COLUMNS)


@dataset.command(epilog=examples("datahub dataset upload city/air air.csv"))
@named
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--note", help="What is new in this version.")
@remote(is_change=True)
def upload(calls: Calls, ref: str, file: str, note: str | None) -> None:
    """Add a version: whole or not at all; every fault of the file is named."""
    found = calls.hub.datasets.get(ref)
    if calls.is_dry:
        calls.change("POST", f"{_path(found.id)}/versions", {"file": file, "note": note})
    with bar(f"Uploading {file}", partial(_is_kept, file)) as progress:
        made = found.upload(file, note=note, progress=progress)
    calls.out.one(made, ("number", "rowCount", "bytes", "sha256"))


@dataset.command(epilog=examples("datahub dataset versions city/air"))
@named
@limit_option
@remote()
def versions(calls: Calls, ref: str, limit: int) -> None:
    """List its versions, newest first."""
    found = calls.pages(f"{_path(calls.dataset_id(ref))}/versions", limit)
    calls.out.many(found, ("number", "rowCount", "bytes", "mediaType", "createdAt", "note"))


@dataset.command(epilog=examples('datahub dataset edit city/air --fields \'{"frequency": "DAILY"}\''))
@named
@click.option(
    "--fields", "said", metavar="JSON", required=True, help="The fields to change; @FILE reads a file."
)
@remote(is_change=True)
def edit(calls: Calls, ref: str, said: str) -> None:
    """Change the description. Refused when somebody else was first."""
    calls.out.one(calls.replace(_path(calls.dataset_id(ref)), json_of(said, "--fields")), COLUMNS)


def _is_kept(file: str) -> bool:
    from datahub.client import FROM_BYTES

    return Path(file).stat().st_size >= FROM_BYTES


def _path(thing: str) -> str:
    return f"/v1/datasets/{thing}"


moves(dataset, lambda calls, ref: _path(calls.dataset_id(ref)), _MOVES, "DATASET", COLUMNS)

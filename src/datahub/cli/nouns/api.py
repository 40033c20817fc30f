"""`datahub api`: any address of the API, with the profile's token."""

import sys
from typing import Any

import click

from datahub.cli.remote import a_hub, examples, json_of, profile_options, talking


@click.command(
    name="api",
    epilog=examples(
        "datahub api GET '/v1/datasets?pageSize=1'",
        'datahub api POST /v1/datasets --body \'{"slug": "raw"}\' || true',
    ),
)
@click.argument(
    "method", type=click.Choice(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], case_sensitive=False)
)
@click.argument("path")
@click.option("--body", metavar="JSON", help="What to send; @FILE reads a file, @- standard input.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Repeatable.")
@click.option("-i", "--include", is_flag=True, help="Print status and headers too, on stderr.")
@profile_options
def api(
    method: str,
    path: str,
    body: str | None,
    headers: tuple[str, ...],
    profile: str | None,
    url: str | None,
    *,
    include: bool,
) -> None:
    """Call any address of the API with the profile's token, and print what comes."""
    if not path.startswith("/"):
        raise click.UsageError("PATH begins with /, as in /v1/datasets")
    sent: dict[str, Any] = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon:
            raise click.UsageError("-H is NAME:VALUE")
        sent[name.strip()] = value.strip()
    with talking(), a_hub(url, profile) as hub:
        answer = hub.call(method.upper(), path, body=json_of(body, "--body"), headers=sent)
        if include:
            click.echo(f"{answer.status_code} {answer.reason_phrase}", err=True)
            for name, value in answer.headers.items():
                click.echo(f"{name}: {value}", err=True)
        sys.stdout.buffer.write(answer.content)
        sys.stdout.flush()
        if answer.content and not answer.content.endswith(b"\n"):
            click.echo(nl=True)

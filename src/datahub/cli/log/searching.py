"""`datahub log searches | search`: searches of the log that an organisation keeps."""

import click

from datahub.cli.log.reading import COLUMNS, asked, filtered
from datahub.cli.output import say
from datahub.cli.remote import Calls, examples, limit_option, remote

_SEARCH = ("id", "name", "filters", "createdAt")


@click.command(epilog=examples("datahub log searches"))
@limit_option
@remote()
def searches(calls: Calls, limit: int) -> None:
    """List the searches that your organisation keeps."""
    calls.out.many(calls.pages("/v1/log-searches", limit), _SEARCH)


@click.command(
    epilog=examples(
        'datahub log search --save "Refused reads" --action data.read --outcome deny',
        'datahub log search $SEARCH --reason "Monthly review"',
        "datahub log search $SEARCH --remove --yes",
    )
)
@click.argument("search_id", metavar="[SEARCH]", required=False)
@click.option("--save", "name", metavar="NAME", help="Keep the filters said here under a name.")
@click.option("--remove", is_flag=True, help="Forget the search.")
@filtered
@limit_option
@remote(is_change=True)
def search(
    calls: Calls, search_id: str | None, name: str | None, limit: int, *, remove: bool, **said: str | None
) -> None:
    """Read what a saved search finds now; or save one, or forget it."""
    reason = said.pop("reason")
    is_filtered = any(value is not None for value in said.values())
    if (search_id is None) == (name is None) or (search_id is not None and is_filtered):
        raise click.UsageError("Say a SEARCH; or --save NAME with the filters to keep.")
    if name is not None:
        filters = {key: value for key, value in asked(calls, said).items() if value is not None}
        calls.out.one(calls.change("POST", "/v1/log-searches", {"name": name, "filters": filters}), _SEARCH)
    elif remove:
        calls.sure("Forget this search?")
        calls.replace(f"/v1/log-searches/{search_id}", None, "DELETE")
        say("Removed.")
    else:
        found = calls.pages(f"/v1/log-searches/{search_id}/entries", limit, reason=reason)
        calls.out.many(found, COLUMNS)

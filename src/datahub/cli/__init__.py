"""The command line. Commands are loaded when they are called, so that `datahub --help` starts fast.

stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not authenticated or not allowed to, 4 denied by a
policy or for want of an agreement, 5 not found, 6 conflict, 7 too many calls, 8 not reachable, 130 interrupted.
"""

import click

from datahub import __version__
from datahub.cli.lazy import Lazy

_NOUNS = "datahub.cli.nouns"
_COMMANDS = {
    "participant": (
        f"{_NOUNS}.participant:participant",
        "Organisations: apply, admit, suspend; their people.",
    ),
    "client": (
        f"{_NOUNS}.client:client",
        "Programs of an organisation: make one with a key, rotate, disable.",
    ),
    "auth": ("datahub.cli.auth:auth", "Check an authorization server against FAPI 2.0, clause by clause."),
    "profile": (f"{_NOUNS}.profile:profile", "Which exchange, as which client: kept on this machine."),
    "dataset": (f"{_NOUNS}.dataset:dataset", "The catalogue: find, publish, add versions."),
    "policy": ("datahub.cli.policy:policy", "Check, decide, explain and compare policies on files, offline."),
    "offer": (f"{_NOUNS}.offer:offer", "Terms on a dataset."),
    "request": (f"{_NOUNS}.request:request", "Ask for access; decide on what others ask."),
    "agreement": (f"{_NOUNS}.agreement:agreement", "What was agreed: read, suspend, end."),
    "consent": ("datahub.cli.consent:consent", "Rules about people's rows, and what people decided."),
    "duty": (f"{_NOUNS}.duty:duty", "What is owed, by whom, until when: read, fulfil, waive."),
    "data": (f"{_NOUNS}.data:data", "Fetch what an agreement allows, or be told why not."),
    "log": ("datahub.cli.log:log", "The access log: read it, and verify it offline."),
    "api": (f"{_NOUNS}.api:api", "Call any address of the API with the profile's token."),
    "doctor": (f"{_NOUNS}.doctor:doctor", "Check an exchange and a profile, and say what to do."),
    "demo": ("datahub.cli.demo:demo", "Tell the whole story with real calls on this machine."),
    "init": (
        "datahub.cli.setup:init",
        "Make the exchange: database, keys, its organisation, the first admin client.",
    ),
    "migrate": ("datahub.cli.setup:migrate", "Bring the database to the newest schema."),
    "serve": ("datahub.cli.serve:serve", "Run the exchange's HTTP server."),
    "worker": ("datahub.cli.serve:worker", "Run what the clock and the outbox ask for."),
    "sequencer": ("datahub.cli.serve:sequencer", "Put log entries into the log's tree, and sign its head."),
    "openapi": ("datahub.cli.setup:openapi", "Print the OpenAPI document."),
    "completion": (f"{_NOUNS}.completion:completion", "Print what makes a shell complete commands and ids."),
}


@click.group(
    cls=Lazy,
    table=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="\b\n"
    "A first exchange in this folder:  datahub init, then datahub serve (settings are DATAHUB_* variables)\n"
    "Use one that is there:            datahub profile add --url https://…, then datahub dataset list",
)
@click.version_option(__version__, message="datahub %(version)s")
def main() -> None:
    """Datahub: a trusted data exchange for a region."""

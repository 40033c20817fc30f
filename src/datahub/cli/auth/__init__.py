"""`datahub auth`: does an authorization server keep what the specifications ask?"""

import click

from datahub.cli.lazy import Lazy


@click.group(
    cls=Lazy,
    table={
        "conformance": (
            "datahub.cli.auth.command:conformance",
            "Check a running authorization server, clause by clause.",
        )
    },
    name="auth",
)
def auth() -> None:
    """Authorization servers, looked at from outside."""

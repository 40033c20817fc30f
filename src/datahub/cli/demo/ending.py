"""What the demo leaves behind: credentials to try with, and where to look next."""

import json
import os
from pathlib import Path
from shlex import quote

from datahub.cli.demo.cast import Cast
from datahub.cli.demo.show import Stage


def point_onwards(stage: Stage, cast: Cast, home: Path, base_url: str, calls: int) -> None:
    """Say how the story went, keep the credentials in files only their owner can read, and show what to try."""
    credentials = _keep(home / "credentials.json", _credentials(cast))
    login = _keep(home / "admin.curl", f'user = "{cast.admin.client_id}:{cast.admin.secret}"\n')
    open_data = f"{base_url}/v1/datasets/{cast.datasets['income-schooling']}/data"
    stage.act("Where to look next")
    stage.line(f"\nThe story took {calls} calls, each answered as it should be.")
    stage.line()
    stage.hint("API reference", f"{base_url}/docs")
    stage.hint("catalogue", f"{base_url}/v1/datasets")
    stage.hint("refusals", f"{base_url}/problems")
    stage.hint("credentials", f"{_near(credentials)} (for your eyes only; good for nothing else)")
    stage.line("\nTry it yourself:")
    stage.command("Search the catalogue; no account needed.", f"curl -s '{base_url}/v1/datasets?q=care'")
    stage.command("Fetch open data; no account needed either.", f"curl -s '{open_data}'")
    stage.command(
        "Read the log as the exchange's administrator.",
        f"TOKEN=$(curl -s -K {quote(_near(login))} -d grant_type=client_credentials \\",
        f"  {base_url}/oauth/token | cut -d'\"' -f4)",
        'curl -s -H "Authorization: Bearer $TOKEN" -H "Accept: text/csv" \\',
        f"  {base_url}/v1/log-entries",
    )


def _near(path: Path) -> str:
    """Write a path from here, where that is shorter."""
    return min(str(path), os.path.relpath(path), key=len)


def _credentials(cast: Cast) -> str:
    """Write who has which client id, and its secret or private key."""
    callers = (
        *(cast.admin, cast.auditor, cast.city_desk, cast.travel_desk),
        *(cast.care_desk, cast.approver, cast.researcher, cast.app),
    )
    found = [
        {"name": each.name, "client_id": each.client_id}
        | ({"private_jwk": each.key.as_dict(private=True)} if each.key else {"client_secret": each.secret})
        for each in callers
    ]
    return json.dumps(found, indent=2) + "\n"


def _keep(path: Path, text: str) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    return path

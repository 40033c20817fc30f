"""Requests per CPU-second of the server: health (the floor), catalogue, token, decision with a small read."""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from tests.bench.load import Load, http, run
from tests.bench.story import World, a_world
from tests.postgres import DURABLE, postgres_server
from tests.server import a_server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def measure(database: str, requests: int) -> Iterator[Load]:
    """Run every load on a fresh server on this database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        _database(database, Path(folder)) as url,
        a_server(Path(folder), url) as server,
    ):
        world = a_world(server, b"a,b\n1,x\n2,y\n", "text/csv")
        for name, request in _requests(world).items():
            yield run(name, server, request, requests=requests)


def _requests(world: World) -> dict[str, bytes]:
    basic = base64.b64encode(":".join(world.consumer).encode()).decode()
    form = urlencode({"grant_type": "client_credentials"}).encode()
    bearer = {"Authorization": f"Bearer {world.read_token()}"}
    where = f"/v1/datasets/{world.dataset_id}"
    return {
        "floor: liveness": http("GET", "/health/live", {}),
        "catalogue: one dataset": http("GET", where, {}),
        "catalogue: search": http("GET", "/v1/datasets?q=table", {}),
        "token: client_secret_basic": http(
            "POST", "/oauth/token", {"Authorization": f"Basic {basic}", **FORM}, form
        ),
        "decision + log + 2-row read": http("GET", f"{where}/data?format=csv", bearer),
    }


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str]:
    if name == "sqlite":
        yield f"sqlite:///{folder}/datahub.db"
    else:
        with postgres_server(DURABLE) as server:
            yield server.url(server.create_database())

"""The world of the conformance tests, made once for a module, on SQLite and on PostgreSQL in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.world import World, a_world


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home: Path = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{home}/datahub.sqlite3"
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    name = server.create_database() if server else ""
    with a_world(home, server.url(name) if server else url) as world:
        yield world
    if server:
        server.drop_database(name)

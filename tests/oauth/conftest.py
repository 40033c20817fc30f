"""An exchange for each test, on SQLite and on PostgreSQL in turn."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datahub.participants import Participant
from tests.build import a_participant
from tests.oauth.making import Hub, SetClock, a_hub


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def hub(tmp_path: Path, migrated_url: str, clock: SetClock) -> Iterator[Hub]:
    made = a_hub(tmp_path, migrated_url, clock)
    yield made
    made.engine.dispose()


@pytest.fixture
def one_hub(tmp_path: Path, migrated_sqlite_url: str, clock: SetClock) -> Iterator[Hub]:
    """An exchange on SQLite only, for what has nothing to do with the database."""
    made = a_hub(tmp_path, migrated_sqlite_url, clock)
    yield made
    made.engine.dispose()


@pytest.fixture
def organisation(hub: Hub) -> Participant:
    return a_participant(hub.engine, "waterschap")

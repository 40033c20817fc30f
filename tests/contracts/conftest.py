"""A stage for each test: on SQLite and on PostgreSQL in turn, or on SQLite only."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.stage import Stage, a_stage


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = a_stage(tmp_path, database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def one_stage(sqlite_url: str, tmp_path: Path) -> Iterator[Stage]:
    """For what has nothing to do with the database."""
    made = a_stage(tmp_path, sqlite_url)
    yield made
    made.engine.dispose()

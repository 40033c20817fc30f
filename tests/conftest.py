"""Fixtures every test may ask for: a fresh database on SQLite, on PostgreSQL, or on each in turn.

`…_url` is an empty database; `migrated_url` has the schema the migrations lead to, copied from one made once.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from datahub import migrations
from datahub.kernel import db
from tests.hub import Hub, a_hub
from tests.postgres import PostgresServer, postgres_server

# How long an example takes says more about the machine than about the code.
settings.register_profile("datahub", deadline=None, print_blob=True)
settings.load_profile("datahub")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server, started when the first test asks. Drills start their own."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    name = postgres.create_database()
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A fresh, empty SQLite database in a file."""
    return f"sqlite:///{tmp_path / 'datahub.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, empty database: the test runs once on SQLite and once on PostgreSQL."""
    name = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the schema: the test runs once on SQLite and once on PostgreSQL."""
    name = {"sqlite": "migrated_sqlite_url", "postgresql": "migrated_postgres_url"}[request.param]
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
def migrated_sqlite_url(sqlite_url: str, sqlite_template: Path) -> str:
    """A fresh SQLite database with the schema."""
    copy_database(sqlite_template, Path(sqlite_url.removeprefix("sqlite:///")))
    return sqlite_url


@pytest.fixture
def migrated_postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A fresh PostgreSQL database with the schema."""
    name = postgres.create_database(postgres_template)
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `migrated_sqlite_url` copies."""
    path = tmp_path_factory.mktemp("template") / "datahub.sqlite3"
    migrate(f"sqlite:///{path}")
    # Closing the last connection empties the write-ahead logs, so the two files alone are the database.
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name, f"{path.name}{db.SPOOL_SUFFIX}"]
    return path


def copy_database(template: Path, to: Path) -> None:
    """Copy an SQLite database that nobody has open."""
    for suffix in ("", db.SPOOL_SUFFIX):
        shutil.copyfile(f"{template}{suffix}", f"{to}{suffix}")


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> str:
    """The database that `migrated_postgres_url` copies."""
    name = postgres.create_database()
    migrate(postgres.url(name))
    return name


def migrate(url: str) -> None:
    """Bring a database to the newest schema and let go of it."""
    engine = db.make_engine(url)
    migrations.upgrade(engine)
    engine.dispose()


@pytest.fixture
def hub(migrated_url: str, tmp_path: Path) -> Iterator[Hub]:
    """A whole exchange, on SQLite and on PostgreSQL in turn."""
    with a_hub(tmp_path, migrated_url) as hub:
        yield hub


@pytest.fixture
def sqlite_hub(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[Hub]:
    """A whole exchange on SQLite, for what has nothing to do with the database."""
    with a_hub(tmp_path, migrated_sqlite_url) as hub:
        yield hub


def pytest_itemcollected(item: pytest.Item) -> None:
    """A name that says where in memory a parameter lives differs between the processes of a run."""
    if " object at 0x" in item.name:
        message = f"{item.nodeid} has another name in each process: give its parameters ids"
        raise pytest.UsageError(message)

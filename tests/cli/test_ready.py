"""A server, worker or sequencer that cannot work on its database says so at once, and what to do."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from datahub import migrations
from datahub.cli import main
from datahub.kernel import db
from tests.server import free_port


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return db.make_engine(f"sqlite:///{tmp_path}/datahub.db")


def told(home: Path, command: str, **more: str) -> str:
    environment = {"DATAHUB_HOME": str(home), "DATAHUB_MASTER_KEY": "A" * 43 + "=", **more}
    found = CliRunner().invoke(main, [command], env=environment)
    assert found.exit_code == 1, found.output
    assert isinstance(found.exception, SystemExit), found.exception  # told, not a traceback
    return " ".join(found.output.split())


@pytest.mark.parametrize("command", ["serve", "worker", "sequencer"])
@pytest.mark.parametrize("home", ["there", "not/there"])
def test_without_an_exchange_the_way_to_one_is_told_and_nothing_made(
    tmp_path: Path, command: str, home: str
) -> None:
    tmp_path.joinpath("there").mkdir()
    assert "run `datahub init` first" in told(tmp_path / home, command)
    assert [each.name for each in tmp_path.rglob("*")] == ["there"]


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    elsewhere = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/nothing"
    assert "the database cannot be opened: connection failed" in told(
        tmp_path, "serve", DATAHUB_DATABASE_URL=elsewhere
    )


def test_an_older_schema_is_to_be_migrated(tmp_path: Path, engine: Engine) -> None:
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0001'"))
    said = told(tmp_path, "serve")
    assert f"its schema is revision 0001, this version needs {migrations.heads()[0]}" in said
    assert "run `datahub migrate`" in said


def test_a_spool_that_was_left_behind_is_to_be_made(tmp_path: Path, engine: Engine) -> None:
    migrations.upgrade(engine)
    engine.dispose()
    for left in tmp_path.glob(f"*{db.SPOOL_SUFFIX}*"):
        left.unlink()
    assert "the spool's file beside it is missing or empty" in told(tmp_path, "sequencer")
    migrations.upgrade(engine)
    assert migrations.fault(engine) is None

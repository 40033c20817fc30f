"""The guards around every test hold: databases are fresh, sockets reach loopback only."""

import os
import socket
import stat
import tempfile
from pathlib import Path

import psycopg
import pytest
from pytest_socket import SocketConnectBlockedError
from sqlalchemy import create_engine, inspect, text

from tests.postgres import PostgresServer


@pytest.mark.parametrize("_round", [1, 2])
def test_each_test_gets_an_empty_database(database_url: str, _round: int) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        assert inspect(connection).get_table_names() == []
        connection.execute(text("create table left_behind (id integer)"))
    engine.dispose()


@pytest.mark.parametrize("_round", [1, 2])
def test_a_migrated_database_is_fresh_too(migrated_url: str, _round: int) -> None:
    engine = create_engine(migrated_url)
    with engine.begin() as connection:
        tables = inspect(connection).get_table_names()
        connection.execute(text("create table left_behind (id integer)"))
    engine.dispose()
    assert "outbox" in tables
    assert "left_behind" not in tables


def test_a_connection_left_open_does_not_stop_the_next_test(postgres: PostgresServer) -> None:
    name = postgres.create_database()
    with psycopg.connect(postgres.url(name).replace("+psycopg", "")) as left_open:
        postgres.drop_database(name)
        with pytest.raises(psycopg.OperationalError):
            left_open.execute("select 1")


def test_the_server_answers_on_loopback_only(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url("postgres").replace("+psycopg", "")) as connection:
        row = connection.execute("select current_setting('listen_addresses')").fetchone()
    assert row == ("127.0.0.1",)
    assert stat.S_IMODE(postgres.folder.stat().st_mode) == stat.S_IRWXU
    assert postgres.folder.is_relative_to(Path(tempfile.gettempdir()))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_under_root_the_server_runs_as_somebody_else(postgres: PostgresServer) -> None:
    status = Path(f"/proc/{postgres.process.pid}/status").read_text()
    uids = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]
    assert "0" not in uids


def test_a_socket_to_the_outside_is_refused() -> None:
    with socket.socket() as outside, pytest.raises(SocketConnectBlockedError):
        outside.connect(("192.0.2.1", 443))  # RFC 5737 §3: an address for documentation


def test_a_socket_to_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()

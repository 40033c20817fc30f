"""An exchange's log with entries of two organisations, behind the audit routes only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from datahub.audit import append_only_ddl
from datahub.audit.routes import router
from datahub.kernel import db, rest
from datahub.kernel.context import Actor
from datahub.kernel.settings import Settings
from datahub.participants import Participant, Role
from tests.build import NOON, a_participant, an_actor, some_settings


@dataclass
class Exchange:
    engine: Engine
    settings: Settings
    exchange: Participant
    provider: Participant
    consumer: Participant
    stranger: Participant
    actors: dict[str, Actor]

    def client(self) -> TestClient:
        """A client whose bearer token is the name of an actor in `actors`."""
        app = FastAPI()
        app.include_router(router)
        rest.install(app)
        app.state.door = rest.Door(
            settings=self.settings,
            engine=self.engine,
            clock=lambda: NOON,
            authenticate=lambda _ctx, token: self.actors[token],
            on_refusal=lambda _request, _refusal: {},
            methods_of=lambda _path: (),
        )
        return TestClient(rest.Envelope(app, "1.0.0"), raise_server_exceptions=False)


@pytest.fixture
def exchange(database_url: str, tmp_path: Path) -> Iterator[Exchange]:
    """A database with the append-only triggers, four organisations, and an actor of each."""
    engine = db.make_engine(database_url)
    SQLModel.metadata.create_all(engine)
    with engine.begin() as connection:
        for statement in append_only_ddl(engine.dialect.name):
            connection.exec_driver_sql(statement)
    names = ("exchange", "provider", "consumer", "stranger")
    made = {name: a_participant(engine, f"the-{name}", is_exchange=name == "exchange") for name in names}
    actors = {name: an_actor(made[name], Role.REQUESTER, scopes=["log:read"]) for name in names}
    actors["auditor"] = an_actor(made["exchange"], Role.AUDITOR, scopes=["log:read"])
    actors["blind"] = an_actor(made["provider"], Role.REQUESTER, scopes=[])
    yield Exchange(engine, some_settings(tmp_path, database_url), **made, actors=actors)
    engine.dispose()

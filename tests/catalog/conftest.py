"""The catalogue behind its own routes only, with two organisations that publish and one that looks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import Engine
from sqlmodel import Session, col, select
from starlette.testclient import TestClient

from datahub.audit import Entry
from datahub.catalog.routes import router
from datahub.contracts import check_upstream
from datahub.kernel import db, rest
from datahub.kernel.context import Actor
from datahub.kernel.settings import Settings
from datahub.participants import Participant, Role
from tests.build import NOON, a_participant, an_actor, some_settings

CSV = b"name,year,value\nDam,2024,1.5\nIJ,2025,2.5\n"


@dataclass
class Catalogue:
    engine: Engine
    settings: Settings
    provider: Participant
    rival: Participant
    actors: Mapping[str, Actor]
    app: FastAPI
    client: TestClient
    now: list[datetime] = field(default_factory=lambda: [NOON])

    def call(self, method: str, path: str, who: str | None = None, **more: Any) -> Response:
        """Call the API as the actor named `who`, or as nobody."""
        headers = dict(more.pop("headers", {}))
        if who:
            headers["Authorization"] = f"Bearer {who}"
        return self.client.request(method, path, headers=headers, **more)

    def made(self, slug: str = "neighbourhoods", who: str = "publisher", **changes: Any) -> dict[str, Any]:
        """Describe a dataset and return it as answered."""
        body = {key: value for key, value in (a_description(slug) | changes).items() if value is not None}
        answer = self.call("POST", "/v1/datasets", who, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def uploaded(
        self, dataset_id: str, content: bytes = CSV, who: str = "publisher", **more: Any
    ) -> Response:
        """Upload a version, CSV unless the headers say otherwise."""
        headers = {"Content-Type": "text/csv", **more.pop("headers", {})}
        where = f"/v1/datasets/{dataset_id}/versions"
        return self.call("POST", where, who, content=content, headers=headers, **more)

    def published(
        self, slug: str = "neighbourhoods", who: str = "publisher", **changes: Any
    ) -> dict[str, Any]:
        """Describe a dataset, upload a version and publish it."""
        made = self.made(slug, who, **changes)
        more: dict[str, Any] = {} if made["kind"] == "table" else {"params": {"filename": "data.txt"}}
        assert self.uploaded(made["id"], who=who, **more).status_code == 201
        moved = self.moved(made["id"], "publish", who)
        assert moved.status_code == 201, moved.text
        return dict(moved.json())

    def moved(
        self, dataset_id: str, move: str, who: str = "publisher", reason: str | None = None
    ) -> Response:
        """Ask for a move of a dataset's life."""
        body = {"move": move, "reason": reason}
        return self.call("POST", f"/v1/datasets/{dataset_id}/transitions", who, json=body)

    def later(self, **delta: float) -> None:
        """Let time pass."""
        self.now[0] += timedelta(**delta)

    def entries(self, dataset_id: str) -> list[Entry]:
        """Return what the log says about a dataset, oldest first."""
        with Session(self.engine) as session:
            found = select(Entry).where(Entry.dataset_id == dataset_id).order_by(col(Entry.id))
            return list(session.exec(found))

    def objects(self) -> list[str]:
        """Return all files of the store, staging included, as paths inside it."""
        root = Path(self.settings.storage_url.removeprefix("file://"))
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def a_description(slug: str) -> dict[str, Any]:
    """Return a dataset as it is sent, valid."""
    return {
        "slug": slug,
        "kind": "table",
        "title": {"nl": f"Buurten {slug}", "en": f"Neighbourhoods {slug}"},
        "description": {"nl": "Inkomen en opleiding per buurt."},
        "keywords": ["inkomen", "Opleiding"],
        "themes": ["SOCI"],
        "accessRights": "RESTRICTED",
    }


@pytest.fixture
def catalogue(migrated_url: str, tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue on a migrated database; its tokens are the names of its actors."""
    engine = db.make_engine(migrated_url)
    settings = some_settings(tmp_path, migrated_url, max_upload_bytes=64 << 20)
    provider, rival = a_participant(engine, "gemeente"), a_participant(engine, "vervoer")
    house = a_participant(engine, "exchange", is_exchange=True)
    scopes = ["catalog:write"]
    actors = {
        "publisher": an_actor(provider, Role.PUBLISHER, scopes=scopes),
        "reader": an_actor(provider, Role.REQUESTER),
        "rival": an_actor(rival, Role.PUBLISHER, scopes=scopes),
        "overseer": an_actor(house, Role.ADMIN, scopes=scopes),
        "misfit": an_actor(provider, Role.REQUESTER, scopes=scopes),
    }
    app = FastAPI(redirect_slashes=False)
    app.include_router(router)
    rest.install(app)
    app.add_exception_handler(rest.Replay, rest.replay)
    now = [NOON]
    app.state.door = rest.Door(
        settings=settings,
        engine=engine,
        clock=lambda: now[0],
        authenticate=lambda _ctx, token: actors[token],
        on_refusal=lambda _request, _refusal: {},
        methods_of=lambda _path: (),
    )
    app.state.upstream_check = check_upstream
    with TestClient(rest.Envelope(app, "1.0.0")) as client:
        yield Catalogue(engine, settings, provider, rival, actors, app, client, now)
    engine.dispose()

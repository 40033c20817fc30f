"""A provider whose dataset is a live API on a service of its own, and a consumer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
import pytest

from tests.catalog.conftest import a_description
from tests.dataplane.conftest import World, a_world
from tests.hub import Hub
from tests.live.upstream import Service, a_service

SECRET = "s3cret-of-the-provider"
COLUMNS = [
    {"name": "id", "type": "int64", "nullable": False},
    {"name": "station", "type": "string"},
    {"name": "owner", "type": "string", "pointer": "/owner/name", "sensitivity": "personal"},
    {"name": "at", "type": "timestamp"},
    {"name": "value", "type": "float64"},
]
PATHS = [
    {
        "path": "/stations/{station}/values",
        "methods": ["GET", "POST"],
        "bodyBytes": 1000,
        "pathParameters": {"station": {"type": "string", "maxLength": 20}},
        "query": {
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "since": {"type": "date"},
            "unit": {"enum": ["C", "F"]},
        },
    },
    {"path": "/stations"},
]


@dataclass
class Stage:
    """A world with one live dataset in it."""

    world: World
    service: Service
    dataset_id: str

    def call(
        self, path: str = "stations", *, token: str | None = None, method: str = "GET", **more: Any
    ) -> httpx2.Response:
        """Call the live API."""
        return self.world.fetch(self.dataset_id, token, method=method, path=f"{self.where}/{path}", **more)

    @property
    def where(self) -> str:
        """The address of the API."""
        return f"/v1/datasets/{self.dataset_id}/api"

    def agreed(self, offer: dict[str, Any] | None = None) -> str:
        """Return a token of the consumer under an agreement."""
        self.world.agreement(self.dataset_id, offer)
        return self.world.token(self.dataset_id)


def a_live_api(service: Service, **more: Any) -> dict[str, Any]:
    """Return the description of a live API."""
    return {
        "baseUrl": service.url,
        "paths": PATHS,
        "mapping": {"rows": "/result/items", "columns": COLUMNS},
        "credential": {"type": "header", "name": "X-Api-Key", "value": SECRET},
        "limits": {"timeS": 5, "responseBytes": 100_000, "callsPerMinute": 50},
    } | more


def a_stage(hub: Hub, service: Service, kind: str = "table", **more: Any) -> Stage:
    """Publish a dataset with a live API."""
    world = a_world(hub)
    made = world.provider.done("POST", "/v1/datasets", 201, json=a_description("sensors") | {"kind": kind})
    where = f"/v1/datasets/{made['id']}"
    world.provider.done("PUT", f"{where}/api", 200, json=a_live_api(service, **more))
    world.provider.done("POST", f"{where}/transitions", 201, json={"move": "publish"})
    return Stage(world, service, made["id"])


@pytest.fixture
def service() -> Iterator[Service]:
    """The provider's own service."""
    with a_service() as service:
        yield service


@pytest.fixture
def stage(sqlite_hub: Hub, service: Service) -> Stage:
    """A live table on SQLite."""
    return a_stage(sqlite_hub, service)


def said(answer: httpx2.Response) -> Any:
    """Return the rows of an answer."""
    assert answer.status_code == 200, answer.text
    return orjson.loads(answer.content)["items"]

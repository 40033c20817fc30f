"""A whole exchange with results-only agreements, asked with real tokens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datahub.participants import Role
from tests.dataplane.conftest import World
from tests.hub import a_hub

# Sixty people in A, thirty-seven in B, three in C: with a smallest group of five, C may not leave.
PEOPLE = b"person,city,born,income\n" + b"".join(
    f"p{n},{'A' if n < 60 else 'B' if n < 97 else 'C'},{1950 + n % 50}-01-02,{1000 + n}\n".encode()
    for n in range(100)
)
COUNT = {"function": "count", "as": "n"}


class Room(World):
    """The world of the data plane, with questions and SQL."""

    def results_only(self, slug: str = "people", content: bytes = PEOPLE, **more: Any) -> tuple[str, str]:
        """Return a dataset with a results-only agreement on it, and a token for queries."""
        dataset = self.dataset(slug, content)
        parameters = {"minimumGroup": 5, "entityKey": "person"} | more
        self.agreement(dataset, offer=self.offer(dataset, "results-only", parameters=parameters))
        return dataset, self.token(dataset, actions=["query"])

    def rows(self, template: str = "purpose", content: bytes = PEOPLE, **parameters: Any) -> tuple[str, str]:
        """Return a dataset whose rows may be read, and a token for reading."""
        dataset = self.dataset("readable", content)
        more = {"parameters": parameters} if parameters else {}
        self.agreement(dataset, offer=self.offer(dataset, template, **more))
        return dataset, self.token(dataset)

    def ask(self, dataset: str, token: str | None, **body: Any) -> httpx2.Response:
        """Ask a question."""
        return self.post(f"/v1/datasets/{dataset}/queries", token, {"measures": [COUNT]} | body)

    def sql(self, dataset: str, token: str | None, sql: str, **more: Any) -> httpx2.Response:
        """Send a SELECT."""
        return self.post(f"/v1/datasets/{dataset}/sql", token, {"sql": sql} | more)

    def post(self, path: str, token: str | None, body: Any, **more: Any) -> httpx2.Response:
        """Call with a token, or without."""
        headers = dict(more.pop("headers", {})) | ({"Authorization": f"Bearer {token}"} if token else {})
        return self.hub.http.post(path, json=body, headers=headers, **more)

    def groups(self, dataset: str, token: str | None, **body: Any) -> dict[Any, Any]:
        """Return the count of each city, or of all under None."""
        answer = self.ask(dataset, token, **body)
        assert answer.status_code == 200, answer.text
        return {row.get("city"): row["n"] for row in answer.json()["rows"]}


def a_room(home: Path, url: str, **more: object) -> Iterator[Room]:
    """Give a provider, a consumer and a stranger."""
    with a_hub(home, url, **more) as hub:
        yield Room(
            hub,
            hub.party("gemeente", Role.PUBLISHER, Role.APPROVER),
            hub.party("universiteit", Role.REQUESTER),
            hub.party("vreemde", Role.REQUESTER),
        )


@pytest.fixture
def room(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    """On SQLite: what is asked has nothing to do with the database."""
    yield from a_room(tmp_path, migrated_sqlite_url, query_time_s=20)


@pytest.fixture
def room_anywhere(migrated_url: str, tmp_path: Path) -> Iterator[Room]:
    """On SQLite and PostgreSQL in turn."""
    yield from a_room(tmp_path, migrated_url)

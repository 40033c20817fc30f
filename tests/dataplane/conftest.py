"""A whole exchange with one agreed table and one open one, fetched with real tokens."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from sqlmodel import Session, col, select

from datahub.audit import Entry
from datahub.audit.unrolling import unroll
from datahub.participants import Role
from tests.catalog.conftest import a_description
from tests.hub import Hub, Party, a_hub

TABLE = b"name,country,value\n" + b"".join(
    f"{name},{country},{value}\n".encode()
    for name, country, value in [("Dam", "NL", 1), ("IJ", "NL", 2), ("Spree", "DE", 3), ("Seine", "FR", 4)]
)
RESEARCH = "https://w3id.org/dpv#AcademicResearch"


@dataclass
class World:
    hub: Hub
    provider: Party
    consumer: Party
    stranger: Party

    def dataset(self, slug: str, content: bytes = TABLE, **more: Any) -> str:
        """Publish a table, or a dataset of one file with `kind="files"`; return its id."""
        made = self.provider.done("POST", "/v1/datasets", 201, json=a_description(slug) | more)
        is_table = made["kind"] == "table"
        params = {} if is_table else {"filename": "réport.bin"}
        headers = {"Content-Type": "text/csv" if is_table else "application/pdf"}
        where = f"/v1/datasets/{made['id']}"
        self.provider.done("POST", f"{where}/versions", 201, content=content, params=params, headers=headers)
        self.provider.done("POST", f"{where}/transitions", 201, json={"move": "publish"})
        return str(made["id"])

    def offer(self, dataset_id: str, template: str = "purpose", **more: Any) -> dict[str, Any]:
        """Put an open offer on a dataset."""
        parameters = {"purposes": ["dpv:ResearchAndDevelopment"]} if template == "purpose" else {}
        body = {"title": {"en": "An offer"}, "template": template, "parameters": parameters} | more
        where = f"/v1/datasets/{dataset_id}/offers"
        made = self.provider.done("POST", where, 201, json=body)
        opened: dict[str, Any] = self.provider.done(
            "POST", f"{where}/{made['id']}/transitions", 201, json={"move": "open"}
        )
        return opened

    def agreement(self, dataset_id: str, offer: dict[str, Any] | None = None, **more: Any) -> str:
        """Go all the way to an agreement for research; return its id."""
        offer = offer or self.offer(dataset_id)
        body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH} | more
        asked = self.consumer.done("POST", "/v1/access-requests", 201, json=body)
        where = f"/v1/access-requests/{asked['id']}/transitions"
        return str(self.provider.done("POST", where, 201, json={"move": "approve"})["agreementId"])

    def ask_token(self, dataset_id: str, party: Party | None = None, **detail: Any) -> httpx2.Response:
        """Ask for a token for reading a dataset."""
        details = [{"type": "dataset", "identifier": dataset_id} | detail]
        return (party or self.consumer).ask_token(authorization_details=orjson.dumps(details).decode())

    def token(self, dataset_id: str, **detail: Any) -> str:
        """Return a token of the consumer for reading a dataset."""
        answer = self.ask_token(dataset_id, **detail)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def fetch(self, dataset_id: str, token: str | None = None, **more: Any) -> httpx2.Response:
        """Fetch the data of a dataset."""
        headers = dict(more.pop("headers", {})) | ({"Authorization": f"Bearer {token}"} if token else {})
        method = more.pop("method", "GET")
        where = more.pop("path", f"/v1/datasets/{dataset_id}/data")
        return self.hub.http.request(method, where, headers=headers, **more)

    def entries(self, *actions: str) -> list[Entry]:
        """Return the entries of the log with these actions, oldest first."""
        with Session(self.hub.engine, expire_on_commit=False) as session:
            unroll(session)
            session.commit()
            found = select(Entry).where(col(Entry.action).in_(actions)).order_by(col(Entry.id))
            return list(session.exec(found))

    def last(self) -> tuple[Entry, Entry]:
        """Return the last attempt and the outcome that belongs to it."""
        attempt = self.entries("data.read")[-1]
        outcome = self.entries("data.deliver")[-1]
        assert outcome.of_entry_id == attempt.id
        return attempt, outcome


@pytest.fixture
def world(migrated_url: str, tmp_path: Path) -> Iterator[World]:
    """A provider, a consumer and a stranger on a migrated database."""
    with a_hub(tmp_path, migrated_url) as hub:
        yield a_world(hub)


@pytest.fixture
def sqlite_world(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """The same on SQLite only, for what has nothing to do with the database."""
    with a_hub(tmp_path, migrated_sqlite_url) as hub:
        yield a_world(hub)


def a_world(hub: Hub) -> World:
    """Return the three organisations on an exchange."""
    return World(
        hub,
        hub.party("gemeente", Role.PUBLISHER, Role.APPROVER),
        hub.party("universiteit", Role.REQUESTER),
        hub.party("vreemde", Role.REQUESTER),
    )

"""The small world a bench runs in: a provider's table, a consumer's agreement and token, on a running server."""

import json
from dataclasses import dataclass
from typing import Any

from tests.server import Server

RESEARCH = "https://w3id.org/dpv#AcademicResearch"


@dataclass(frozen=True)
class World:
    """What a bench needs to call."""

    server: Server
    provider: tuple[str, str]
    consumer: tuple[str, str]
    dataset_id: str
    agreement_id: str

    def read_token(self) -> str:
        """A token for reading under the agreement."""
        detail = {
            "type": "dataset",
            "identifier": self.dataset_id,
            "actions": ["read"],
            "purpose": RESEARCH,
            "agreement": self.agreement_id,
        }
        return self.server.token(self.consumer, scope="data:read", authorization_details=json.dumps([detail]))


def a_world(server: Server, table: Any, media_type: str) -> World:
    """Publish a table (bytes, or an iterator of bytes) and agree on it."""
    _, provider = server.organisation("provider", "34366966", "publisher", "approver")
    _, consumer = server.organisation("consumer", "34366967", "requester")
    publisher = server.token(provider)
    described = {
        "slug": "table",
        "kind": "table",
        "title": {"en": "A table"},
        "description": {"en": "Made for measuring."},
        "accessRights": "RESTRICTED",
    }
    dataset = server.call("POST", "/v1/datasets", 201, publisher, json=described)["id"]
    where = f"/v1/datasets/{dataset}"
    server.call(
        "POST", f"{where}/versions", 201, publisher, content=table, headers={"Content-Type": media_type}
    )
    offer = server.call(
        "POST",
        f"{where}/offers",
        201,
        publisher,
        json={
            "title": {"en": "Research"},
            "template": "purpose",
            "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]},
        },
    )
    server.call("POST", f"{where}/transitions", 201, publisher, json={"move": "publish"})
    server.call("POST", f"{where}/offers/{offer['id']}/transitions", 201, publisher, json={"move": "open"})
    asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
    request = server.call("POST", "/v1/access-requests", 201, server.token(consumer), json=asked)
    decided = server.call(
        "POST", f"/v1/access-requests/{request['id']}/transitions", 201, publisher, json={"move": "approve"}
    )
    return World(server, provider, consumer, dataset, decided["agreementId"])

"""The world that the surface is tried in: three organisations, what one of them published, what another agreed.

`World.ids` names everything in it; addresses in tests use these names in braces.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from datahub.audit import About, Decision, Outcome, record, record_decision
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.participants import Role
from tests.hub import Hub, Party, a_hub

ALL = tuple(Role)
PERSONAS = ("anonymous", "outsider", "consumer", "provider", "clerk", "exchange", "suspended")
RESEARCH = "https://w3id.org/dpv#AcademicResearch"
CSV = b"area,value\nnorth,1\nsouth,2\n"
OFFER = {
    "title": {"en": "For research"},
    "template": "purpose",
    "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]},
}


def a_description(slug: str, **more: Any) -> dict[str, Any]:
    """Return the description of a dataset."""
    said = {"title": {"en": slug.title()}, "description": {"en": "A table."}, "accessRights": "RESTRICTED"}
    return {"slug": slug, "kind": "table", **said, **more}


@dataclass
class World:
    """Everything there is, by name, and a token for each persona."""

    hub: Hub
    ids: dict[str, str] = field(default_factory=dict)
    parties: dict[str, Party] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def headers(self, persona: str) -> dict[str, str]:
        """Return what a persona proves itself with."""
        return {"Authorization": f"Bearer {self.tokens[persona]}"} if persona in self.tokens else {}

    def call(self, persona: str, method: str, path: str, **more: Any) -> httpx2.Response:
        """Call an address, with names in braces, as a persona."""
        headers = {**self.headers(persona), **more.pop("headers", {})}
        return self.hub.http.request(method, self.fill(path), headers=headers, **more)

    def fill(self, value: Any) -> Any:
        """Put the ids in place of their names, however deep."""
        match value:
            case str():
                return re.sub(r"\{(\w+)\}", lambda found: self.ids[found[1]], value)
            case Mapping():
                return {name: self.fill(each) for name, each in value.items()}
            case list():
                return [self.fill(each) for each in value]
            case _:
                return value


@contextmanager
def a_world(home: Path, database_url: str) -> Iterator[World]:
    """Give a world in an empty database."""
    with a_hub(home, database_url) as hub:
        world = World(hub)
        _people(world)
        _published(world)
        _agreed(world)
        _logged(world)
        world.tokens = {name: party.token() for name, party in world.parties.items()}
        world.tokens["agreed"] = _agreed_token(world)
        suspended = world.parties["suspended"].id
        hub.admin.done("POST", f"/v1/participants/{suspended}/transitions", 201, json={"move": "suspend"})
        yield world


def _people(world: World) -> None:
    hub, ids, parties = world.hub, world.ids, world.parties
    for name in ("provider", "consumer", "outsider", "suspended"):
        parties[name] = hub.party(name, *ALL)
        ids[name] = parties[name].id
    parties["clerk"] = hub.client_of(parties["provider"].participant, Role.AUDITOR)
    parties["exchange"] = hub.client_of(hub.exchange, Role.ADMIN, Role.AUDITOR)
    ids["exchange"] = hub.exchange.id
    asked = {
        "name": "Applicant",
        "slug": "applicant",
        "contactEmail": "info@applicant.example",
        "legalIdentifiers": {"kvk": "34366966"},
    }
    ids["applicant"] = hub.http.post("/v1/participants", json=asked).json()["id"]
    ours, at = parties["provider"], f"/v1/participants/{ids['provider']}"
    person = {"name": "Ann", "email": "ann@provider.example", "roles": ["publisher"]}
    ids["person"] = ours.done("POST", f"{at}/people", 201, json=person)["id"]
    webhook = {"url": "https://provider.example/hook"}
    ids["webhook"] = ours.done("POST", f"{at}/webhooks", 201, json=webhook)["id"]
    client = {"name": "script", "profile": "basic", "roles": ["publisher"]}
    ids["client"] = ours.done("POST", "/v1/clients", 201, json=client)["id"]
    ids["secret"] = ours.done("POST", f"/v1/clients/{ids['client']}/secrets", 201, json={})["id"]
    theirs = parties["consumer"].done("POST", "/v1/clients", 201, json=client)
    ids["consumerClient"] = theirs["id"]


def _published(world: World) -> None:
    ours, ids = world.parties["provider"], world.ids
    for name in ("published", "draft"):
        ids[name] = ours.done("POST", "/v1/datasets", 201, json=a_description(f"{name}-one"))["id"]
        at = f"/v1/datasets/{ids[name]}"
        ours.done("POST", f"{at}/versions", 201, content=CSV, headers={"Content-Type": "text/csv"})
        ids[f"{name}Offer"] = ours.done("POST", f"{at}/offers", 201, json=OFFER)["id"]
    at = f"/v1/datasets/{ids['published']}"
    ids["openOffer"] = ids.pop("publishedOffer")
    ours.done("POST", f"{at}/transitions", 201, json={"move": "publish"})
    ours.done("POST", f"{at}/offers/{ids['openOffer']}/transitions", 201, json={"move": "open"})
    ids["hiddenOffer"] = ours.done("POST", f"{at}/offers", 201, json=OFFER)["id"]
    ids["policyHash"] = ours.done("GET", f"{at}/offers/{ids['openOffer']}", 200)["policyHash"]


def _agreed(world: World) -> None:
    ours, theirs, ids = world.parties["provider"], world.parties["consumer"], world.ids
    asked = {"offerId": ids["openOffer"], "agreesTo": ids["policyHash"], "purpose": RESEARCH}
    for name in ("openRequest", "finishedRequest"):
        ids[name] = theirs.done("POST", "/v1/access-requests", 201, json=asked)["id"]
        said = {"text": "good day"}
        theirs.done("POST", f"/v1/access-requests/{ids[name]}/comments", 201, json=said)
    where = f"/v1/access-requests/{ids['finishedRequest']}/transitions"
    ids["agreement"] = ours.done("POST", where, 201, json={"move": "approve"})["agreementId"]


def _agreed_token(world: World) -> str:
    """Get the consumer a token for its agreement (RFC 9396)."""
    detail = {"type": "dataset", "identifier": "{published}", "actions": ["read"], "agreement": "{agreement}"}
    details = json.dumps([world.fill({**detail, "purpose": RESEARCH})])
    return world.parties["consumer"].token(authorization_details=details)


def _logged(world: World) -> None:
    """Put a decision in the log, as a read by the consumer would."""
    ids, theirs = world.ids, world.parties["consumer"]
    actor = Actor(client_id=theirs.client_id, participant_id=theirs.id)
    about = About(
        provider_id=ids["provider"],
        consumer_id=ids["consumer"],
        dataset_id=ids["published"],
        agreement_id=ids["agreement"],
        decision_id=new_id(),
    )
    with world.hub.context(actor) as ctx:
        decision = Decision(
            id=about.decision_id or "",
            at=ctx.now,
            is_permit=True,
            code="permitted",
            provider_id=ids["provider"],
            consumer_id=ids["consumer"],
            dataset_id=ids["published"],
            facts={"purpose": RESEARCH},
            for_requester={"nl": "ja", "en": "yes"},
            for_provider={"nl": "ja", "en": "yes"},
        )
        ids["decision"] = record_decision(ctx, decision).id
        ids["entry"] = record(ctx, "data.read", about, outcome=Outcome.PERMIT, code="permitted").id

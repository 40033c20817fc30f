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
from datahub.duties import Duty, DutyState, Ground
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.participants import Role
from datahub.queries.models import Query, QueryKind, QueryState
from datahub.review import Finding, Review
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
        _live(world)
        _agreed(world)
        _consented(world)
        _logged(world)
        _witnessed(world)
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
    client = {"name": "script", "securityProfile": "basic", "roles": ["publisher"]}
    ids["client"] = ours.done("POST", "/v1/clients", 201, json=client)["id"]
    ids["secret"] = ours.done("POST", f"/v1/clients/{ids['client']}/secrets", 201, json={})["id"]
    theirs = parties["consumer"].done("POST", "/v1/clients", 201, json=client)
    ids["consumerClient"] = theirs["id"]


def _witnessed(world: World) -> None:
    overseer, ids = world.parties["exchange"], world.ids
    vkey = "matrix.example/log+4d744ee4+AYsjfXiOjqrvVQxtElgj+kXx/V/CmyyIvfhxEZRx/BMS"
    log = {"origin": "matrix.example/log", "vkeys": [vkey]}
    ids["witnessedLog"] = overseer.done("POST", "/v1/witness/logs", 201, json=log)["id"]
    vkey = "matrix.example/witness+f4d4f392+BIsjfXiOjqrvVQxtElgj+kXx/V/CmyyIvfhxEZRx/BMS"
    witness = {"name": "one", "vkeys": [vkey], "url": "https://matrix.example/witness"}
    ids["askedWitness"] = overseer.done("POST", "/v1/witness/witnesses", 201, json=witness)["id"]


def _published(world: World) -> None:
    ours, ids = world.parties["provider"], world.ids
    for name in ("published", "draft"):
        ids[name] = ours.done("POST", "/v1/datasets", 201, json=a_description(f"{name}-one"))["id"]
        at = f"/v1/datasets/{ids[name]}"
        ours.done("POST", f"{at}/versions", 201, content=CSV, headers={"Content-Type": "text/csv"})
        ids[f"{name}Offer"] = ours.done("POST", f"{at}/offers", 201, json=OFFER)["id"]
    tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
    ids["upload"] = ours.done("POST", "/v1/uploads", 201, headers=tus)["id"]
    at = f"/v1/datasets/{ids['published']}"
    ids["openOffer"] = ids.pop("publishedOffer")
    ours.done("POST", f"{at}/transitions", 201, json={"move": "publish"})
    ours.done("POST", f"{at}/offers/{ids['openOffer']}/transitions", 201, json={"move": "open"})
    sample = {"kind": "synthetic", "columns": [{"name": "area"}]}
    ours.done("PUT", f"{at}/sample", 200, json=sample)
    ids["hiddenOffer"] = ours.done("POST", f"{at}/offers", 201, json=OFFER)["id"]
    ids["policyHash"] = ours.done("GET", f"{at}/offers/{ids['openOffer']}", 200)["policyHash"]


def _live(world: World) -> None:
    """Publish a live API whose upstream is not there."""
    ours, ids = world.parties["provider"], world.ids
    body = a_description("live-one", kind="files")
    ids["live"] = ours.done("POST", "/v1/datasets", 201, json=body)["id"]
    at = f"/v1/datasets/{ids['live']}"
    paths = [{"path": "/all", "methods": ["GET", "POST"], "bodyBytes": 100}]
    api = {"baseUrl": "http://127.0.0.1:9", "paths": paths}
    ours.done("PUT", f"{at}/api", 200, json=api)
    ours.done("POST", f"{at}/transitions", 201, json={"move": "publish"})


def _agreed(world: World) -> None:
    ours, theirs, ids = world.parties["provider"], world.parties["consumer"], world.ids
    asked = {"offerId": ids["openOffer"], "agreesTo": ids["policyHash"], "purpose": RESEARCH}
    for name in ("openRequest", "finishedRequest"):
        ids[name] = theirs.done("POST", "/v1/access-requests", 201, json=asked)["id"]
        said = {"text": "good day"}
        theirs.done("POST", f"/v1/access-requests/{ids[name]}/comments", 201, json=said)
    where = f"/v1/access-requests/{ids['finishedRequest']}/transitions"
    ids["agreement"] = ours.done("POST", where, 201, json={"move": "approve"})["agreementId"]
    _owed(world)


def _owed(world: World) -> None:
    """Have the consumer owe the provider something under their agreement."""
    ids = world.ids
    with world.hub.context(Actor(client_id="worker")) as ctx:
        duty = Duty(
            id=new_id(),
            ground=Ground.POLICY,
            action="dh:reportUse",
            timing="post",
            rule="/obligation/0",
            origin="world",
            debtor_id=ids["consumer"],
            creditor_id=ids["provider"],
            dataset_id=ids["published"],
            agreement_id=ids["agreement"],
            needs="attestation",
            state=DutyState.DUE,
            consequence="none",
            starts_at=ctx.now,
            created_at=ctx.now,
        )
        ctx.session.add(duty)
        ids["duty"] = duty.id


def _consented(world: World) -> None:
    """Give the published dataset a consent rule, one person's decision, and an import that waits."""
    ours, ids = world.parties["provider"], world.ids
    at = f"/v1/datasets/{ids['published']}"
    rule = {
        "subjects": ["area"],
        "keySpace": "citizen",
        "purposes": [{"purpose": RESEARCH, "basis": "consent", "recipients": ["class:participants"]}],
        "notice": {"nl": "Wij vragen.", "en": "We ask."},
        "handling": {"address": "Plein 1", "retention": "P1Y"},
    }
    ours.done("POST", f"{at}/consent-rules", 201, json=rule)
    said = {"subject": "ann", "purpose": RESEARCH, "move": "give", "channel": "paper"}
    given = {**said, "validUntil": "2026-12-01T00:00:00Z"}
    ids["consent"] = ours.done("POST", f"{at}/consents", 201, json=given)["id"]
    csv = {"content": b"subject,purpose,move,at\n", "headers": {"Content-Type": "text/csv"}}
    where = f"{at}/consent-imports?channel=paper"
    ids["consentImport"] = ours.done("POST", where, 202, **csv)["id"]


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
        ids["query"] = new_id()
        ctx.session.add(
            Query(
                id=ids["query"],
                at=ctx.now,
                kind=QueryKind.QUESTION,
                state=QueryState.WITHHELD,
                dataset_id=ids["published"],
                dataset_version=1,
                agreement_id=ids["agreement"],
                provider_id=ids["provider"],
                consumer_id=ids["consumer"],
                asked={"measures": [{"function": "count"}]},
                decision_id=decision.id,
                entry_id=ids["entry"],
            )
        )
    _reviewed(world)
    search = {"name": "All that was refused", "filters": {"outcome": "deny"}}
    forward = {"url": "https://collector.example/log"}
    ids["logForward"] = world.hub.admin.done("POST", "/v1/log-forwards", 201, json=forward)["id"]
    ids["logSearch"] = world.parties["provider"].done("POST", "/v1/log-searches", 201, json=search)["id"]


def _reviewed(world: World) -> None:
    """Put a finding on what the consumer did, and two reviews, of which one asks the consumer."""
    ids = world.ids
    about = {"provider_id": ids["provider"], "consumer_id": ids["consumer"], "dataset_id": ids["published"]}
    text = {"text_nl": "veel", "text_en": "many"}
    with world.hub.context(Actor(client_id="worker")) as ctx:
        for name in ("review", "askedReview"):
            finding = Finding(
                id=new_id(),
                at=ctx.now,
                rule="volume",
                key=name,
                seen={},
                expected={},
                entries=[],
                **about,
                **text,
            )
            ids["finding"] = finding.id
            review = Review(
                id=new_id(),
                owner_id=ids["provider"],
                asked_id=ids["consumer"],
                finding_id=finding.id,
                state="asked" if name == "askedReview" else "open",
                is_asked=name == "askedReview",
                created_at=ctx.now,
            )
            ids[name] = review.id
            ctx.session.add_all([finding, review])

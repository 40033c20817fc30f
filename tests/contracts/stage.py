"""An exchange with four organisations and a published dataset, behind the routes of offers and contracts."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from datahub.catalog import Dataset, DatasetState
from datahub.catalog.routes import datasets as dataset_routes
from datahub.catalog.routes import offers as offer_routes
from datahub.contracts import check_upstream
from datahub.contracts.routes import router
from datahub.kernel import db, rest
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.oauth import ROLE_SCOPES, rotate_keys
from datahub.oauth.routes import router as oauth_router
from datahub.participants import LegalIdentifier, Participant, Role
from tests.build import NOON, a_context, a_participant, an_actor, some_settings

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
MARKETING = "https://w3id.org/dpv#Marketing"
KVK = "34366966"


@dataclass
class Stage:
    """Who plays: organisations by name, actors by token; `now` is moved by the test."""

    engine: Engine
    settings: Settings
    exchange: Participant
    provider: Participant
    consumer: Participant
    stranger: Participant
    dataset: Dataset
    now: datetime = NOON
    actors: dict[str, Actor] = field(default_factory=dict)

    def client(self, token: str | None = None) -> TestClient:
        """A client whose bearer token is the name of an actor."""
        app = FastAPI()
        app.include_router(dataset_routes.router)
        app.include_router(offer_routes.router)
        app.include_router(router)
        app.include_router(oauth_router)
        rest.install(app)
        app.add_exception_handler(rest.Replay, rest.replay)
        app.state.door = rest.Door(
            settings=self.settings,
            engine=self.engine,
            clock=lambda: self.now,
            authenticate=lambda _ctx, name: self.actors[name],
            on_refusal=lambda _request, _refusal: {},
            methods_of=lambda _path: (),
        )
        app.state.upstream_check = check_upstream
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        wrapped = rest.Envelope(app, "1.0.0")
        return TestClient(wrapped, raise_server_exceptions=True, headers=headers)

    def pass_time(self, **delta: float) -> None:
        """Let time go by."""
        self.now += timedelta(**delta)

    @property
    def offers_at(self) -> str:
        """Where the dataset's offers live."""
        return f"/v1/datasets/{self.dataset.id}/offers"

    def an_offer(self, *, is_open: bool = True, **more: Any) -> dict[str, Any]:
        """Make an offer for research only, and open it."""
        body: dict[str, Any] = {
            "title": {"nl": "Voor onderzoek", "en": "For research"},
            "template": "purpose",
            "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]},
        }
        if "policy" in more:
            del body["template"], body["parameters"]
        client = self.client("publisher")
        made = client.post(self.offers_at, json=body | more)
        assert made.status_code == 201, made.text
        offer: dict[str, Any] = made.json()
        if is_open:
            moved = client.post(f"{self.offers_at}/{offer['id']}/transitions", json={"move": "open"})
            assert moved.status_code == 201, moved.text
            offer = moved.json()
        return offer

    def ask(self, offer: dict[str, Any], token: str = "requester", **more: Any) -> dict[str, Any]:
        """Make a request for research under an offer."""
        body = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
        answer = self.client(token).post("/v1/access-requests", json=body | more)
        assert answer.status_code == 201, answer.text
        request: dict[str, Any] = answer.json()
        return request

    def move(self, token: str, request: dict[str, Any], move: str, **more: Any) -> Any:
        """Make a move on a request; the answer as it came."""
        path = f"/v1/access-requests/{request['id']}/transitions"
        return self.client(token).post(path, json={"move": move} | more)

    def an_agreement(self, **more: Any) -> dict[str, Any]:
        """Go all the way to an agreement."""
        request = self.ask(self.an_offer(), **more)
        approved = self.move("approver", request, "approve")
        assert approved.status_code == 201, approved.text
        return self.read("requester", approved.json()["agreementId"])

    def read(self, token: str, agreement_id: str) -> dict[str, Any]:
        """Read an agreement."""
        answer = self.client(token).get(f"/v1/agreements/{agreement_id}")
        assert answer.status_code == 200, answer.text
        agreement: dict[str, Any] = answer.json()
        return agreement

    def move_agreement(self, token: str, agreement_id: str, move: str, reason: str | None = None) -> Any:
        """Make a move on an agreement; the answer as it came."""
        body = {"move": move} | ({"reason": reason} if reason else {})
        return self.client(token).post(f"/v1/agreements/{agreement_id}/transitions", json=body)


def a_dataset(engine: Engine, provider: Participant, slug: str = "zorggebruik") -> Dataset:
    """Put a published dataset in the database."""
    dataset = Dataset(
        id=new_id(),
        provider_id=provider.id,
        slug=slug,
        kind="table",
        state=DatasetState.PUBLISHED,
        title_nl="Zorggebruik",
        title_en="Care use",
        description_nl="Per persoon",
        access_rights="RESTRICTED",
        created_at=NOON,
        modified_at=NOON,
        listed_at=NOON,
        title_sort="zorggebruik",
        search_text="zorggebruik",
    )
    with db.transaction(engine) as session:
        session.add(dataset)
    return dataset


def a_stage(home: Path, database_url: str) -> Stage:
    """Set the stage on a fresh database."""
    engine = db.make_engine(database_url)
    SQLModel.metadata.create_all(engine)
    settings = some_settings(home, database_url)
    names = ("exchange", "provider", "consumer", "stranger")
    made = {name: a_participant(engine, f"the-{name}", is_exchange=name == "exchange") for name in names}
    dataset = a_dataset(engine, made["provider"])
    exchange, provider, consumer, stranger = (made[name] for name in names)
    stage = Stage(engine, settings, exchange, provider, consumer, stranger, dataset)
    people = {
        "publisher": ("provider", Role.PUBLISHER),
        "approver": ("provider", Role.APPROVER),
        "provider-admin": ("provider", Role.ADMIN),
        "requester": ("consumer", Role.REQUESTER),
        "consumer-approver": ("consumer", Role.APPROVER),
        "consumer-publisher": ("consumer", Role.PUBLISHER),
        "own-requester": ("provider", Role.REQUESTER),
        "stranger": ("stranger", Role.REQUESTER),
        "stranger-approver": ("stranger", Role.APPROVER),
        "admin": ("exchange", Role.ADMIN),
        "auditor": ("exchange", Role.AUDITOR),
    }
    for token, (organisation, role) in people.items():
        scopes = ROLE_SCOPES[role] | {"agreements:write", "agreements:read", "requests:write"}
        stage.actors[token] = an_actor(made[organisation], role, scopes=scopes)
    with a_context(engine, settings, stage.actors["admin"]) as ctx:
        rotate_keys(ctx)
        ctx.session.add(LegalIdentifier(participant_id=made["consumer"].id, scheme="kvk", value=KVK))
    return stage

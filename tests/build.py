"""Plain functions that make things for tests, valid by default; each test says only what matters to it."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from datahub.kernel import db
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.participants import Participant, ParticipantState, Role

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
MASTER_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


def some_settings(home: Path, database_url: str = "", **more: object) -> Settings:
    """Return settings whose home is a test's own folder."""
    values = {
        "home": home,
        "database_url": database_url,
        "master_key": MASTER_KEY,
        "is_egress_private": True,
    } | more
    return Settings.model_validate(values)


@contextmanager
def a_context(engine: Engine, settings: Settings, actor: Actor, now: datetime = NOON) -> Iterator[Context]:
    """Open a transaction as the door would, for calling verbs directly; commits at the end."""
    with db.transaction(engine) as session:
        yield Context(session, actor, now, new_id().replace("-", ""), settings)


def an_actor(participant: Participant | str, *roles: Role, scopes: Iterable[str] = ()) -> Actor:
    """Return an actor with these roles in an organisation."""
    is_exchange = isinstance(participant, Participant) and participant.is_exchange
    participant_id = participant if isinstance(participant, str) else participant.id
    return Actor(
        client_id=f"client-of-{participant_id[-6:]}",
        participant_id=participant_id,
        roles=frozenset(roles),
        scopes=frozenset(scopes),
        is_exchange=is_exchange,
        token_id=new_id(),
    )


def a_participant(engine: Engine, slug: str, *, is_exchange: bool = False) -> Participant:
    """Put an admitted organisation in the database."""
    participant = Participant(
        id=new_id(),
        slug=slug,
        name=slug.replace("-", " ").title(),
        contact_email=f"info@{slug}.example",
        state=ParticipantState.ADMITTED,
        is_exchange=is_exchange,
        created_at=NOON,
    )
    with db.transaction(engine) as session:
        session.add(participant)
    return participant

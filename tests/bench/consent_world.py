"""What the benches of consent stand on: a database with a provider, a dataset about people, and its consent rule."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from datahub import migrations
from datahub.catalog import Dataset
from datahub.consent.models import ConsentRule
from datahub.consent.store.rules import add_topics, topics_of
from datahub.kernel import db
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.participants import Role
from tests.bench.requests import _database
from tests.bench.story import RESEARCH
from tests.build import a_participant, an_actor, some_settings

KEY_SPACE = "citizen"


@dataclass(frozen=True)
class World:
    """A database, one dataset in it, and who may handle it."""

    engine: Engine
    settings: Settings
    actor: Actor
    provider_id: str
    dataset_id: str
    clock: Clock = system_clock

    @contextmanager
    def context(self) -> Iterator[Context]:
        """Open a transaction as the worker would."""
        with db.transaction(self.engine) as session:
            yield Context(session, self.actor, system_clock(), new_id().replace("-", ""), self.settings)

    @property
    def topic_no(self) -> int:
        """The number of the one purpose that people decide on."""
        with db.transaction(self.engine, is_read=True) as session:
            return topics_of(session, self.dataset_id)[RESEARCH].no or 0


@contextmanager
def a_world(database: str, home: Path, **dataset: Any) -> Iterator[World]:
    """Make the database anew in a folder, or on a PostgreSQL server of its own."""
    with _database(database, home) as url:
        engine = db.make_engine(url)
        migrations.upgrade(engine)
        provider = a_participant(engine, "provider")
        made = _dataset(provider.id, dataset)
        with db.transaction(engine) as session:
            session.add(made)
            session.flush()
            session.add(_rule(made))
            add_topics(session, made.id, [RESEARCH])
        actor = an_actor(provider, Role.PUBLISHER)
        yield World(engine, some_settings(home, url), actor, provider.id, made.id)
        engine.dispose()


def _dataset(provider_id: str, more: Mapping[str, Any]) -> Dataset:
    now = datetime.now(UTC)
    return Dataset(
        id=new_id(),
        provider_id=provider_id,
        slug="visits",
        kind="table",
        state="draft",
        title_en="Visits",
        description_en="Made for measuring.",
        access_rights="RESTRICTED",
        created_at=now,
        modified_at=now,
        listed_at=now,
        title_sort="visits",
        search_text="visits",
        **more,
    )


def _rule(dataset: Dataset) -> ConsentRule:
    purpose = {
        "purpose": RESEARCH,
        "basis": "consent",
        "choice": "opt-in",
        "isExplicit": True,
        "recipients": ["class:participants"],
        "data": None,
        "validityDays": 365,
    }
    return ConsentRule(
        id=new_id(),
        dataset_id=dataset.id,
        provider_id=dataset.provider_id,
        number=1,
        key_space=KEY_SPACE,
        subjects=["subject_id"],
        several="all",
        nobody="out",
        purposes=[purpose],
        classes={},
        notice={"en": "We ask your consent."},
        notice_hash="0" * 64,
        handling={},
        offers={},
        rule_hash="0" * 64,
        created_at=dataset.created_at,
    )

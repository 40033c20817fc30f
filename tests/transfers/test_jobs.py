"""Every permit gets its outcome, even when the process that sent the data died."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from datahub.audit import About, Entry, Outcome, record
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS
from datahub.kernel.settings import Settings
from datahub.transfers import ACTION
from datahub.transfers.jobs import close_unfinished
from tests.build import NOON, a_context, some_settings


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    made = db.make_engine(migrated_url)
    yield made
    made.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return some_settings(tmp_path)


def test_a_delivery_that_never_said_how_it_ended_is_closed_after_a_day(
    engine: Engine, settings: Settings
) -> None:
    with a_context(engine, settings, ANONYMOUS) as ctx:
        told = record(ctx, ACTION, About(dataset_id="d"), outcome=Outcome.PERMIT)
        record(ctx, "data.deliver", About(of_entry_id=told.id, rows=1, bytes=9), outcome=Outcome.FINISHED)
        killed = record(ctx, ACTION, About(dataset_id="d", agreement_id="a"), outcome=Outcome.PERMIT)
        record(ctx, ACTION, About(dataset_id="d"), outcome=Outcome.DENY, code="agreement-required")
    for later, closed in ((timedelta(hours=23), 0), (timedelta(days=2), 1), (timedelta(days=3), 0)):
        with a_context(engine, settings, ANONYMOUS, NOON + later) as ctx:
            assert close_unfinished(ctx) == closed
    with Session(engine) as session:
        entry = session.exec(select(Entry).order_by(col(Entry.id).desc())).first()
    assert entry is not None
    assert (entry.of_entry_id, entry.agreement_id) == (killed.id, "a")
    assert (entry.outcome, entry.code, entry.bytes) == ("aborted", "outcome-unknown", None)

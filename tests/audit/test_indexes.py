"""Lists of the log are found by indexes, of which each holds only what no other one finds."""

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.dialects import sqlite
from sqlmodel import select

from datahub.audit import Entry, store
from datahub.audit.store import EntryFilter
from datahub.kernel.context import Actor

OWN = "0198c0de-0000-7000-8000-000000000001"
ANYBODY = Actor(client_id="c", participant_id=OWN)
AUDITOR = Actor(client_id="c", participant_id=OWN, is_exchange=True, roles=frozenset({"auditor"}))


@pytest.mark.parametrize(
    ("actor", "wanted", "indexes"),
    [
        (ANYBODY, EntryFilter(), {"provider_id_id", "consumer_id_id", "actor_participant_id_id"}),
        (AUDITOR, EntryFilter(actor_participant_id=OWN), {"consumer_id_id", "actor_participant_id_id"}),
        (AUDITOR, EntryFilter(agreement_id=OWN), {"agreement_id_id"}),
        (AUDITOR, EntryFilter(thing_id=OWN), {"thing_id_id"}),
        (AUDITOR, EntryFilter(of_entry_id=OWN), {"of_entry_id"}),
    ],
    ids=["own", "actor", "agreement", "thing", "of-entry"],
)
def test_a_list_of_entries_reads_no_other_rows(
    migrated_sqlite_url: str, actor: Actor, wanted: EntryFilter, indexes: set[str]
) -> None:
    engine = create_engine(migrated_sqlite_url)
    found = select(Entry.id).where(*store.conditions(actor, wanted))
    asked = found.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with engine.connect() as connection:
        steps = [row.detail for row in connection.execute(text(f"explain query plan {asked}"))]
    engine.dispose()
    used = {name for step in steps for name in indexes if f"ix_log_entry_{name} " in step}
    assert used == indexes
    assert not [step for step in steps if step.startswith("SCAN log_entry")]

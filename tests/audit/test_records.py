"""Records many at a time: the leaves are those that are made one by one, whichever way a line came."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from datahub.audit import NOW, About, Decision, Entry, Journal, Line, Outcome, entry_values, form_of, leaves
from datahub.audit import records as bulk
from datahub.audit.unrolling import read, unroll
from datahub.kernel import db
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from tests.build import NOON

KEYS = [bytes([number]) * 32 for number in range(256)]
ORGANISATIONS = leaves.OrganisationKey(b"secret")
ODD = 'a "purpose"\\ of\ttabs,\nlines, ünïcode and \\N'


@pytest.fixture
def engine(migrated_url: str) -> Iterator[Engine]:
    engine = db.make_engine(migrated_url)
    yield engine
    engine.dispose()


def a_decision(**facts: Any) -> Decision:
    return Decision(
        id=new_id(),
        at=NOON,
        is_permit=True,
        code="ok",
        consumer_id=new_id(),
        dataset_id=new_id(),
        facts=facts,
        for_requester={"nl": "Mag: ë", "en": 'Allowed: "yes"\n'},
        for_provider={},
    )


def lines() -> Iterator[Line]:
    """Give lines of every shape: with and without decision, instants with and without fraction, odd text, persons."""
    person, other = new_id(), new_id()
    abouts = (
        About(),
        About(provider_id=new_id()),
        About(consumer_id=new_id(), purpose=ODD, rows=0, bytes=1 << 40),
        About(
            provider_id=new_id(),
            consumer_id=new_id(),
            dataset_id=new_id(),
            dataset_version=3,
            columns=["z", "a"],
            agreement_id=new_id(),
            offer_id=new_id(),
            offer_version=1,
            policy_hash="h" * 64,
            details={"b": {"z": [1, None], "a": 1.5}, "a": ODD},
            subjects=(person, other, new_id()),
        ),
    )
    decisions = (
        None,
        a_decision(),
        a_decision(now=NOW, purpose=ODD, before={"y": 1, "x": None}),
        a_decision(z=1, at=NOW, a=2),
    )
    instants = (NOON, NOON + timedelta(microseconds=10), datetime(2031, 5, 6, 7, 8, 9, 999999, UTC))
    for number, about in enumerate(abouts):
        for decision in decisions:
            actor = Actor(client_id=ODD, person_id=new_id() if number else None)
            values = entry_values(actor, NOON, "", "data.read", about, outcome=Outcome.PERMIT)
            form = form_of(values, decision)
            for at, trace in zip(instants, ("t" * 32, ODD, ""), strict=True):
                told = None if decision is None else new_id()
                yield Line(form, new_id(), at, trace, told, new_id() if number % 2 else None)


def one_by_one(engine: Engine, names: list[str], persons: dict[str, bytes]) -> list[bytes]:
    """Return the leaves of entries as the object mapper gives them."""
    made = []
    with db.transaction(engine, is_read=True) as session:
        decisions = {each.id: each.model_dump() for each in session.exec(select(Decision)).all()}
        for number, name in enumerate(names):
            entry = session.get_one(Entry, name).model_dump()
            made.append(
                leaves.leaf(
                    entry,
                    decisions.get(entry["decision_id"]),
                    KEYS[number],
                    subject_keys=[persons[each] for each in entry["subjects"] or () if each in persons],
                    organisation_key=ORGANISATIONS,
                )
            )
    return made


def test_leaves_made_in_bulk_are_those_made_one_by_one(engine: Engine) -> None:
    journal, told = Journal(engine), list(lines())
    for line in told:
        journal.write(line)
    journal.close()
    with db.transaction(engine) as session:
        spooled = read(session)
        from_spool = spooled.records()
        names = [own[0] for _, own in spooled.lines]
        assert read(session, 1).batches == spooled.batches[:1]
        assert unroll(session) == len(told)
    assert sorted(names) == sorted(line.id for line in told)
    known = sorted({each for record in from_spool for each in record.subjects})
    persons = {person: bytes([number]) * 32 for number, person in enumerate(known[:-1])}  # one is shredded

    with db.transaction(engine, is_read=True) as session:
        stored = bulk.of_entries(session, names)
        assert bulk.of_entries(session, [new_id()]) == {}
    expected = one_by_one(engine, names, persons)
    for records in (from_spool, [stored[name] for name in names]):
        assert bulk.encoded(records, KEYS[: len(names)], persons, ORGANISATIONS) == expected
    assert {b'"st":' in leaf for leaf in expected} == {True, False}


def test_a_decision_that_is_gone_is_committed_to_by_its_id(engine: Engine) -> None:
    values = entry_values(Actor(client_id="c"), NOON, "t", "data.read", About(decision_id=new_id()))
    with db.transaction(engine) as session:
        session.add(Entry(**values))
    with db.transaction(engine, is_read=True) as session:
        record = bulk.of_entries(session, [values["id"]])[values["id"]]
    assert bulk.encoded([record], KEYS[:1], {}, ORGANISATIONS) == one_by_one(engine, [values["id"]], {})


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.000010+00:00", "2026-01-02T03:04:05.000010Z"),
        ("2026-01-02 03:04:05.000000", "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05.250000+02:00", "2026-01-02T03:04:05.250000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
    ],
)
def test_an_instant_is_written_the_same_wherever_it_comes_from(given: datetime | str, written: str) -> None:
    assert bulk.rfc3339_text(given) == written

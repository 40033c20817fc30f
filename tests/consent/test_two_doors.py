"""The gate behind two server processes on one database: whatever was said through one, the next read through either obeys.

A process that is killed and started anew on the way comes to the same, from the database alone.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import copy_database
from tests.consent import trial
from tests.consent.building import a_purpose
from tests.consent.long_reads import LATE, Broken, LongRead, a_long_read, people_in, rows_about
from tests.consent.test_http_gate import FORMS, NARROW
from tests.hub import Party
from tests.postgres import PostgresServer
from tests.two_doors import TwoDoors, two_doors

ARROW_END = b"\xff\xff\xff\xff\0\0\0\0"
Stage = tuple[TwoDoors, Party]
doors = st.integers(0, 1)
changes = trial.steps.filter(lambda each: each[0] != "read")


def stories(longest: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return what gives stories: a rule, rows, changes through either process before and after one of them is killed."""
    told = st.tuples(doors, changes)
    before, after = (st.lists(told, min_size=least, max_size=longest) for least in (3, 1))
    return given(trial.rules, trial.tables, before, after, doors)


SLICE = settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.reuse, Phase.generate),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One exchange for all stories on a database; each story brings an organisation of its own."""
    home = tmp_path_factory.mktemp("doors")
    if request.param == "sqlite":
        url = f"sqlite:///{home}/datahub.sqlite3"
        copy_database(request.getfixturevalue("sqlite_template"), home / "datahub.sqlite3")
    else:
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create_database(request.getfixturevalue("postgres_template")))
    with two_doors(home, url) as hub:
        yield hub, trial.a_university(hub)


def a_story(told: trial.Trial, hub: TwoDoors, before: Any, after: Any, killed: int) -> None:
    """Tell a story with a power cut in the middle; after each step both processes give what the book says."""
    for number, (door, (step, what)) in enumerate([*before, *after]):
        if number == len(before):
            hub.restart(killed)
        if step == "upload":
            hub.inside()
        else:
            hub.at(door)
        told.do(step, what)
        for asked in (1 - door, door):
            hub.at(asked)
            told.read("csv")
    for form in FORMS:
        told.read(form)
    for columns in NARROW:
        told.read("csv", columns)
    told.ask()


def test_after_each_change_either_process_gives_what_a_slow_reading_lets_leave(stage: Stage) -> None:
    _hold(stage, SLICE, longest=5)


@pytest.mark.soak
def test_the_same_for_many_stories(stage: Stage) -> None:
    _hold(stage, settings(SLICE, max_examples=100), longest=12)


def _hold(stage: Stage, how: settings, longest: int) -> None:
    @how
    @stories(longest)
    def holds(rule: Any, table: Any, before: Any, after: Any, killed: int) -> None:
        hub, university = stage
        hub.inside()
        a_story(trial.a_trial(hub, university, rule, table), hub, before, after, killed)

    holds()


# What a stream does hangs little on the database, and the table is long.
on_sqlite = pytest.mark.parametrize(
    "stage", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)


@pytest.fixture(scope="module")
def long_read(stage: Stage) -> LongRead:
    hub, _ = stage
    hub.inside()
    return a_long_read(hub, "long")


@on_sqlite
@pytest.mark.parametrize("form", FORMS)
def test_a_no_on_the_way_is_obeyed_by_the_pieces_that_follow_and_a_yes_waits_for_the_next_read(
    long_read: LongRead, form: str
) -> None:
    clinic, reading = long_read.reading.clinic, long_read.reading
    hub = long_read.hub
    hub.at(1)
    for person in ("ann", "zed"):
        hub.clock.forward(seconds=1)
        clinic.say(person, "give")

    def decide() -> None:
        hub.at(1)
        for person, move in (("ann", "withdraw"), ("zed", "withdraw"), ("cat", "give")):
            hub.clock.forward(seconds=1)
            clinic.say(person, move)

    found = people_in(form, long_read.read(form, decide))
    assert set(found) == {"ann", "bob"}
    assert found["bob"] == list(rows_about("bob"))
    assert 0 < found["ann"][-1] < LATE
    assert found["ann"] == [row for row in rows_about("ann") if row <= found["ann"][-1]]
    outcome = long_read.outcome()
    assert (outcome.outcome, outcome.code) == ("finished", "ok")
    assert outcome.rows == sum(map(len, found.values()))
    opened, ended = (_epoch(outcome.details[each]) for each in ("consent", "consentAtEnd"))
    assert ended == opened + 3
    hub.clock.forward(seconds=1)
    clinic.say("cat", "withdraw")
    assert [bool(reading.received(each)) for each in ("ann", "bob", "cat", "zed")] == [
        True,
        True,
        False,
        False,
    ]


@on_sqlite
@pytest.mark.parametrize("form", FORMS)
def test_a_rule_that_lets_nothing_leave_any_more_cuts_the_stream_so_that_the_reader_sees_it(
    long_read: LongRead, form: str
) -> None:
    clinic = long_read.reading.clinic

    def close() -> None:
        long_read.hub.at(1)
        clinic.rule(purposes=[a_purpose(recipients=["kvk:1"])])

    try:
        with pytest.raises(Broken) as broken:
            long_read.read(form, close)
    finally:
        clinic.rule()
    taken = broken.value.taken
    outcome = long_read.outcome()
    assert (outcome.outcome, outcome.code) == ("aborted", "no-longer-permitted")
    assert outcome.rows is not None
    assert outcome.rows < LATE
    if form == "parquet":
        with pytest.raises(pa.ArrowInvalid):
            people_in(form, taken)
    else:
        assert not taken.endswith(ARROW_END)


def _epoch(stamp: str) -> int:
    return int(stamp.rpartition("=")[2])

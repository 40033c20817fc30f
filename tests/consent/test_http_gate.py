"""Whatever is said, written, sent and uploaded, by whom and in which order: what leaves is what a slow reading lets leave."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import copy_database
from tests.consent import trial
from tests.hub import Hub, Party, a_hub

FORMS = ("csv", "jsonl", "parquet", "arrow")
NARROW = (("visits",), ("area", "visits"), ("person", "partner", "visits"))
SLICE = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))

Stage = tuple[Hub, Party]


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One exchange for all stories; each brings an organisation of its own."""
    home = tmp_path_factory.mktemp("gate")
    copy_database(sqlite_template, home / "datahub.sqlite3")
    with a_hub(home, f"sqlite:///{home}/datahub.sqlite3") as hub:
        yield hub, trial.a_university(hub)


def a_story(stage: Stage, rule: Any, table: Any, steps: list[tuple[str, Any]]) -> None:
    """Tell one story to the exchange and to the book, and hold them against each other at its end, by every door."""
    told = trial.a_trial(*stage, rule, table)
    for step, what in steps:
        told.do(step, what)
    for form in FORMS:
        told.read(form)
    for columns in NARROW:
        told.read("csv", columns)
    told.ask()


stories = given(trial.rules, trial.tables, st.lists(trial.steps, max_size=14))


def test_what_leaves_is_what_a_slow_reading_of_all_that_was_said_lets_leave(stage: Stage) -> None:
    @SLICE
    @stories
    def holds(rule: Any, table: Any, steps: list[tuple[str, Any]]) -> None:
        a_story(stage, rule, table, steps)

    holds()


@pytest.mark.soak
def test_the_same_for_many_stories(stage: Stage) -> None:
    @settings(SLICE, max_examples=300)
    @stories
    def holds(rule: Any, table: Any, steps: list[tuple[str, Any]]) -> None:
        a_story(stage, rule, table, steps)

    holds()

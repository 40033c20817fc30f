"""Whose rows have left is the same, however rows are judged and noted, as by looking at one row after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.consent.rules.leavers import Leavers

PEOPLE = 6


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int, list[bool], str]]]:
    """Draw each row's person, -1 for nobody, and how the rows are cut, judged and let go, in order."""
    rows = [*range(PEOPLE), *draw(st.lists(st.integers(-1, PEOPLE - 1), max_size=20))]
    rows = draw(st.permutations(rows))
    cuts = sorted(draw(st.sets(st.integers(1, len(rows) - 1), max_size=4)))
    allowed = draw(
        st.lists(st.lists(st.booleans(), min_size=PEOPLE + 1, max_size=PEOPLE + 1), min_size=2, max_size=2)
    )
    stretches = []
    for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        passes = allowed[draw(st.integers(0, 3)) == 0]
        stretches.append(
            (start, stop, passes, draw(st.sampled_from(["all", "all", "all", "some", "parts", "none"])))
        )
    return rows, stretches


@given(deliveries())
def test_the_people_of_the_rows_that_were_noted(
    found: tuple[list[int], list[tuple[int, int, list[bool], str]]],
) -> None:
    rows, stretches = found
    numbers = np.array(rows, np.int32)
    leavers = Leavers(PEOPLE, [numbers])
    arrays: dict[tuple[bool, ...], np.ndarray] = {}
    expected = set[int]()
    for start, stop, lets, way in stretches:
        passes = arrays.setdefault(tuple(lets), np.array(lets))
        at = np.arange(start, stop)
        kept = passes[numbers[at]]
        leavers.judged(at, kept, passes)
        left = at[kept][:: 1 if way in ("all", "parts") else 2] if way != "none" else at[:0]
        for piece in np.array_split(left, 2) if way == "parts" else [left]:
            leavers.note(piece)
        expected |= {rows[each] for each in left}
        assert set(np.flatnonzero(leavers.people)) == expected - {-1}


@pytest.mark.parametrize("gone", ["both", "one"])
def test_rows_about_several_people_are_noted_one_by_one(gone: str) -> None:
    leavers = Leavers(3, [np.array([0, 1, -1], np.int32), np.array([-1, 2, -1], np.int32)])
    leavers.judged(np.arange(3), np.array([True, True, True]), np.ones(4, np.bool_))
    leavers.note(np.arange(3) if gone == "both" else np.array([1]))
    assert leavers.people.tolist() == ([True] * 3 if gone == "both" else [False, True, True])

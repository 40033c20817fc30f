"""Tables as they come on terminals of any width."""

import pytest

from datahub.cli.output import table

HEADS = ("ref", "title", "id")
ROWS = [
    ("city/air-quality", "Air quality at all stations", "01a22542-a897-757f"),
    ("city/trees", "Trees", "x"),
]


def printed(capsys: pytest.CaptureFixture[str], room: int | None) -> list[str]:
    table(HEADS, ROWS, room)
    return capsys.readouterr().out.splitlines()


def test_a_pipe_gets_every_cell_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, None)[1] == "city/air-quality  Air quality at all stations  01a22542-a897-757f"


def test_on_a_terminal_the_widest_columns_are_cut_and_the_id_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, 48)
    assert all(len(line) <= 48 for line in lines)
    assert lines[1] == "city/air-qua…  Air quality …  01a22542-a897-757f"


def test_where_nothing_would_be_left_to_read_fields_come_one_by_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, 30)
    assert lines[:4] == [
        "REF    city/air-quality",
        "TITLE  Air quality at all stations",
        "ID     01a22542-a897-757f",
        "",
    ]

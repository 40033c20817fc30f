"""`datahub demo` as a person runs it: a process of its own, calls over a socket, output on a pipe."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datahub.cli.demo import data
from datahub.cli.demo.folder import MARK, NotOurFolder, prepare

DEMO = [sys.executable, "-m", "datahub", "demo"]
WIDEST = 100
PATIENCE_S = 240
# What a person's shell may hold must not lead the demo to another exchange's database.
ELSEWHERE = {"DATAHUB_DATABASE_URL": "sqlite:////nowhere/at/all.db", "DATAHUB_STORAGE_URL": "file:///nowhere"}


def _environment() -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR", "NO_COLOR")}
    return plain | ELSEWHERE | {"PYTHONUNBUFFERED": "1"}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A demo that has told its story and goes on serving, and what it printed."""
    process = subprocess.Popen(
        [*DEMO, "--home", "demo"], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=_environment()
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Serving until"):
                break
        else:
            pytest.fail("the demo ended by itself:\n" + "\n".join(lines[-40:]))
        yield process, lines
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.timeout(PATIENCE_S)
def test_the_story_is_told_and_what_it_suggests_works(
    serving: tuple[subprocess.Popen[str], list[str]], tmp_path: Path
) -> None:
    process, lines = serving
    home = tmp_path / "demo"
    text = "\n".join(lines)

    assert "\x1b" not in text, "piped output is plain"
    assert max(map(len, lines)) <= WIDEST
    for code in (
        "agreement-required",
        "policy-forbids",
        "invalid-table",
        "policy-not-usable",
        "agreement-revoked",
    ):
        assert code in text
    assert "line 6, column 'median_income_eur'" in text
    assert all(place.name in text for place in data.NEIGHBOURHOODS), "the picture shows every neighbourhood"
    for secret_file in ("credentials.json", "admin.curl", "master.key"):
        assert stat.S_IMODE((home / secret_file).stat().st_mode) == 0o600
    assert (home / "server.log").read_text() == ""

    if shutil.which("curl") and shutil.which("bash"):
        found, rows, log = _suggested(lines)
        assert '"ref":"health/care-use"' in _shell(found, tmp_path)
        assert _shell(rows, tmp_path).count("\n") == len(data.NEIGHBOURHOODS) + 1
        assert "agreement.revoke" in _shell(log, tmp_path)

    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0, "Ctrl-C while it serves is a good end"


@pytest.mark.timeout(PATIENCE_S)
def test_it_starts_anew_in_its_own_folder_and_ends_when_asked_to(tmp_path: Path) -> None:
    prepare(tmp_path / "demo")
    (tmp_path / "demo" / "datahub.db").write_text("left behind")
    done = subprocess.run(
        [*DEMO, "--once", "--home", "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert "the story starts anew" in done.stdout
    assert done.stderr == ""


def test_it_leaves_alone_a_folder_it_did_not_make(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.txt"
    precious.write_text("years of work")
    with pytest.raises(NotOurFolder):
        prepare(tmp_path)
    done = subprocess.run(
        [*DEMO, "--once", "--home", str(tmp_path)],
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "Choose another with --home" in done.stderr
    assert precious.read_text() == "years of work"


def test_clearing_keeps_the_mark_and_does_not_follow_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    home = tmp_path / "demo"
    assert prepare(home) is False
    (home / "link").symlink_to(outside)
    (home / "objects").mkdir()
    assert prepare(home) is True
    assert [each.name for each in home.iterdir()] == [MARK]
    assert (outside / "kept").exists()


def test_the_data_is_the_same_every_time() -> None:
    tables = (data.income_and_schooling, data.schooling_records, data.travel_and_sensor_counts, data.care_use)
    first = [data.as_csv(table()) for table in tables]
    for table in tables:
        table.cache_clear()
    assert [data.as_csv(table()) for table in tables] == first
    assert "neighbourhood_code,neighbourhood,year" in first[0].decode()


def _suggested(lines: list[str]) -> list[str]:
    """Return the commands at the end, each without its comment."""
    tail = lines[lines.index("Try it yourself:") + 1 : -1]
    parts = re.split(r"^  # .*$", "\n".join(tail), flags=re.MULTILINE)
    return [part for part in map(str.strip, parts) if part]


def _shell(command: str, folder: Path) -> str:
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=folder, check=True
    ).stdout

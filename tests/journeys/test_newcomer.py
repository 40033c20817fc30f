"""The README's first ten minutes, done as a newcomer does them, and the guides that go on from there.

What the pages show is what comes.

After a change that is meant: `.venv/bin/python -m tests.journeys.test_newcomer` writes what comes into the pages.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.journeys.console import masked, read_steps, rewritten, run_steps
from tests.packaging.test_wheel import NO_REGISTRY
from tests.server import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "README.md"
GUIDES = [
    ROOT / "docs/guides" / f"{name}.md"
    for name in (
        *("publish", "request", "decide", "fetch", "ask-people"),
        *("review-the-log", "run-in-production", "back-up-and-restore"),
    )
]
PATIENCE_S = 900  # a minute on a machine of its own; this is for one that hangs


Found = list[tuple[Path, list[list[str]]]]


def _run(folder: Path, home: Path, bin_folder: Path | None, *more: Path) -> Found:
    """Run the README's commands in `folder`, and those of `more` pages before its last, which stops the server.

    `bin_folder`: where the program is, unless the page itself says it well.
    """
    ports = {shown: str(free_port()) for shown in ("8000", "8001")}
    path = f"{bin_folder}:{os.environ['PATH']}" if bin_folder else os.environ["PATH"]
    env = {
        "PATH": path,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "DATAHUB_BASE_URL": f"http://127.0.0.1:{ports['8000']}",
    }
    (*first, stop), *rest = [read_steps(_replaced(page.read_text(), ports)) for page in (PAGE, *more)]
    shown = {port: name for name, port in ports.items()}
    steps = [*first, *(step for page in rest for step in page), stop]
    outputs = [
        [_replaced(line, shown) for line in output] for output in run_steps(steps, folder, env, PATIENCE_S)
    ]
    parts = iter(outputs[len(first) : -1])
    return [
        (PAGE, [*outputs[: len(first)], outputs[-1]]),
        *((page, [next(parts) for _ in theirs]) for page, theirs in zip(more, rest, strict=True)),
    ]


def _replaced(text: str, table: Mapping[str, str]) -> str:
    for old, new in table.items():
        text = text.replace(old, new)
    return text


def _compare(found: Found) -> None:
    for page, outputs in found:
        steps = read_steps(page.read_text())
        assert len(outputs) == len(steps) > 0
        for step, output in zip(steps, outputs, strict=True):
            assert masked(output) == masked(step.shown), f"{page.name}: " + "\n".join(step.command)


@pytest.mark.timeout(PATIENCE_S + 20)
def test_the_first_ten_minutes_and_the_guides_go_as_the_pages_say(tmp_path: Path) -> None:
    _compare(_run(tmp_path, tmp_path, Path(sys.executable).parent, *GUIDES))


@pytest.mark.soak
def test_a_newcomer_with_nothing_but_the_repository_gets_to_a_data_frame(tmp_path: Path) -> None:
    """Clone → make demo ONCE=1 → the page; the times are reported, not judged."""
    began = time.monotonic()
    clone = tmp_path / "datahub"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    cloned = time.monotonic()
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("DATAHUB_", "VIRTUAL_ENV"))
    }
    made = subprocess.run(
        ["make", "demo", "ONCE=1"], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    if made.returncode and re.search(NO_REGISTRY, made.stderr, re.IGNORECASE):
        pytest.skip("no package registry can be reached")
    assert made.returncode == 0, made.stderr
    told = time.monotonic()
    _compare(_run(clone, tmp_path, None))
    done = time.monotonic()
    print(
        f"\nclone {cloned - began:.0f} s, install and demo {told - cloned:.0f} s, own data {done - told:.0f} s"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for page, outputs in _run(Path(scratch), Path(scratch), Path(sys.executable).parent, *GUIDES):
            page.write_text(rewritten(page.read_text(), outputs))

"""The page on policies: its commands are run, and what it shows is what they print.

After a change that is meant: `.venv/bin/python -m tests.cli.test_policies_page` writes what comes into the page.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from tests.journeys.console import masked, read_steps, rewritten, run_steps

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"
PATIENCE_S = 100


def _outputs(folder: Path) -> list[list[str]]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}
    return run_steps(read_steps(PAGE.read_text()), folder, env, PATIENCE_S)


def test_the_page_shows_what_its_commands_print(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("the page's commands need bash, not installed here")
    steps = read_steps(PAGE.read_text())
    outputs = _outputs(tmp_path)
    assert len(steps) == len(outputs) > 0
    for step, output in zip(steps, outputs, strict=True):
        assert masked(output) == masked(step.shown), "\n".join(step.command)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        PAGE.write_text(rewritten(PAGE.read_text(), _outputs(Path(scratch))))

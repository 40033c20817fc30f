"""The README's tour and the API guide's examples, run against a real server: what they show is what comes.

After a change that is meant: `.venv/bin/python -m tests.journeys.test_tour` writes what comes into the pages.
"""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from tests.journeys.console import masked, read_steps, rewritten, run_steps

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/api-guide.md")
PORT_SHOWN = "8000"
NEEDS = ("bash", "curl", "jq")
PATIENCE_S = 200


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _environment(port: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", **_address(port)}


def _address(port: str) -> dict[str, str]:
    # The page relies on the default; on another port the address has to be said.
    return {"DATAHUB_BASE_URL": f"http://127.0.0.1:{port}"}


def _run(page: str, folder: Path) -> tuple[str, list[list[str]]]:
    """Run a page's commands on a port of our own; return the page and the outputs, both as with the port shown."""
    port = str(_free_port())
    steps = read_steps(page.replace(PORT_SHOWN, port))
    outputs = run_steps(steps, folder, _environment(port), PATIENCE_S)
    shown = {port: PORT_SHOWN, str(folder.resolve()): "/home/you"}
    return page, [[_replaced(line, shown) for line in output] for output in outputs]


def _replaced(line: str, shown: dict[str, str]) -> str:
    for ours, theirs in shown.items():
        line = line.replace(ours, theirs)
    return line


@pytest.mark.timeout(PATIENCE_S + 20)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    missing = [program for program in NEEDS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the page's commands need {', '.join(missing)}, not installed here")
    page, outputs = _run((ROOT / name).read_text(), tmp_path)
    steps = read_steps(page)
    assert len(outputs) == len(steps) > 0
    for step, output in zip(steps, outputs, strict=True):
        assert masked(output) == masked(step.shown), "\n".join(step.command)


if __name__ == "__main__":
    for each in sys.argv[1:] or PAGES:
        with tempfile.TemporaryDirectory() as scratch:
            (ROOT / each).write_text(rewritten(*_run((ROOT / each).read_text(), Path(scratch))))

"""The tour and the API guide's examples, run against a real server: what they show is what comes.

After a change that is meant: `.venv/bin/python -m tests.journeys.test_tour` writes what comes into the pages.
"""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from tests.journeys.console import Step, masked, read_steps, rewritten, run_steps

ROOT = Path(__file__).parents[2]
PAGES = ("docs/tour.md", "docs/api-guide.md")
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


def _run(folder: Path) -> list[tuple[str, list[Step], list[list[str]]]]:
    """Run the pages' commands in one session, on a port of our own; return each page with its steps and outputs.

    The guide goes on where the tour ended, so the tour's last command, which stops the server, comes last of all.
    """
    port = str(_free_port())
    texts = [(ROOT / page).read_text() for page in PAGES]
    steps = [read_steps(text.replace(PORT_SHOWN, port)) for text in texts]
    (*tour, stop), guide = steps
    outputs = run_steps([*tour, *guide, stop], folder, _environment(port), PATIENCE_S)
    shown = {port: PORT_SHOWN, str(folder.resolve()): "/home/you"}
    outputs = [[_replaced(line, shown) for line in output] for output in outputs]
    parts = [[*outputs[: len(tour)], *outputs[-1:]], outputs[len(tour) : -1]]
    return [(text, read_steps(text), part) for text, part in zip(texts, parts, strict=True)]


def _replaced(line: str, shown: dict[str, str]) -> str:
    for ours, theirs in shown.items():
        line = line.replace(ours, theirs)
    return line


@pytest.mark.timeout(PATIENCE_S + 20)
def test_the_pages_show_what_their_commands_print(tmp_path: Path) -> None:
    missing = [program for program in NEEDS if shutil.which(program) is None]
    if missing:
        pytest.skip(f"the pages' commands need {', '.join(missing)}, not installed here")
    for _, steps, outputs in _run(tmp_path):
        assert len(outputs) == len(steps) > 0
        for step, output in zip(steps, outputs, strict=True):
            assert masked(output) == masked(step.shown), "\n".join(step.command)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        for name, (text, _, found) in zip(PAGES, _run(Path(scratch)), strict=True):
            (ROOT / name).write_text(rewritten(text, found))

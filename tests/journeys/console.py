"""Console sessions in our pages: read from their blocks, run for real, compared with what the page shows.

A block is fenced as `console`; `$ ` begins a command, `> ` continues it, all else is its output. All sessions of a page
run in one bash, so that later commands know what earlier ones set.
"""

import os
import re
import secrets
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What differs from one run to the next, and what is put in its place before comparing.
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<instant>"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "<token>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<request>"),
    (re.compile(r"(?<= )/\S+"), "<path>"),
)


@dataclass
class Step:
    """One command, and the output the page shows for it."""

    command: list[str]
    shown: list[str] = field(default_factory=list)


def read_steps(page: str) -> list[Step]:
    """Return the commands of a page, in order."""
    steps: list[Step] = []
    for block in _BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append(Step([line[2:]]))
            elif line.startswith(">") and steps and not steps[-1].shown:
                steps[-1].command.append(line[2:])
            else:
                steps[-1].shown.append(line)
    return steps


def run_steps(steps: list[Step], folder: Path, env: dict[str, str], timeout_s: float) -> list[list[str]]:
    """Run the commands in one bash and return the output of each."""
    mark = f"={secrets.token_hex(8)}="
    script = "exec 2>&1\n" + "".join("\n".join(step.command) + f"\nprintf '{mark}'\n" for step in steps)
    with subprocess.Popen(
        ["bash", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=env,
        start_new_session=True,
    ) as bash:
        try:
            printed, _ = bash.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as fault:
            printed = (fault.output or b"").decode()
        finally:
            # Whatever the page started in the background ends with it.
            with suppress(ProcessLookupError):
                os.killpg(bash.pid, signal.SIGKILL)
    parts = printed.split(mark)[:-1]
    if len(parts) < len(steps):
        printed_last = printed.split(mark)[-1]
        pytest.fail(f"no end of: {steps[len(parts)].command}\n{printed_last}")
    return [part.splitlines() for part in parts]


def masked(lines: list[str]) -> list[str]:
    """Return lines with everything volatile replaced, and without blanks at their ends and around them."""
    text = "\n".join(line.rstrip() for line in lines).strip()
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return text.splitlines()


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(line.rstrip() for line in lines).strip("\n").splitlines()


def rewritten(page: str, outputs: list[list[str]]) -> str:
    """Return the page with each command's output replaced by what came; what only differs in volatile parts stays."""
    steps = read_steps(page)
    fresh = iter(
        step.shown if masked(step.shown) == masked(output) else _trimmed(output)
        for step, output in zip(steps, outputs, strict=True)
    )
    at = iter(steps)

    def block(found: re.Match[str]) -> str:
        count = len(re.findall(r"^\$ ", found[1], re.MULTILINE))
        lines: list[str] = []
        for _ in range(count):
            first, *rest = next(at).command
            lines += [f"$ {first}", *(f"> {line}".rstrip() for line in rest), *next(fresh)]
        return "```console\n" + "\n".join(lines) + "\n```"

    return _BLOCK.sub(block, page)

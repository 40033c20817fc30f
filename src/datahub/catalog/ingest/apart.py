"""Ingest in a process of its own: a file that makes a reader crash or eat memory ends that process, not the server."""

import pickle
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from datahub.catalog.ingest import Column, Dialect, TableFacts, TableFaults, TableForm, ingest
from datahub.catalog.ingest.faults import stop

HEAP_BYTES = 4 << 30
"""What the child may allocate; a good file of any size needs less than 1 GiB."""


def ingest_apart(
    source: Path,
    target: Path,
    form: TableForm,
    *,
    declared: Sequence[Column] | None = None,
    dialect: Dialect | None = None,
    timeout_s: float | None = None,
) -> TableFacts:
    """Do what `ingest` does, in a child process. Raises TableFaults, also when the file kills its reader."""
    order = pickle.dumps((source, target, form, declared, dialect))
    command = [sys.executable, "-I", "-m", __name__]
    try:
        done = subprocess.run(command, input=order, capture_output=True, check=False, timeout=timeout_s)  # noqa: S603 — our own module
    except subprocess.TimeoutExpired:
        target.unlink(missing_ok=True)
        raise stop("unreadable", f"reading took longer than {timeout_s} seconds") from None
    answer = pickle.loads(done.stdout) if done.returncode == 0 else None  # noqa: S301 — written by our own child
    if isinstance(answer, TableFacts):
        return answer
    target.unlink(missing_ok=True)
    if isinstance(answer, TableFaults):
        raise answer
    raise stop("unreadable", "the file made its reader fail; it is damaged or asks for too much memory")


def _child() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (HEAP_BYTES, HEAP_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, target, form, declared, dialect = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 — written by our own parent
    try:
        answer: TableFacts | TableFaults = ingest(source, target, form, declared=declared, dialect=dialect)
    except TableFaults as faults:
        answer = faults
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    _child()

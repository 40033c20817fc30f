"""Ingest in a process of its own: a file that makes a reader crash or eat memory ends that process, not the server."""

import multiprocessing
import resource
from collections.abc import Sequence
from multiprocessing.connection import Connection
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
    """Do what `ingest` does, in a child process. Raises TableFaults, also when the file kills its reader.

    Children are forked from a server that has the libraries loaded and no threads: about 20 ms each after the first.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=_child, args=(theirs, (source, target, form), declared, dialect), daemon=True
    )
    child.start()
    theirs.close()
    answer: TableFacts | BaseException | None = None
    reason = "the file made its reader fail; it is damaged or asks for too much memory"
    try:
        if ours.poll(timeout_s):
            answer = ours.recv()
        else:
            reason = f"reading took longer than {timeout_s} seconds"
    except EOFError:
        pass
    finally:
        ours.close()
        if answer is None:
            child.kill()
        child.join()
        child.close()
    if isinstance(answer, TableFacts):
        return answer
    target.unlink(missing_ok=True)
    if isinstance(answer, BaseException):
        raise answer
    raise stop("unreadable", reason)


def _child(
    answers: Connection,
    order: tuple[Path, Path, TableForm],
    declared: Sequence[Column] | None,
    dialect: Dialect | None,
) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (HEAP_BYTES, HEAP_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        answers.send(ingest(*order, declared=declared, dialect=dialect))
    except (TableFaults, OSError) as failure:
        answers.send(failure)

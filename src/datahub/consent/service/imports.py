"""The verbs on imports: take a file of consents in, work it off in chunks, tell how far it is and what is wrong with it.

A chunk and the place where the next one starts are written together: a worker that was killed goes on where it was, and
a file that is sent again changes nothing.
"""

import csv
import gc
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from datahub.audit import About, record
from datahub.catalog import ObjectMissing, storage
from datahub.consent.errors import ConsentImportNotFound, ConsentRuleMissing, InvalidConsentImport
from datahub.consent.models import (
    Channel,
    ConsentImport,
    ConsentImportFault,
    ImportForm,
    ImportState,
)
from datahub.consent.rules.lines import MAX_LINE_BYTES, header_fault
from datahub.consent.service.import_lines import Chunk, decide_lines
from datahub.consent.service.rules import dataset_to_handle
from datahub.consent.store import bulk
from datahub.consent.store import imports as store
from datahub.consent.store import rules as rule_store
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest

OBJECTS = "consent-imports"
# One chunk is one transaction: long enough to be fast, short enough that others do not wait for it.
CHUNK_LINES = 10_000
# The worker looks after everything else between so many chunks.
CHUNKS_A_TURN = 20
MOST_FAULTS_KEPT = 10_000
_NEWS_AT_ONCE = 500


@dataclass(frozen=True)
class Arrived:
    """A file that has been received whole, and how it is to be read."""

    path: Path
    bytes: int
    sha256: str
    form: ImportForm
    channel: Channel
    evidence: str | None
    is_dry: bool


def plan_import(ctx: Context, dataset_id: str) -> str:
    """Allow an import before its file is read; return the dataset's id.

    Raises DatasetNotFound, ConsentNotYours, ConsentRuleMissing.
    """
    dataset = dataset_to_handle(ctx, dataset_id)
    if rule_store.current_rule(ctx.session, dataset.id) is None:
        remedy = f"Write one at /v1/datasets/{dataset.id}/consent-rules."
        raise ConsentRuleMissing("The dataset has no consent rule to decide on.", remedy=remedy)
    return dataset.id


def take_import(ctx: Context, dataset_id: str, arrived: Arrived) -> ConsentImport:
    """Keep a received file until the worker has worked it off. Raises as `plan_import`, and InvalidConsentImport."""
    dataset = dataset_to_handle(ctx, dataset_id)
    columns, start = _header(arrived)
    taken = ConsentImport(
        id=new_id(),
        dataset_id=dataset.id,
        provider_id=dataset.provider_id,
        form=arrived.form,
        state=ImportState.RECEIVED,
        is_dry=arrived.is_dry,
        channel=arrived.channel,
        evidence=arrived.evidence,
        sha256=arrived.sha256,
        bytes=arrived.bytes,
        position=start,
        columns=columns,
        actor={"client": ctx.actor.client_id, "participant": ctx.actor.participant_id},
        created_at=ctx.now,
    )
    storage(ctx.settings).put(f"{OBJECTS}/{taken.id}", arrived.path)
    ctx.session.add(taken)
    details = {"sha256": taken.sha256, "bytes": taken.bytes, "isDry": taken.is_dry, "channel": taken.channel}
    about = About(
        thing_id=taken.id, provider_id=taken.provider_id, dataset_id=taken.dataset_id, details=details
    )
    record(ctx, "consent-import.receive", about)
    return taken


def get_import(ctx: Context, dataset_id: str, import_id: str) -> ConsentImport:
    """Return an import into a dataset of the actor's. Raises DatasetNotFound, ConsentNotYours, ConsentImportNotFound."""
    dataset = dataset_to_handle(ctx, dataset_id)
    found = store.import_by_id(ctx.session, import_id)
    if found is None or found.dataset_id != dataset.id:
        raise ConsentImportNotFound("No import with this id into this dataset.")
    return found


def list_imports(ctx: Context, dataset_id: str, request: PageRequest) -> Page[ConsentImport]:
    """Return the imports into a dataset of the actor's, newest first. Raises DatasetNotFound, ConsentNotYours."""
    return store.imports_page(ctx, dataset_to_handle(ctx, dataset_id).id, request)


def list_faults(
    ctx: Context, dataset_id: str, import_id: str, request: PageRequest
) -> Page[ConsentImportFault]:
    """Return what is wrong with an import, by line; the first ten thousand faults are kept. Raises as `get_import`."""
    return store.faults_page(ctx, get_import(ctx, dataset_id, import_id).id, request)


def work_imports(ctx: Context) -> int:
    """Work off some chunks of what waits, each in a transaction of its own; return how many."""
    done = 0
    while done < CHUNKS_A_TURN:
        waiting = store.next_import(ctx.session)
        if waiting is None:
            break
        try:
            with _opened(ctx, waiting) as file:
                is_over = False
                while not is_over and done < CHUNKS_A_TURN:
                    with _uncollected():
                        is_over = _work_chunk(ctx, waiting, file)
                    done += 1
                    ctx.session.commit()
                    again = None if is_over else store.next_import(ctx.session)
                    is_over = again is None or again.id != waiting.id
        except (ObjectMissing, FileNotFoundError):  # it will not come back, and what was sent after it waits
            _finish(ctx, waiting, why="The file is no longer in the store; send it again.")
            done += 1
            ctx.session.commit()
        if waiting.state in (ImportState.DONE, ImportState.FAILED):
            storage(ctx.settings).delete(f"{OBJECTS}/{waiting.id}")
    return done


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the cycle collector away for the moment of a chunk: it finds nothing there, and takes half of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _opened(ctx: Context, waiting: ConsentImport) -> Iterator[BinaryIO]:
    source = storage(ctx.settings).table_source(f"{OBJECTS}/{waiting.id}")
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        yield source


def _work_chunk(ctx: Context, waiting: ConsentImport, file: BinaryIO) -> bool:
    """Work off the next chunk; tell whether it was the last."""
    file.seek(waiting.position)
    lines = _lines(file)
    if not lines:
        _finish(ctx, waiting)
        return True
    chunk = decide_lines(ctx, waiting, lines)
    if not waiting.is_dry and chunk.rows.events:
        bulk.write(ctx.session, chunk.rows)
        _tell(ctx, waiting, chunk, len(lines))
    kept = max(0, MOST_FAULTS_KEPT - waiting.faulty)
    store.add_faults(ctx.session, chunk.faults[:kept])
    waiting.state = ImportState.RUNNING
    waiting.position += sum(map(len, lines))
    waiting.lines += len(lines)
    waiting.applied += chunk.applied
    waiting.unchanged += chunk.unchanged
    waiting.faulty += chunk.faulty
    waiting.revision += 1
    ctx.session.add(waiting)
    if waiting.position >= waiting.bytes:
        _finish(ctx, waiting)
        return True
    return False


def _lines(file: BinaryIO) -> list[bytes]:
    """Read whole lines; one that is too long is cut, and its rest read as a line of its own, so that memory is bounded."""
    found = []
    for _ in range(CHUNK_LINES):
        line = file.readline(MAX_LINE_BYTES + 2)
        if not line:
            break
        found.append(line)
    return found


def _tell(ctx: Context, waiting: ConsentImport, chunk: Chunk, lines: int) -> None:
    """Put the chunk in the log as one entry that commits to each of its events, and announce who said no."""
    together = hashlib.sha256(b"".join(row[-1] for row in chunk.rows.events)).hexdigest()
    about = About(
        thing_id=waiting.id,
        provider_id=waiting.provider_id,
        dataset_id=waiting.dataset_id,
        rows=chunk.applied,
        details={"fromLine": waiting.lines + 1, "toLine": waiting.lines + lines, "eventsDigest": together},
    )
    actor = Actor(client_id=waiting.actor["client"], participant_id=waiting.actor["participant"])
    record(replace(ctx, actor=actor), "consent.import", about)
    for topic_no, ids in chunk.withdrawn.items():
        topic = rule_store.topic_numbered(ctx.session, topic_no)
        for start in range(0, len(ids), _NEWS_AT_ONCE):
            news = {
                "recordIds": ids[start : start + _NEWS_AT_ONCE],
                "datasetId": waiting.dataset_id,
                "purpose": topic.purpose if topic else "",
                "epoch": topic.epoch if topic else 0,
            }
            announce(ctx, "ConsentWithdrawn", news)


def _finish(ctx: Context, waiting: ConsentImport, why: str | None = None) -> None:
    """End an import; `why` it failed, if it did: what was worked off before that stays."""
    waiting.state = ImportState.FAILED if why else ImportState.DONE
    waiting.why = why
    waiting.finished_at = ctx.now
    waiting.revision += 1
    ctx.session.add(waiting)
    details = {
        "lines": waiting.lines,
        "applied": waiting.applied,
        "unchanged": waiting.unchanged,
        "faulty": waiting.faulty,
        **({"why": why} if why else {}),
    }
    about = About(
        thing_id=waiting.id, provider_id=waiting.provider_id, dataset_id=waiting.dataset_id, details=details
    )
    record(ctx, "consent-import.finish", about)


def _header(arrived: Arrived) -> tuple[list[str] | None, int]:
    """Return the columns a CSV file names, and where its first line of data starts. Raises InvalidConsentImport."""
    if arrived.form is not ImportForm.CSV:
        return None, 0
    with arrived.path.open("rb") as file:
        first = file.readline(MAX_LINE_BYTES)
    try:
        columns = next(csv.reader([first.decode("utf-8-sig").strip()]), [])
    except (ValueError, csv.Error) as fault:
        raise _unreadable("the first line is not CSV in UTF-8") from fault
    names = [name.strip() for name in columns]
    if wrong := header_fault(names):
        raise _unreadable(wrong)
    return names, len(first)


def _unreadable(detail: str) -> InvalidConsentImport:
    return InvalidConsentImport(
        "The file cannot be read.",
        remedy="The first line of CSV names its columns; see docs/consent.md.",
        faults=[Fault("", detail, "header")],
    )

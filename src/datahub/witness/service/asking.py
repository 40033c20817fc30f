"""The exchange asks witnesses to cosign the head of its own log.

C2SP tlog-witness v1.0. Nothing is sent inside a transaction. A witness that has seen more than we have is how a log
that was put back from a backup is found out: that is kept, said aloud, and never answered with a forced head.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session

from datahub.audit import (
    LogStatus,
    add_signatures,
    as_metrics,
    last_signed,
    log_status,
    newest_log,
    published_head,
    tile_reader,
    verifier_keys,
)
from datahub.audit.tlog.add_checkpoint import PATH, AddCheckpoint
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import VerifierKey
from datahub.audit.tlog.notes import Note, Signature, parse_signatures
from datahub.audit.tlog.text import parse_number
from datahub.audit.tlog.tiles import ReadTile, nodes
from datahub.audit.tlog.tree import consistency_proof
from datahub.audit.tlog.trust_policy import Group, Log, TrustPolicy, Witness
from datahub.kernel import db, http
from datahub.kernel.context import Context
from datahub.kernel.errors import Refusal
from datahub.kernel.outbox import announce
from datahub.kernel.settings import Settings
from datahub.witness import store
from datahub.witness.models import AskedWitness

FACT = "CosignatureDue"
ASK_EVERY = timedelta(seconds=10)  # public witnesses hardly admit logs that ask more often
_OK, _CONFLICT = 200, 409
_TRIES = 2  # the first may only tell us the size that the witness has

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishedLog:
    """The exchange's own log, as it publishes it."""

    checkpoint: bytes
    read_tile: ReadTile
    add_signatures: Callable[[int, Sequence[Signature]], None]


# Gives the published log as seen in a session; None before the first checkpoint.
FindPublished = Callable[[Session], PublishedLog | None]


def find_published(session: Session) -> PublishedLog | None:
    """Return the exchange's own log as its newest signed head has it."""
    log = newest_log(session)
    signed = None if log is None else last_signed(session, log.number)
    if log is None or signed is None:
        return None
    keep = partial(add_signatures, session, log.number)
    return PublishedLog(signed.note.encode(), tile_reader(session, log.number), keep)


class _Failed(Exception):  # noqa: N818 — the witness failed, or refused
    pass


def witnesses_due(ctx: Context, find: FindPublished = find_published) -> int:
    """Announce that witnesses are to be asked: each that has not cosigned the newest head, every ten seconds."""
    published = find(ctx.session)
    if published is None:
        return 0
    size = _head(published).size
    due = [
        row
        for row in store.witnesses(ctx.session)
        if (row.size < size or row.cosigned_at is None)
        and (row.asked_at is None or row.asked_at <= ctx.now - ASK_EVERY)
    ]
    for row in due:
        row.asked_at = ctx.now
        announce(ctx, FACT, {"witnessId": row.id})
    return len(due)


def ask(
    engine: Engine,
    settings: Settings,
    payload: Mapping[str, Any],
    now: datetime,
    find: FindPublished = find_published,
) -> None:
    """Ask one witness for its cosignature and keep it with the checkpoint, or keep why there is none."""
    with db.transaction(engine, is_read=True) as session:
        row = session.get(AskedWitness, payload["witnessId"])
        published = find(session)
        if row is None or published is None:
            return
        head, known, tries = _head(published), row.size, 0
        failure: str | None = None
        found: list[Signature] = []
        try:
            while not found and tries < _TRIES:
                tries += 1
                found, known = _exchange(settings, row, published, known)
            if not found:
                failure = f"it holds size {known} and did not cosign {head.size}"
        except _Failed as fault:
            failure = str(fault)
    if failure:
        _log.warning("witness %s: %s", row.name, failure)
    with db.transaction(engine) as session:
        kept = session.get(AskedWitness, payload["witnessId"])
        again = find(session)
        if kept is None or again is None:
            return
        kept.failure, kept.size = failure, known
        if found:
            kept.cosigned_at = now
            again.add_signatures(head.size, found)


def _exchange(
    settings: Settings, row: AskedWitness, published: PublishedLog, known: int
) -> tuple[list[Signature], int]:
    """Ask once; return the cosignatures (none when the witness is at another size) and the size it then has."""
    head, note = _head(published), Note.parse(published.checkpoint)
    if known > head.size:
        raise _Failed(
            f"it has cosigned {known} entries of this log, which now has {head.size}: was the log rolled back?"
        )
    proof = consistency_proof(known, head.size, nodes(head.size, published.read_tile))
    request = AddCheckpoint(known, tuple(proof), note)
    try:
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        status, body = http.send(settings, f"{row.url}/{PATH}", request.encode(), headers)
    except Refusal as refusal:
        raise _Failed(refusal.detail) from refusal
    if status == _OK:
        return _own_lines(row, note, body), head.size
    if status == _CONFLICT:
        return [], _stated_size(body)
    raise _Failed(f"it answered {status}: {body[:200].decode('utf-8', 'replace').strip()}")


def _own_lines(row: AskedWitness, note: Note, body: bytes) -> list[Signature]:
    """Return the lines of an answer that are by the witness's keys and right."""
    keys = {(key.name, key.id): key for key in map(VerifierKey.parse, row.vkeys)}
    try:
        lines = [each for each in parse_signatures(body.decode("utf-8")) if (each.name, each.key_id) in keys]
        for each in lines:
            keys[each.name, each.key_id].verify(note.text, each.value)
    except (TlogFault, UnicodeDecodeError) as fault:
        raise _Failed(f"its cosignature is not right: {fault}") from fault
    if not lines:
        raise _Failed("it answered without a cosignature of its known keys")
    return lines


def _stated_size(body: bytes) -> int:
    try:
        return parse_number(body.decode("ascii").removesuffix("\n"), "size")
    except (TlogFault, UnicodeDecodeError) as fault:
        raise _Failed("it answered 409 without its size") from fault


def _head(published: PublishedLog) -> Checkpoint:
    return Checkpoint.parse(Note.parse(published.checkpoint).text)


def status_of_log(ctx: Context) -> LogStatus:
    """Return how the exchange's own log is doing, and whether enough witnesses cosigned the head that is shown.

    A log that only too few cosign is not well: whoever holds the published trust policy takes no head of it.
    """
    status, asked = log_status(ctx), len(store.witnesses(ctx.session))
    if not asked:
        return status
    quorum, log = _most(asked), newest_log(ctx.session)
    head = None if log is None else published_head(ctx.session, log.number)
    is_met = head is not None and _is_met(ctx, Note.parse(head.note.encode()))
    told = replace(status, quorum=quorum, is_quorum_met=is_met)
    if is_met or status.state != "ok":
        return told
    says = f"Too few witnesses cosign the head: the trust policy asks for {quorum} of {asked}."
    return replace(told, state="unwitnessed", says=says)


def metrics(ctx: Context) -> str:
    """Return the same figures in the Prometheus text format."""
    return as_metrics(status_of_log(ctx))


def _is_met(ctx: Context, head: Note) -> bool:
    policy = TrustPolicy.parse(own_trust_policy(ctx))
    try:
        return policy.is_met(policy.cosignatures(head))
    except TlogFault:
        return False


def _most(witnesses: int) -> int:
    return witnesses // 2 + 1


def own_trust_policy(ctx: Context) -> bytes:
    """Return the trust policy that the exchange publishes for its newest log."""
    log = newest_log(ctx.session)
    keys = [] if log is None else verifier_keys(ctx.session, log)
    return trust_policy(ctx, keys, f"{ctx.settings.base_url}/log")


def trust_policy(ctx: Context, log_keys: Sequence[VerifierKey], url: str) -> bytes:
    """Return the trust policy that the exchange publishes: its keys, the witnesses it asks, and most of them."""
    logs = tuple(Log(key, url) for key in log_keys)
    witnesses, groups, members = [], [], []
    for number, row in enumerate(store.witnesses(ctx.session), 1):
        keys = [VerifierKey.parse(vkey) for vkey in row.vkeys]
        names = [
            f"w{number}" if len(keys) == 1 else f"w{number}-{place}" for place in range(1, len(keys) + 1)
        ]
        witnesses += [Witness(name, key, row.url) for name, key in zip(names, keys, strict=True)]
        if len(keys) > 1:
            groups.append(Group(f"w{number}", 1, tuple(names)))
        members.append(f"w{number}")
    if members:
        groups.append(Group("most", _most(len(members)), tuple(members)))
    quorum = "most" if members else "none"
    return TrustPolicy(logs, tuple(witnesses), tuple(groups), quorum).encode()

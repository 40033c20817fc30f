"""Erasure and retention: less and less of a record opens its leaf, while every proof that remains stays valid.

A ladder: some fields, the record, all that ties entries to a person (their key), whatever is older than the retention
policy keeps. Each step is an entry of kind `erasure` that says who, on which basis, how much; the database's guards let
nothing else through, and a legal hold keeps all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, or_, update
from sqlmodel import Session, col, select

from datahub.audit import keys, leaves, receipts, tree_store
from datahub.audit.errors import (
    EntryNotFound,
    ErasureNotAllowed,
    HoldNotFound,
    InvalidErasure,
    ProofNotYet,
    SubjectNotFound,
    UnderHold,
)
from datahub.audit.models import (
    About,
    Decision,
    Entry,
    Erasure,
    Hold,
    Leaf,
    Log,
    StoredTile,
    SubjectEntry,
)
from datahub.audit.service import record
from datahub.audit.tlog.tiles import BUNDLES, WIDTH
from datahub.audit.unrolling import unroll
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id

ACTION = "log.erase"
# Rows of one pass of retention: each pass is a transaction, and holds its locks only shortly.
PASS = 5000


@dataclass(frozen=True)
class Done:
    """What an erasure did: the entry that tells of it, and how many records it touched."""

    entry_id: str
    count: int


def erase_fields(ctx: Context, entry_id: str, fields: Sequence[str], basis: str) -> Done:
    """Erase some fields of an entry's record: the others still open its leaf. Idempotent.

    Raises ErasureNotAllowed, EntryNotFound, InvalidErasure, ProofNotYet (not in the tree yet), UnderHold.
    """
    entry, place = _erasable(ctx, entry_id)
    unknown = [name for name in fields if name not in leaves.FIELDS or name == leaves.LASTING]
    if unknown or not fields:
        known = ", ".join(name for name in leaves.FIELDS if name != leaves.LASTING)
        faults = [Fault("/fields", f"{name!r} is not one of {known}", "unknown-field") for name in unknown]
        raise InvalidErasure("Name fields that a record has and that may go.", faults=faults)
    done = _tell(ctx, basis, About(thing_id=entry_id, details={"fields": sorted(set(fields))}), 1)
    _allow(ctx, done, entry_id, *filter(None, [entry.decision_id]))
    salts, digests = receipts.openings(place)
    values = leaves.fields_of(entry.model_dump(), receipts.decision_of(ctx.session, entry))
    gone = {
        name: leaves.digest(salts[name], name, values[name])
        for name in fields
        if name in values and name in salts
    }
    kept = {name: salt for name, salt in salts.items() if name in values and name not in fields}
    place.key, place.opening = None, {"salts": kept, "digests": {**digests, **gone}}
    ctx.session.add(place)
    cleared: dict[str, Any] = {
        column: {} if column == "details" else None  # it may be empty but not NULL
        for name in fields
        for column in leaves.FIELDS[name]
        if column in Entry.model_fields
    }
    if "decision" in fields and entry.decision_id is not None:
        _empty_decision(ctx.session, entry.decision_id)
    ctx.session.flush()
    ctx.session.execute(update(Entry).where(col(Entry.id) == entry_id).values(cleared))
    ctx.session.expire(entry)
    return done


def erase_record(ctx: Context, entry_id: str, basis: str) -> Done:
    """Erase an entry's record and its decision; the leaf stays, and opens no more.

    Raises ErasureNotAllowed, EntryNotFound, ProofNotYet (not in the tree yet), UnderHold.
    """
    entry, place = _erasable(ctx, entry_id)
    done = _tell(ctx, basis, About(thing_id=entry_id, details={"record": True}), 1)
    _allow(ctx, done, entry_id, *filter(None, [entry.decision_id]))
    place.key = place.opening = None
    ctx.session.add(place)
    ctx.session.flush()
    ctx.session.execute(delete(SubjectEntry).where(col(SubjectEntry.entry_id) == entry_id))
    if entry.decision_id is not None:
        ctx.session.execute(delete(Decision).where(col(Decision.id) == entry.decision_id))
    ctx.session.execute(delete(Entry).where(col(Entry.id) == entry_id))
    ctx.session.expunge(entry)
    return done


def shred_subject(ctx: Context, reference: str, basis: str) -> Done:
    """Destroy a person's key: their tags in all leaves become noise, and nothing ties entries to them any more.

    Raises ErasureNotAllowed, SubjectNotFound, UnderHold.
    """
    _must_be_admin(ctx)
    row = keys.subject_of(ctx.session, ctx.settings, reference)
    if row is None:
        raise SubjectNotFound("No entry is about this person, or their key was destroyed already.")
    about = select(SubjectEntry.entry_id).where(SubjectEntry.subject_id == row.id)
    held = select(Entry).where(col(Entry.id).in_(about), _held()).limit(1)
    if ctx.session.exec(held).first() is not None or _holds_all(ctx.session):
        raise UnderHold("A legal hold keeps entries about this person.")
    count = ctx.session.exec(select(func.count()).select_from(about.subquery())).one()
    done = _tell(ctx, basis, About(thing_id=row.id, details={"subjectKey": True}), count)
    row.lookup = row.sealed = None
    row.shredded_at = ctx.now
    ctx.session.add(row)
    ctx.session.execute(delete(SubjectEntry).where(col(SubjectEntry.subject_id) == row.id))
    ctx.session.flush()
    return done


def apply_retention(ctx: Context) -> int:
    """Erase records older than the policy keeps, then prune leaves older than it keeps; return how many went.

    What is under a legal hold stays, and keeps the leaves after it too.
    """
    policy = ctx.settings
    before = ctx.now - timedelta(days=policy.log_records_days)
    return _erase_before(ctx, before) + _prune(ctx, ctx.now - timedelta(days=policy.log_leaves_days))


def _erase_before(ctx: Context, before: datetime) -> int:
    old = (
        select(Entry.id, Entry.decision_id)
        .join(Leaf, col(Leaf.entry_id) == col(Entry.id))
        .where(col(Entry.at) < before, ~_held())
        .order_by(col(Entry.id))
        .limit(PASS)
    )
    found = ctx.session.exec(old).all()
    if not found or _holds_all(ctx.session):
        return 0
    done = _tell(ctx, "retention", About(details={"before": before.isoformat()}), len(found))
    _allow(ctx, done, before=before)
    ids = [each[0] for each in found]
    decisions = [each[1] for each in found if each[1] is not None]
    ctx.session.execute(delete(SubjectEntry).where(col(SubjectEntry.entry_id).in_(ids)))
    ctx.session.execute(update(Leaf).where(col(Leaf.entry_id).in_(ids)).values(key=None, opening=None))
    ctx.session.execute(delete(Decision).where(col(Decision.id).in_(decisions)))
    ctx.session.execute(delete(Entry).where(col(Entry.id).in_(ids)))
    return len(ids)


def _prune(ctx: Context, before: datetime) -> int:
    """Remove bundles and level-0 tiles of leaves whose records are gone and that are older than `before`.

    Tiles above level 0 stay: they cost an eighth of a byte per entry, and every later proof needs them.
    """
    log = tree_store.newest_log(ctx.session)
    if log is None:
        return 0
    # The first leaf that must stay: of a record that still exists, or under a head that is not old enough.
    opens = or_(col(Leaf.key).is_not(None), col(Leaf.opening).is_not(None))
    own = select(Leaf.leaf_index).where(Leaf.log == log.number)
    kept = ctx.session.exec(own.where(opens).order_by(col(Leaf.leaf_index)).limit(1)).first()
    young = own.where(col(Leaf.entry_id) >= _first_id_at(before)).order_by(col(Leaf.leaf_index)).limit(1)
    first_young = ctx.session.exec(young).first()
    end = min(each for each in (kept, first_young, log.size) if each is not None)
    minimum = end // WIDTH * WIDTH
    if minimum <= log.pruned_below:
        return 0
    gone = col(StoredTile.number) < minimum // WIDTH
    count = minimum - log.pruned_below
    _tell(ctx, "retention", About(details={"prunedBelow": minimum, "log": log.origin}), count)
    for level in (BUNDLES, 0):
        ctx.session.execute(
            delete(StoredTile).where(col(StoredTile.log) == log.number, col(StoredTile.level) == level, gone)
        )
    ctx.session.execute(update(Log).where(col(Log.number) == log.number).values(pruned_below=minimum))
    return count


def _first_id_at(instant: datetime) -> str:
    """Return the smallest UUIDv7 of an instant."""
    digits = f"{int(instant.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def place_hold(
    ctx: Context,
    reason: str,
    *,
    entry_id: str | None = None,
    dataset_id: str | None = None,
    participant_id: str | None = None,
) -> Hold:
    """Keep whatever matches all that is named from being erased, until released. Raises ErasureNotAllowed."""
    _must_be_admin(ctx)
    hold = Hold(
        id=new_id(),
        reason=reason,
        placed_at=ctx.now,
        entry_id=entry_id,
        dataset_id=dataset_id,
        participant_id=participant_id,
    )
    ctx.session.add(hold)
    record(ctx, "log.hold", About(thing_id=hold.id, details={"reason": reason}))
    return hold


def release_hold(ctx: Context, hold_id: str, reason: str) -> Hold:
    """End a legal hold. Raises ErasureNotAllowed, HoldNotFound."""
    _must_be_admin(ctx)
    hold = ctx.session.get(Hold, hold_id)
    if hold is None:
        raise HoldNotFound("There is no such legal hold.")
    if hold.released_at is None:
        hold.released_at = ctx.now
        ctx.session.add(hold)
        record(ctx, "log.release", About(thing_id=hold.id, details={"reason": reason}))
    return hold


def holds(ctx: Context) -> Sequence[Hold]:
    """Return all legal holds, newest first. Raises ErasureNotAllowed."""
    if not ctx.actor.oversees("admin", "auditor"):
        raise ErasureNotAllowed("Only the exchange's own reviewers see legal holds.")
    return ctx.session.exec(select(Hold).order_by(col(Hold.id).desc())).all()


def _must_be_admin(ctx: Context) -> None:
    if not ctx.actor.oversees("admin"):
        raise ErasureNotAllowed("Only an administrator of the exchange may do this.")


def _erasable(ctx: Context, entry_id: str) -> tuple[Entry, Leaf]:
    _must_be_admin(ctx)
    unroll(ctx.session)
    entry = ctx.session.get(Entry, entry_id)
    if entry is None:
        raise EntryNotFound("There is no record of such an entry.")
    place = tree_store.leaf_of(ctx.session, entry_id)
    if place is None:
        raise ProofNotYet("The entry is not in the tree yet.", retryAfter=1)
    if ctx.session.exec(select(Entry.id).where(Entry.id == entry_id, _held())).first() is not None:
        raise UnderHold("A legal hold keeps this entry.")
    return entry, place


def _held() -> Any:
    """Return the condition that a legal hold keeps an entry; the database's own guard says the same."""
    parties = (col(Entry.provider_id), col(Entry.consumer_id), col(Entry.actor_participant_id))
    return (
        select(Hold.id)
        .where(
            col(Hold.released_at).is_(None),
            or_(col(Hold.entry_id).is_(None), col(Hold.entry_id) == col(Entry.id)),
            or_(col(Hold.dataset_id).is_(None), col(Hold.dataset_id) == col(Entry.dataset_id)),
            or_(col(Hold.participant_id).is_(None), *(col(Hold.participant_id) == each for each in parties)),
        )
        .correlate(Entry)
        .exists()
    )


def _holds_all(session: Session) -> bool:
    unnamed = (Hold.entry_id, Hold.dataset_id, Hold.participant_id)
    found = select(Hold.id).where(col(Hold.released_at).is_(None), *(col(each).is_(None) for each in unnamed))
    return session.exec(found).first() is not None


def _tell(ctx: Context, basis: str, about: About, count: int) -> Done:
    entry = record(
        ctx, ACTION, About(thing_id=about.thing_id, details={**about.details, "basis": basis, "count": count})
    )
    return Done(entry.id, count)


def _allow(ctx: Context, done: Done, *row_ids: str, before: datetime | None = None) -> None:
    for row_id in row_ids or (None,):
        ctx.session.add(Erasure(id=new_id(), by_entry_id=done.entry_id, row_id=row_id, before=before))
    ctx.session.flush()


def _empty_decision(session: Session, decision_id: str) -> None:
    empty: dict[str, Any] = {
        "provider_id": None,
        "consumer_id": None,
        "agreement_id": None,
        "policy_hash": None,
        "facts": {},
        "for_requester": {},
        "for_provider": {},
    }
    session.execute(update(Decision).where(col(Decision.id) == decision_id).values(empty))

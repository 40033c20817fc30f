"""Receipts: one file that shows, without asking anybody, that an entry is in the log and what it says.

C2SP tlog-proof; its extra line is the leaf, which holds no personal data, so that a receipt can be handed on. What the
entry says is shown apart: disclosures [salt, name, value] of the fields the reader may see, and the bare digests of the
others, which together give the leaf's commitment (see `leaves`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from sqlmodel import Session, select

from datahub.audit import leaves, rules, tree_store
from datahub.audit.errors import EntryErased, EntryNotFound, LeafPruned, ProofNotYet
from datahub.audit.models import Decision, Entry, Leaf, Log
from datahub.audit.service import record_look
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, Tile, nodes, parse_bundle
from datahub.audit.tlog.tree import inclusion_proof
from datahub.audit.unrolling import unroll
from datahub.kernel.context import Actor, Context

# Fields about people: which person acted is for their own organisation, whom the data is about for nobody outside.
PERSONAL = frozenset({"actorPerson", "subjects"})
# A decision holds what each side was told and all the facts: one side must not read the other's through its leaf.
OF_BOTH_SIDES = frozenset({"decision", "subjects"})


def get_receipt(ctx: Context, entry_id: str, *, reason: str | None = None) -> bytes:
    """Return the receipt of an entry that concerns the actor, under the newest signed head; the reading is logged.

    Raises EntryNotFound; ProofNotYet until the entry is under a signed head; LeafPruned.
    """
    _, place = _find(ctx, entry_id)
    signed = None if place is None else tree_store.published_head(ctx.session, place.log, place.leaf_index)
    if place is None or signed is None:
        raise _not_yet()
    leaf = leaf_at(ctx.session, place)
    log = ctx.session.get_one(Log, place.log)
    record_look(ctx, "log.prove", entry_id, reason)
    read = nodes(log.size, tree_store.tile_reader(ctx.session, log.number))
    proof = inclusion_proof(place.leaf_index, signed.size, read)
    note = Note.parse(signed.note.encode())
    return LogProof(place.leaf_index, tuple(proof), note, leaf).encode()


@dataclass(frozen=True)
class Opening:
    """What opens a leaf's commitment: salt, name and value of each field shown, the bare digests of the others."""

    log: str
    leaf_index: int
    leaf: str
    disclosures: list[tuple[str, str, Any]]
    digests: list[str]


def get_opening(ctx: Context, entry_id: str, *, reason: str | None = None) -> Opening:
    """Return what shows that an entry's record is the one its leaf commits to, as far as the actor may see it.

    The reading is logged. Raises EntryNotFound, EntryErased, ProofNotYet, LeafPruned.
    """
    entry, place = _find(ctx, entry_id)
    if place is None:
        raise _not_yet()
    if entry is None:
        raise EntryErased("The record of this entry was erased.")
    record_look(ctx, "log.read", entry_id, reason)
    shown, digests = opened(ctx.session, entry, place, hidden=hidden_from(ctx.actor, entry))
    log = ctx.session.get_one(Log, place.log)
    return Opening(log.origin, place.leaf_index, leaf_at(ctx.session, place).decode(), shown, digests)


def hidden_from(actor: Actor, entry: Entry) -> frozenset[str]:
    """Return the fields of an entry that the actor is given the bare digests of."""
    if rules.sees_all(actor):
        return frozenset()
    return OF_BOTH_SIDES if rules.may_see_person(actor, entry) else OF_BOTH_SIDES | PERSONAL


def _find(ctx: Context, entry_id: str) -> tuple[Entry | None, Leaf | None]:
    """Return an entry and its place; of an erased one there is only the place, which says nothing about anybody."""
    unroll(ctx.session)
    entry, place = ctx.session.get(Entry, entry_id), tree_store.leaf_of(ctx.session, entry_id)
    if (entry is None and place is None) or (entry is not None and not rules.may_see(ctx.actor, entry)):
        raise EntryNotFound("No entry with this id concerns your organisation.")
    return entry, place


def _not_yet() -> ProofNotYet:
    detail = "The entry is durable, and will be under a signed head of the log in about a second."
    return ProofNotYet(detail, remedy="Ask again after Retry-After seconds.", retryAfter=1)


def leaf_at(session: Session, place: Leaf) -> bytes:
    """Return the bytes of a leaf. Raises LeafPruned."""
    log = session.get_one(Log, place.log)
    number, offset = divmod(place.leaf_index, WIDTH)
    width = min(WIDTH, log.size - number * WIDTH)
    try:
        data = tree_store.tile_reader(session, log.number)(Tile(BUNDLES, number, width))
    except tree_store.TileMissing as fault:
        detail = "The log no longer keeps leaves as old as this one."
        raise LeafPruned(detail, remedy="A receipt taken earlier stays valid.") from fault
    return parse_bundle(data, width)[offset]


def opened(
    session: Session, entry: Entry, place: Leaf, *, hidden: frozenset[str] = frozenset()
) -> tuple[list[tuple[str, str, Any]], list[str]]:
    """Return the disclosures and the bare digests that give a leaf's commitment. Raises EntryErased."""
    salts, digests = openings(place)
    values = leaves.fields_of(entry.model_dump(), decision_of(session, entry))
    shown: list[tuple[str, str, Any]] = []
    for name, salt in salts.items():
        if name in values and name in hidden:
            digests[name] = leaves.digest(salt, name, values[name])
        elif name in values:
            shown.append((salt, name, values[name]))
    return shown, sorted(digests.values())


def openings(place: Leaf) -> tuple[Mapping[str, str], dict[str, str]]:
    """Return the salts that still exist, by field, and the digests of the fields that were erased."""
    if place.key is not None:
        return leaves.salts_of(place.key)[1], {}
    if place.opening is None:
        raise EntryErased("The record of this entry was erased.")
    return place.opening["salts"], dict(place.opening["digests"])


def decision_of(session: Session, entry: Entry) -> dict[str, Any] | None:
    """Return the decision an entry names, as the leaf commits to it."""
    if entry.decision_id is None:
        return None
    found = session.exec(select(Decision).where(Decision.id == entry.decision_id)).first()
    return None if found is None else found.model_dump()


def is_opened_by(session: Session, entry: Entry, place: Leaf) -> bool:
    """Tell whether the record is still the one its leaf commits to."""
    shown, digests = opened(session, entry, place)
    mine = [leaves.digest(*each) for each in shown]
    return bool(orjson.loads(leaf_at(session, place))["c"] == leaves.commitment([*mine, *digests]))

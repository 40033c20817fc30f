"""Whom an entry is about: tags under a person's key, made when data about them leaves, and the report made from them.

`record_subjects` is the seam for whoever lets data about people leave. One entry tags at most MAX_SUBJECTS people; more
get more entries, each belonging to the same attempt, so that a scan of the leaves with a person's key finds all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from datahub.audit import keys, receipts, service, tree_store
from datahub.audit.errors import ReportNotAllowed, SubjectNotFound
from datahub.audit.leaves import FIELDS, MAX_SUBJECTS, encode
from datahub.audit.models import About, Entry, Log, SubjectEntry
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tiles import nodes
from datahub.audit.tlog.tree import inclusion_proof
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page

ACTION = "data.subjects"
# Fields of an entry that the person it is about is shown; no field about people inside organisations is among them.
SHOWN = frozenset({"event", "provider", "consumer", "dataset", "columns", "agreement", "purpose", "ofEntry"})


def subject_reference(provider_id: str, key_space: str, digest: bytes) -> str:
    """Return how the log refers to a person: by the digest of their key in one key space of one provider."""
    return f"{provider_id}\n{key_space}\n{digest.hex()}"


def record_subjects(
    ctx: Context, attempt_id: str, about: About, key_space: str, digests: Iterable[bytes]
) -> Sequence[Entry]:
    """Write whom the data of an attempt is about, in the caller's transaction; return the entries, none for nobody.

    To be called before that data leaves, or as soon as it is known which left, with `about` of the attempt (its provider, consumer, dataset, agreement,
    purpose), and the digests (`consent`) of the people whose rows leave in one key space of the provider.
    """
    if about.provider_id is None:
        raise ValueError("data about people has a provider")
    names = [subject_reference(about.provider_id, key_space, each) for each in digests]
    ids = keys.subject_ids(ctx, names)
    whole = replace(about, of_entry_id=attempt_id, decision_id=None, rows=None, bytes=None, details={})
    return [
        service.record(ctx, ACTION, replace(whole, subjects=ids[start : start + MAX_SUBJECTS]))
        for start in range(0, len(ids), MAX_SUBJECTS)
    ]


@dataclass(frozen=True)
class Use:
    """One entry about a person, with what proves it; `receipt` is None until it is under a signed head."""

    entry: Entry
    log: str | None = None
    leaf_index: int | None = None
    receipt: str | None = None
    disclosures: Sequence[tuple[str, str, Any]] = ()
    digests: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """Who used data about one person. With `key` they, and nobody else, find every leaf about them."""

    reference: str
    key: str
    uses: Page[Use]


def report_on_subject(
    ctx: Context,
    reference: str,
    request: PageRequest,
    *,
    since: datetime | None,
    until: datetime | None,
    reason: str,
    is_own: bool = False,
) -> Report:
    """Return the entries about a person, oldest first, with proofs; making the report is logged, with the reason.

    For the exchange's reviewers, for administrators of the provider whose key space it is, and for the person
    (`is_own`: the caller has found out that it is). Raises ReportNotAllowed, SubjectNotFound.
    """
    provider_id = reference.partition("\n")[0]
    actor = ctx.actor
    is_providers = actor.participant_id == provider_id and actor.has_role("admin", "auditor")
    if not (is_own or actor.oversees("admin", "auditor") or is_providers):
        raise ReportNotAllowed(
            "Reports about a person are made by who provides the data, or by the exchange."
        )
    row = keys.subject_of(ctx.session, ctx.settings, reference)
    key = None if row is None else keys.subject_key(ctx.settings, row)
    if row is None or key is None:
        raise SubjectNotFound("No entry is about this person, or their key was destroyed.")
    found = (
        select(Entry)
        .join(SubjectEntry, col(SubjectEntry.entry_id) == col(Entry.id))
        .where(SubjectEntry.subject_id == row.id)
    )
    if since is not None:
        found = found.where(col(Entry.at) >= since)
    if until is not None:
        found = found.where(col(Entry.at) < until)
    page = read_page(ctx, found, [SortKey(col(Entry.id), "id")], request)
    details = {"reason": reason, "entries": len(page.items)}
    service.record(ctx, "log.report", About(thing_id=row.id, provider_id=provider_id, details=details))
    uses = [_proven(ctx, each) for each in page.items]
    return Report(reference, encode(key), Page(uses, page.next_cursor, page.prev_cursor))


def _proven(ctx: Context, entry: Entry) -> Use:
    place = tree_store.leaf_of(ctx.session, entry.id)
    signed = None if place is None else tree_store.published_head(ctx.session, place.log, place.leaf_index)
    if place is None or signed is None:
        return Use(entry)
    log = ctx.session.get_one(Log, place.log)
    leaf = receipts.leaf_at(ctx.session, place)
    read = nodes(log.size, tree_store.tile_reader(ctx.session, log.number))
    path = tuple(inclusion_proof(place.leaf_index, signed.size, read))
    receipt = LogProof(place.leaf_index, path, Note.parse(signed.note.encode()), leaf).encode().decode()
    hidden = frozenset(FIELDS) - SHOWN
    shown, digests = receipts.opened(ctx.session, entry, place, hidden=hidden)
    return Use(entry, log.origin, place.leaf_index, receipt, shown, digests)

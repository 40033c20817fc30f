"""The verbs on disclosures: reserve before the first byte, settle after the last, and tell who has received whose rows.

Nothing is ever said too little: a delivery that has begun counts as all it could give, until it has told what it gave.
Whose rows left for the first time under an agreement, of a version, for a purpose, is tagged in the log as well, so that
they find it there with a key of their own, and what proves it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from datahub.audit import About, Entry, record_subjects
from datahub.catalog import DatasetVersion, version_by_id
from datahub.consent.models import DisclosedBlock, Disclosure, DisclosureReserved
from datahub.consent.rules import blocks
from datahub.consent.rules.gate import Bools, Numbers
from datahub.consent.service.people_index import Named, People, people_of
from datahub.consent.store import disclosures as store
from datahub.consent.store import rules as rule_store
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id

# No delivery runs for longer: what is not settled by then never will be, and counts in full.
LONGEST_DELIVERY = timedelta(days=1)
_BATCH = 50
# Of more people at once no tags are made, which would be the larger part of the log; bits are kept of everybody.
MOST_TAGGED = 20_000
_UNUSED_SETS = timedelta(hours=1)


@dataclass(frozen=True)
class Leaving:
    """Under which agreement, of which version, for which purpose rows leave; people as the rule names them."""

    agreement_id: str
    dataset_id: str
    version_id: str
    purpose: str
    named: Named


@dataclass(frozen=True)
class Received:
    """Somebody who has received rows about a person: which agreement and version, for what, when first and last."""

    agreement_id: str
    dataset_id: str
    version_id: str
    purpose: str
    first_at: datetime
    last_at: datetime


def reserve(ctx: Context, entry_id: str, leaving: Leaving, could_leave: Bools) -> None:
    """Say, before the first byte, whose rows a delivery could give; durable once the caller commits."""
    digest = blocks.digest_of_set(could_leave)
    store.keep_people(ctx.session, digest, ctx.now, blocks.pack(could_leave))
    ctx.session.add(
        DisclosureReserved(
            entry_id=entry_id,
            agreement_id=leaving.agreement_id,
            dataset_id=leaving.dataset_id,
            version_id=leaving.version_id,
            purpose=leaving.purpose,
            numbering=leaving.named.numbering,
            key_space=leaving.named.key_space,
            subjects=list(leaving.named.subjects),
            at=ctx.now,
            people=digest,
        )
    )
    ctx.session.flush()


def settle(ctx: Context, entry_id: str, left: Bools) -> None:
    """Say whose rows a delivery gave, or may have given; nothing happens when it reserved nothing, or settled already."""
    kept = store.reserved(ctx.session, entry_id)
    if kept is None:
        return
    if left.any():
        disclosure = _disclosure(ctx, kept, kept.at)
        _tag_numbers(ctx, kept, _add(ctx, disclosure, left))
    ctx.session.delete(kept)
    ctx.session.flush()


def note_persons(ctx: Context, entry_id: str, leaving: Leaving, subjects: Iterable[bytes]) -> None:
    """Say that rows about these people are about to leave, by the digests of their keys; durable once committed.

    `entry_id`: the attempt they leave by.
    """
    found = sorted(set(subjects))
    if found:
        kept = DisclosureReserved(
            entry_id=entry_id, at=ctx.now, people="", agreement_id=leaving.agreement_id, dataset_id=leaving.dataset_id,
            version_id=leaving.version_id, purpose=leaving.purpose, numbering=leaving.named.numbering,
            key_space=leaving.named.key_space, subjects=list(leaving.named.subjects),
        )  # fmt: skip
        disclosure = _disclosure(ctx, kept, ctx.now)
        known = store.persons_among(ctx.session, disclosure.id, found)
        store.keep_persons(ctx.session, disclosure.id, found)
        _tag(ctx, kept, [each for each in found if each not in known])


def settle_old(ctx: Context) -> int:
    """Count in full what was reserved over a day ago, and forget sets that nothing holds; return how many."""
    due = store.reserved_before(ctx.session, ctx.now - LONGEST_DELIVERY, _BATCH)
    for kept in due:
        version, named = _numbered(ctx, kept)
        people = people_of(ctx.settings, version, named) if version else None
        if people is not None:
            settle(ctx, kept.entry_id, _reserved_people(ctx, kept, people))
    return len(due) + store.forget_people(ctx.session, ctx.now - _UNUSED_SETS)


def recipients_of(ctx: Context, dataset_id: str, subject_digest: bytes) -> Sequence[Received]:
    """Return who has received, or may be receiving, rows of a dataset about one person; oldest first."""
    return recipients_of_many(ctx, dataset_id, [subject_digest])[subject_digest]


def recipients_of_many(
    ctx: Context, dataset_id: str, subject_digests: Sequence[bytes]
) -> Mapping[bytes, Sequence[Received]]:
    """Return the same for many people at once. One block of bits is read at a time.

    Raises ObjectMissing, StorageFailed when a version's people must be numbered anew and it cannot be read.
    """
    wanted = list(dict.fromkeys(subject_digests))
    found: dict[bytes, dict[tuple[str, str, str], Received]] = {each: {} for each in wanted}
    for disclosure in store.disclosures_of(ctx.session, dataset_id):
        for subject in _in_disclosure(ctx, disclosure, wanted):
            _put(found[subject], disclosure, disclosure.first_at, disclosure.last_at)
    for kept in store.reservations_of(ctx.session, dataset_id):
        for subject in _in_reservation(ctx, kept, wanted):
            _put(found[subject], kept, kept.at, kept.at)
    return {
        subject: sorted(each.values(), key=lambda one: (one.first_at, one.agreement_id, one.version_id))
        for subject, each in found.items()
    }


def _put(
    found: dict[tuple[str, str, str], Received],
    kept: Disclosure | DisclosureReserved,
    first_at: datetime,
    last_at: datetime,
) -> None:
    key = (kept.agreement_id, kept.version_id, kept.purpose)
    before = found.get(key)
    if before is not None:
        first_at, last_at = min(first_at, before.first_at), max(last_at, before.last_at)
    found[key] = Received(
        kept.agreement_id, kept.dataset_id, kept.version_id, kept.purpose, first_at, last_at
    )


def _in_disclosure(ctx: Context, disclosure: Disclosure, wanted: Sequence[bytes]) -> Sequence[bytes]:
    by_digest = store.persons_among(ctx.session, disclosure.id, wanted)
    numbers = _numbers(ctx, disclosure, wanted)
    there = store.blocks_of(ctx.session, disclosure.id, sorted({n // blocks.BLOCK for n in numbers.values()}))
    return [
        subject
        for subject in wanted
        if subject in by_digest
        or (
            (number := numbers.get(subject)) is not None
            and (block := there.get(number // blocks.BLOCK)) is not None
            and blocks.has(block.bits, number % blocks.BLOCK)
        )
    ]


def _in_reservation(ctx: Context, kept: DisclosureReserved, wanted: Sequence[bytes]) -> Sequence[bytes]:
    numbers = _numbers(ctx, kept, wanted)
    bits = store.people_reserved(ctx.session, kept.people) if numbers else None
    # A set that is gone was everybody, for all we know.
    return [each for each, number in numbers.items() if bits is None or blocks.has(bits, number)]


def _numbers(
    ctx: Context, kept: Disclosure | DisclosureReserved, wanted: Sequence[bytes]
) -> Mapping[bytes, int]:
    """Return the numbers of those people who are in a version at all."""
    version, named = _numbered(ctx, kept)
    if version is None or version.object_key is None or not wanted:
        return {}
    positions = people_of(ctx.settings, version, named).index.positions(b"".join(wanted))
    return {each: int(at) for each, at in zip(wanted, positions, strict=True) if at >= 0}


def _numbered(ctx: Context, kept: Disclosure | DisclosureReserved) -> tuple[DatasetVersion | None, Named]:
    rule = rule_store.current_rule(ctx.session, kept.dataset_id)
    provider_id = rule.provider_id if rule else ""
    return version_by_id(ctx.session, kept.version_id), Named(
        provider_id, kept.key_space, tuple(kept.subjects)
    )


def _reserved_people(ctx: Context, kept: DisclosureReserved, people: People) -> Bools:
    bits = store.people_reserved(ctx.session, kept.people)
    return np.ones(len(people), np.bool_) if bits is None else blocks.unpack(bits, len(people))


def _disclosure(ctx: Context, kept: DisclosureReserved, first_at: datetime) -> Disclosure:
    disclosure = store.disclosure_for_change(
        ctx.session,
        {
            "id": new_id(),
            "agreement_id": kept.agreement_id,
            "dataset_id": kept.dataset_id,
            "version_id": kept.version_id,
            "purpose": kept.purpose,
            "numbering": kept.numbering,
            "key_space": kept.key_space,
            "subjects": kept.subjects,
            "first_at": first_at,
            "last_at": ctx.now,
        },
    )
    disclosure.first_at = min(disclosure.first_at, first_at)
    disclosure.last_at = max(disclosure.last_at, ctx.now)
    ctx.session.add(disclosure)
    return disclosure


def _tag_numbers(ctx: Context, kept: DisclosureReserved, numbers: Numbers) -> None:
    if 0 < len(numbers) <= MOST_TAGGED:
        version, named = _numbered(ctx, kept)
        if version is not None:
            _tag(ctx, kept, people_of(ctx.settings, version, named).index.digests_at(numbers))


def _tag(ctx: Context, kept: DisclosureReserved, subjects: Sequence[bytes]) -> None:
    """Write into the log whom an attempt gave rows about, who had none given like this before."""
    attempt = ctx.session.get(Entry, kept.entry_id) if 0 < len(subjects) <= MOST_TAGGED else None
    if attempt is not None:
        about = About(
            provider_id=attempt.provider_id,
            consumer_id=attempt.consumer_id,
            dataset_id=kept.dataset_id,
            dataset_version=attempt.dataset_version,
            agreement_id=kept.agreement_id,
            purpose=kept.purpose,
            columns=attempt.columns,
        )
        record_subjects(ctx, attempt.id, about, kept.key_space, subjects)


def _add(ctx: Context, disclosure: Disclosure, left: Bools) -> Numbers:
    """Put who left into the bits; return those who were not in them."""
    fresh = []
    new = dict(blocks.parts(left))
    there = store.blocks_of(ctx.session, disclosure.id, sorted(new))
    for number, part in new.items():
        before = there.get(number)
        old = np.zeros(len(part), np.bool_) if before is None else blocks.unpack(before.bits, len(part))
        added = np.flatnonzero(part & ~old)
        if before is None:
            ctx.session.add(DisclosedBlock(disclosure_id=disclosure.id, block=number, bits=blocks.pack(part)))
        elif len(added):
            before.bits = blocks.pack(part | old)
            ctx.session.add(before)
        fresh.append(added + number * blocks.BLOCK)
    ctx.session.flush()
    return np.concatenate(fresh) if fresh else np.zeros(0, np.int64)

"""Whose rows somebody who received them may still hold, by what people have said by now, and by which keys they go.

The gate answers for everybody in a version at once; this answers for the few people that a piece of news is about.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session

from datahub.catalog import DatasetVersion, storage
from datahub.consent.rules import lives
from datahub.consent.rules.gate import Cells, SubjectIndex, combine
from datahub.consent.rules.notices import entries_of
from datahub.consent.rules.purposes import answering, purpose_iri, tokens_of
from datahub.consent.service.people_index import Named, people_of
from datahub.consent.store import bulk
from datahub.consent.store import records as record_store
from datahub.consent.store import rules as store
from datahub.kernel.context import Context
from datahub.kernel.settings import Settings

_SEALED = "consent-news"
_NONCE_BYTES = 12
# What is asked is whether anything at all may be held, so no column is asked for.
_NO_COLUMNS = frozenset[str]()


def people_of_records(session: Session, record_ids: Sequence[str]) -> frozenset[bytes]:
    """Return whom some consents are about; those that were cut loose are about nobody."""
    return frozenset(record_store.subjects_of_records(session, record_ids))


def may_hold(
    ctx: Context, dataset_id: str, purpose: str, recipient: Collection[str], subjects: Collection[bytes]
) -> frozenset[bytes]:
    """Return which of some people's rows a recipient may hold for a purpose now: there is a yes, or no need of one.

    `recipient`: every name of the organisation.
    """
    rules = store.rules_of(ctx.session, dataset_id)
    if not rules or not subjects:
        return frozenset(subjects)
    read = {rule.number: entries_of(rule.purposes) for rule in rules}
    entries = read[rules[-1].number]
    iri = purpose_iri(purpose) or purpose
    tokens = tokens_of(recipient, rules[-1].classes)
    topics = store.topics_of(ctx.session, dataset_id)
    wanted = sorted(subjects)
    index = SubjectIndex(b"".join(wanted))
    said = {}
    names = answering(iri, entries)
    for name in names:
        cells = Cells(len(index))
        if name in topics:
            _fill(ctx, cells, index, topics[name].no or 0, wanted)
        cells.lapse(int(ctx.now.timestamp()))
        asked = {number: each.get(name) for number, each in read.items()}
        said[name] = cells.said(entries[name], asked, tokens, _NO_COLUMNS)
    let = combine(iri, {name: entries[name] for name in names}, said, len(index))
    positions = index.positions(b"".join(wanted))
    return frozenset(each for each, at in zip(wanted, positions, strict=True) if let[at])


def purposes_in_force(ctx: Context, dataset_id: str, subject: bytes) -> frozenset[str]:
    """Return the purposes of a dataset's rule for which rows about a person may leave now, to any recipient at all.

    As the gate judges: what was decided on a broader purpose counts where nothing was said on a narrower one.
    """
    rules = store.rules_of(ctx.session, dataset_id)
    if not rules:
        return frozenset()
    read = {rule.number: entries_of(rule.purposes) for rule in rules}
    entries = read[rules[-1].number]
    topics = store.topics_of(ctx.session, dataset_id)
    index = SubjectIndex(subject)
    cells = {name: Cells(1) for name in entries}
    for name, each in cells.items():
        if name in topics:
            _fill(ctx, each, index, topics[name].no or 0, [subject])
        each.lapse(int(ctx.now.timestamp()))

    def lets(purpose: str, tokens: frozenset[str]) -> bool:
        names = answering(purpose, entries)
        said = {
            name: cells[name].said(
                entries[name], {number: e.get(name) for number, e in read.items()}, tokens, _NO_COLUMNS
            )
            for name in names
        }
        return bool(combine(purpose, {name: entries[name] for name in names}, said, 1)[0])

    def recipients(purpose: str) -> frozenset[str]:
        return frozenset().union(*(entries[name].recipients for name in answering(purpose, entries)))

    return frozenset(
        purpose
        for purpose in entries
        if any(lets(purpose, tokens_of([each], rules[-1].classes)) for each in recipients(purpose))
    )


def said_yes_since(
    session: Session, dataset_id: str, since: Mapping[bytes, datetime]
) -> Mapping[bytes, datetime]:
    """Return which of some people said yes to anything on a dataset after an instant, and when they last did."""
    found: dict[bytes, datetime] = {}
    for subject, at in since.items():
        for kept, _ in record_store.records_of_subject(session, [dataset_id], subject):
            moves = [e for e in record_store.events_of(session, kept.id) if e.move in lives.SAYS_YES]
            later = [event.recorded_at for event in moves if event.recorded_at > at]
            if later:
                found[subject] = max([*later, *([found[subject]] if subject in found else [])])
    return found


def keys_of(
    settings: Settings, version: DatasetVersion, named: Named, subjects: Collection[bytes]
) -> Mapping[bytes, str]:
    """Return the keys by which a stored version names some people, as they are written there.

    Each is read from the first row that names the person. Raises ObjectMissing, StorageFailed, OSError.
    """
    wanted = sorted(subjects)
    if not wanted or version.object_key is None:
        return {}
    people = people_of(settings, version, named)
    positions = people.index.positions(b"".join(wanted))
    numbers = {int(at): each for each, at in zip(wanted, positions, strict=True) if at >= 0}
    found: dict[bytes, str] = {}
    for column, rows in zip(named.subjects, people.rows, strict=True):
        left = [number for number, subject in numbers.items() if subject not in found]
        places = np.flatnonzero(np.isin(rows, left)) if left else np.zeros(0, np.int64)
        _, first = np.unique(rows[places], return_index=True)
        at = {int(place): numbers[int(rows[place])] for place in places[first]}
        found |= {at[place]: text for place, text in _values(settings, version, column, sorted(at)).items()}
    return found


def seal_person(settings: Settings, subject: bytes) -> str:
    """Return a person's digest as it goes into news that outlives the tie between a consent and its person."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return (nonce + AESGCM(settings.derive_key(_SEALED)).encrypt(nonce, subject, None)).hex()


def open_person(settings: Settings, sealed: str) -> bytes:
    """Return the digest again."""
    raw = bytes.fromhex(sealed)
    return AESGCM(settings.derive_key(_SEALED)).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)


def _fill(ctx: Context, cells: Cells, index: SubjectIndex, topic_no: int, wanted: Sequence[bytes]) -> None:
    rows = list(bulk.records_of_many(ctx.session, {topic_no: wanted}).values())
    if rows:
        codes = [
            cells.code(
                is_yes=row.state in lives.YES,
                is_no=row.state not in lives.YES and row.state != "requested",
                rule_number=row.rule_number,
                is_explicit=row.is_explicit,
            )
            for row in rows
        ]
        positions = index.positions(b"".join(row.subject for row in rows))
        cells.put(positions, codes, [row.until_s or 0 for row in rows])


def _values(
    settings: Settings, version: DatasetVersion, column: str, places: Sequence[int]
) -> Mapping[int, str]:
    """Return a column's values in some rows, as text."""
    if not places:
        return {}
    found: dict[int, Any] = {}
    file = pq.ParquetFile(storage(settings).table_source(str(version.object_key)))
    start = 0
    wanted = np.array(places)
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        here = wanted[(wanted >= start) & (wanted < start + size)]
        if len(here):
            values = file.read_row_group(group, columns=[column]).column(0).take(here - start).to_pylist()
            found |= {int(at): value for at, value in zip(here, values, strict=True)}
        start += size
    return {at: str(value) for at, value in found.items()}

"""Exports that anybody can verify: entries in one of the forms, what opens each leaf, its place under a signed head.

One ZIP file, made while it is sent: the entries, `proofs.jsonl` with a line for each entry, `manifest.json` (what was
asked, how many, from which leaf to which, the signed heads). Memory is bounded; proofs wait in a file on disk.
Only entries that are under a signed head are in it: what was written in the last second is not.
"""

import hashlib
import io
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import orjson
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from datahub.audit import leaves, receipts, rules, service, store, tree_store
from datahub.audit.errors import LogNotSigned
from datahub.audit.models import About, Entry, Leaf, Log
from datahub.audit.profiles.forms import FORMS, NAMES, Form
from datahub.audit.store import EntryFilter
from datahub.audit.tlog.text import encode_base64
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, ReadTile, Tile, nodes, parse_bundle
from datahub.audit.tlog.tree import ReadNode, inclusion_proof
from datahub.audit.unrolling import unroll
from datahub.kernel import db
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import Actor, Context

FORMAT = "datahub-log-export/1"
BATCH = 500
TILES_KEPT = 256
_CHUNK = 64 * 1024
# An empty list or object is committed to as if it were not there.
_NOTHING: tuple[Any, ...] = (None, {}, [])
_IN_MEMORY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Head:
    """A log as it is exported: up to its published head."""

    number: int
    origin: str
    size: int
    tree_size: int
    note: str


@dataclass
class Export:
    """One export that is going out."""

    engine: Engine
    actor: Actor
    wanted: EntryFilter
    form: Form
    manifest: dict[str, Any]
    heads: list[Head]
    has_proofs: bool
    _sink: "_Sink" = field(init=False)

    def chunks(self) -> Iterator[bytes]:
        """Give the ZIP file, piece by piece."""
        self._sink = _Sink()
        with (
            zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED) as archive,
            tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as proofs,
        ):
            yield from self._entries(archive, proofs)
            if self.has_proofs:
                proofs.seek(0)
                with archive.open("proofs.jsonl", "w", force_zip64=True) as target:
                    while piece := proofs.read(_CHUNK):
                        target.write(piece)
                        yield self._sink.taken()
            archive.writestr("manifest.json", orjson.dumps(self.manifest, option=orjson.OPT_INDENT_2))
        yield self._sink.taken()

    def _entries(self, archive: zipfile.ZipFile, proofs: IO[bytes]) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with archive.open(self.form.file, "w", force_zip64=True) as target:

            def write(line: bytes) -> None:
                digest.update(line)
                target.write(line)

            write(self.form.header)
            for head in self.heads:
                about: dict[str, Any] = {"origin": head.origin, "checkpoint": head.note, "count": 0}
                self.manifest["logs"].append(about)
                for rows in self._of_log(head):
                    for index, line, proof in rows:
                        write(line)
                        proofs.write(proof)
                        about["count"] += 1
                        about.setdefault("minIndex", index)
                        about["maxIndex"] = index
                        self.manifest["count"] += 1
                    yield self._sink.taken()
        self.manifest["files"][self.form.file] = {"sha256": digest.hexdigest()}

    def _of_log(self, head: Head) -> Iterator[list[tuple[int, bytes, bytes]]]:
        tiles = _Tiles()
        last = -1
        while True:
            with db.transaction(self.engine, is_read=True) as session:
                batch = _batch(session, self.actor, self.wanted, head, last)
                tiles.read_stored = tree_store.tile_reader(session, head.number)
                rows = [self._row(session, head, tiles, entry, place) for entry, place in batch]
            if rows:
                yield rows
            if len(rows) < BATCH:
                return
            last = rows[-1][0]

    def _row(
        self, session: Session, head: Head, tiles: "_Tiles", entry: Entry, place: Leaf
    ) -> tuple[int, bytes, bytes]:
        shown = shown_to(self.actor, entry)
        line = self.form.line(shown)
        if not self.has_proofs:
            return place.leaf_index, line, b""
        proof = proof_of(session, self.actor, entry, place)
        read: ReadNode = nodes(head.tree_size, tiles)
        path = inclusion_proof(place.leaf_index, head.size, read)
        proof |= {
            "log": head.origin,
            "index": place.leaf_index,
            "leaf": tiles.leaf(head, place.leaf_index),
            "hashes": [encode_base64(each) for each in path],
        }
        return place.leaf_index, line, orjson.dumps(proof) + b"\n"


def export_with_proofs(
    ctx: Context, wanted: EntryFilter, form: str, *, reason: str | None, has_proofs: bool = True
) -> Iterator[bytes]:
    """Return the export of all entries that concern the actor, as pieces of a ZIP file; the export is itself logged.

    Raises LogNotSigned.
    """
    heads = _heads(ctx.session)
    if not heads:
        raise LogNotSigned("The log has no signed head yet; it has one about a second after its first entry.")
    details = {"filters": wanted.in_words(), "reason": reason, "form": form, "withProofs": has_proofs}
    unroll(ctx.session)
    entry = service.record(ctx, "log.export", About(details=details))
    engine = ctx.session.get_bind()
    assert isinstance(engine, Engine)  # noqa: S101 — a transaction is always opened on the engine
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "form": form,
        "madeAt": rfc3339(ctx.now),
        "entryOfThisExport": entry.id,
        "query": wanted.in_words(),
        "reason": reason,
        "count": 0,
        "logs": [],
        "files": {},
        "hasProofs": has_proofs,
    }
    return Export(engine, ctx.actor, wanted, FORMS[form], manifest, heads, has_proofs).chunks()


def shown_to(actor: Actor, entry: Entry) -> dict[str, Any]:
    """Return the columns of an entry that the actor may see and that say something."""
    hidden = () if rules.may_see_person(actor, entry) else ("actor_person_id",)
    return {
        name: value
        for name in NAMES
        if name not in hidden and (value := getattr(entry, name)) not in _NOTHING
    }


def proof_of(session: Session, actor: Actor, entry: Entry, place: Leaf) -> dict[str, Any]:
    """Return what ties a record to its leaf: disclosures, the digests of what stays hidden, what is shown unproven."""
    hidden = receipts.hidden_from(actor, entry)
    shown, digests = receipts.opened(session, entry, place, hidden=hidden)
    disclosed = {name for _, name, _ in shown}
    unproven = {
        column: getattr(entry, column)
        for name, columns in leaves.FIELDS.items()
        if name not in disclosed and name not in receipts.PERSONAL
        for column in columns
        if column in NAMES and getattr(entry, column) not in _NOTHING
    }
    return {"entry": entry.id, "disclosures": shown, "digests": digests, "unproven": unproven}


def _heads(session: Session) -> list[Head]:
    found = []
    for log in session.exec(select(Log).order_by(col(Log.number))).all():
        signed = tree_store.published_head(session, log.number)
        if signed is not None:
            found.append(Head(log.number, log.origin, signed.size, log.size, signed.note))
    return found


def _batch(
    session: Session, actor: Actor, wanted: EntryFilter, head: Head, last: int
) -> list[tuple[Entry, Leaf]]:
    found = (
        select(Entry, Leaf)
        .join(Leaf, col(Leaf.entry_id) == col(Entry.id))
        .where(*store.conditions(actor, wanted))
        .where(Leaf.log == head.number, col(Leaf.leaf_index) > last, col(Leaf.leaf_index) < head.size)
    )
    return list(session.exec(found.order_by(col(Leaf.leaf_index)).limit(BATCH)).all())


class _Tiles:
    """Tiles and bundles of a log, the last few kept; reads through whichever transaction is open."""

    def __init__(self) -> None:
        self.read_stored: ReadTile
        self._kept: OrderedDict[Tile, bytes] = OrderedDict()
        self._bundle: tuple[Tile, list[bytes]] | None = None

    def __call__(self, tile: Tile) -> bytes:
        data = self._kept.get(tile)
        if data is None:
            data = self._kept[tile] = self.read_stored(tile)
            if len(self._kept) > TILES_KEPT:
                self._kept.popitem(last=False)
        return data

    def leaf(self, head: Head, index: int) -> str:
        number, offset = divmod(index, WIDTH)
        bundle = Tile(BUNDLES, number, min(WIDTH, head.tree_size - number * WIDTH))
        if self._bundle is None or self._bundle[0] != bundle:
            self._bundle = (bundle, parse_bundle(self.read_stored(bundle), bundle.width))
        return self._bundle[1][offset].decode()


class _Sink(io.RawIOBase):
    """Takes what the archive writes, until it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        piece = bytes(self._held)
        self._held.clear()
        return piece


def columns_of(disclosures: list[list[Any]]) -> Mapping[str, Any]:
    """Return the columns that the disclosures of a record show."""
    shown: dict[str, Any] = {}
    for _, name, value in disclosures:
        columns = leaves.FIELDS[name]
        shown |= value if len(columns) > 1 else {columns[0]: value}
    return shown

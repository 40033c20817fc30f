"""Queries on the tree: the head, tiles and bundles, where a leaf is, checkpoints."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlmodel import Session, col, select

from datahub.audit.models import Leaf, Log, SignedHead
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import Note, Signature
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, ReadTile, Tile
from datahub.audit.tlog.tree import HASH_BYTES

# A cosigned head that is older than this beside the newest is no longer what is shown.
COSIGNED_WITHIN = timedelta(seconds=60)
_PUT_TILE = text(
    "insert into log_tile (log, level, number, width, data) values (:log, :level, :number, :width, :data) "
    "on conflict (log, level, number) do update set width = excluded.width, data = excluded.data"
)
_READ_TILE = {
    dialect: f"select width, data from log_tile where log = {mark} and level = {mark} and number = {mark}"  # noqa: S608 — marks
    for dialect, mark in (("sqlite", "?"), ("postgresql", "%s"))
}


class TileMissing(TlogFault):
    """A tile that should be there is not: it was pruned, or the database is not whole."""


def newest_log(session: Session) -> Log | None:
    """Return the log that is written to; None before the first entry was put in a tree."""
    return session.exec(select(Log).order_by(col(Log.number).desc()).limit(1)).first()


def log_by_number(session: Session, number: int) -> Log | None:
    """Return one of the exchange's logs."""
    return session.get(Log, number)


def tile_reader(session: Session, log: int) -> ReadTile:
    """Return what reads tiles of a log, cut to the width asked for. It raises TileMissing."""

    def read(tile: Tile) -> bytes:
        connection = session.connection()
        sql = _READ_TILE[connection.dialect.name]
        stored = connection.exec_driver_sql(sql, (log, tile.level, tile.number)).first()
        if stored is None or stored[0] < tile.width:
            raise TileMissing(f"{tile.path} is not there")
        data = bytes(stored[1])
        return data if stored[0] == tile.width else cut(tile, data)

    return read


def cut(tile: Tile, data: bytes) -> bytes:
    """Return the narrower form of a stored tile or bundle."""
    if tile.level != BUNDLES:
        return data[: tile.width * HASH_BYTES]
    at = 0
    for _ in range(tile.width):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def put_tiles(session: Session, log: int, tiles: Mapping[Tile, bytes]) -> None:
    """Store tiles, each in place of its narrower form."""
    rows = [
        {"log": log, "level": tile.level, "number": tile.number, "width": tile.width, "data": data}
        for tile, data in tiles.items()
    ]
    session.execute(_PUT_TILE, rows)


def bundles_with(old_size: int, leaves: Iterable[bytes], read: ReadTile) -> dict[Tile, bytes]:
    """Return the bundles that change when leaves are added to a log of `old_size`."""
    number, width = divmod(old_size, WIDTH)
    parts = [read(Tile(BUNDLES, number, width))] if width else []
    bundles: dict[Tile, bytes] = {}
    for each in leaves:
        parts += (len(each).to_bytes(2, "big"), each)
        width += 1
        if width == WIDTH:
            bundles[Tile(BUNDLES, number)] = b"".join(parts)
            number, width, parts = number + 1, 0, []
    if width:
        bundles[Tile(BUNDLES, number, width)] = b"".join(parts)
    return bundles


def leaf_of(session: Session, entry_id: str) -> Leaf | None:
    """Return where an entry's leaf is; None as long as it waits for the tree."""
    return session.get(Leaf, entry_id)


def last_signed(session: Session, log: int) -> SignedHead | None:
    """Return the newest checkpoint of a log."""
    return session.exec(
        select(SignedHead).where(SignedHead.log == log).order_by(col(SignedHead.size).desc()).limit(1)
    ).first()


def published_head(session: Session, log: int, index: int = 0) -> SignedHead | None:
    """Return the head that is shown for the leaf at `index`: the newest that witnesses cosigned, unless it is stale.

    None when no head has grown past the leaf yet.
    """
    newest = last_signed(session, log)
    found = select(SignedHead).where(
        SignedHead.log == log, col(SignedHead.witnesses) > 0, col(SignedHead.size) > index
    )
    cosigned = session.exec(found.order_by(col(SignedHead.size).desc()).limit(1)).first()
    if newest is None or newest.size <= index:
        return None
    return cosigned if cosigned is not None and newest.at - cosigned.at < COSIGNED_WITHIN else newest


def add_signatures(session: Session, log: int, size: int, signatures: Sequence[Signature]) -> None:
    """Add witnesses' cosignatures to a signed head."""
    head = session.get(SignedHead, (log, size))
    if head is not None:
        note = Note.parse(head.note.encode()).with_signatures(signatures)
        head.note = note.encode().decode()
        head.witnesses = len({each.name for each in note.signatures}) - 1
        session.add(head)


def oldest_pending(session: Session) -> str | None:
    """Return the id of the batch that has waited longest for the tree; its first 48 bits are the time."""
    oldest = text("select (select min(id) from log_pending), (select min(id) from log_spool)")
    return min((each for each in session.execute(oldest).one() if each is not None), default=None)

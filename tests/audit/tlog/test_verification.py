"""Tampering drills: whatever is changed in a log is found, and found by its name."""

from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datahub.audit.tlog import tiles, tree
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.tiles import BUNDLES, Tile
from datahub.audit.tlog.verification import Findings, TooManyFindings, audit_tree, check_growth, check_head
from tests.audit.tlog.written import ED25519, ORIGIN, POLICY, WITNESSES, WrittenLog, a_log, signed

SMALL = a_log(5)
LARGE = a_log(66_000)  # three levels of tiles
OF_TILE = {"tile-changed"}
OF_ENTRY = {"entry-changed", "bundle-malformed"}
OF_HEAD = {
    "checkpoint-malformed",
    "checkpoint-not-signed",
    "cosignature-false",
    "quorum-not-met",
    "root-differs",
}

Changed = Mapping[str, bytes | None]
NOTHING: Changed = {}


def found(log: WrittenLog, changed: Changed = NOTHING, *, pruned_below: int = 0) -> set[str]:
    """Verify a log with some of its files changed (None: taken away), and give the codes of what is wrong."""
    files: dict[str, bytes | None] = {**log.files, **changed}
    findings = Findings()
    trusted = check_head(files.get("checkpoint"), POLICY, findings)
    try:
        if trusted is not None:
            audit_tree(trusted.head, files.get, findings, pruned_below=pruned_below)
    except TooManyFindings:
        pass
    return {each.code for each in findings.found}


def of_head(log: WrittenLog) -> list[str]:
    """The tiles and bundles that belong to the log's newest head."""
    size = log.head.size
    return [tile.path for tile in (*tiles.bundles_of(size), *tiles.tiles_of(size))]


def expected(path: str) -> set[str]:
    if path == "checkpoint":
        return OF_HEAD
    return OF_ENTRY if "entries" in path else OF_TILE


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("log", [SMALL, LARGE], ids=["small", "large"])
def test_an_untouched_log_verifies(log: WrittenLog) -> None:
    assert found(log) == set()


@pytest.mark.parametrize("path", of_head(SMALL))
def test_every_bit_of_every_tile_and_entry_counts(path: str) -> None:
    for bit in range(len(SMALL.files[path]) * 8):
        codes = found(SMALL, {path: flipped(SMALL.files[path], bit)})
        assert codes, f"bit {bit} of {path}"
        assert codes <= expected(path), f"bit {bit} of {path}"


def test_every_bit_of_the_signed_head_counts() -> None:
    raw = SMALL.files["checkpoint"]
    for bit in range(len(SMALL.head.text.encode()) * 8):
        codes = found(SMALL, {"checkpoint": flipped(raw, bit)})
        assert codes, f"bit {bit}"
        assert codes <= OF_HEAD, f"bit {bit}"


def test_a_bit_in_a_signature_is_found_or_passed_over_with_a_key_that_nobody_knows() -> None:
    """Renaming one of the log's two keys takes its line away; the other still signs the same head."""
    raw = SMALL.files["checkpoint"]
    for place in range(len(SMALL.head.text.encode()), len(raw), 5):
        codes = found(SMALL, {"checkpoint": flipped(raw, place * 8 + place % 8)})
        assert codes <= OF_HEAD, f"byte {place}"


@given(st.data())
@settings(max_examples=8, deadline=None)
def test_a_bit_anywhere_in_a_large_log_is_found(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(of_head(LARGE)))
    bit = data.draw(st.integers(0, len(LARGE.files[path]) * 8 - 1))
    codes = found(LARGE, {path: flipped(LARGE.files[path], bit)})
    assert codes, path
    assert codes <= expected(path), path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (Tile(BUNDLES, 3).path, "bundle-missing"),
        (Tile(0, 3).path, "tile-missing"),
        (Tile(1, 0).path, "tile-missing"),
        (Tile(2, 0, 1).path, "tile-missing"),
        (Tile(BUNDLES, 257, 208).path, "bundle-missing"),
        ("checkpoint", "checkpoint-missing"),
    ],
)
def test_what_was_taken_away_is_missed(path: str, code: str) -> None:
    assert found(LARGE, {path: None}) == {code}


def test_entries_that_changed_places_are_called_so() -> None:
    path = Tile(BUNDLES, 3).path
    entries = tiles.parse_bundle(LARGE.files[path], 256)
    entries[7], entries[9] = entries[9], entries[7]
    assert found(LARGE, {path: tiles.bundle(entries)}) == {"entries-reordered"}


@pytest.mark.parametrize("number", [3, 257])
def test_an_entry_that_was_rewritten_with_its_tile_is_found_above(number: int) -> None:
    width = 256 if number < 257 else 208
    bundle, tile = Tile(BUNDLES, number, width), Tile(0, number, width)
    entries = tiles.parse_bundle(LARGE.files[bundle.path], width)
    entries[5] = b"never happened"
    changed: dict[str, bytes | None] = {
        bundle.path: tiles.bundle(entries),
        tile.path: tiles.leaf_hashes(entries),
    }
    assert found(LARGE, changed) == {"entry-changed" if width == 256 else "root-differs"}


def test_a_log_rewritten_from_the_bottom_to_the_top_is_found_at_its_signed_root() -> None:
    entries = list(SMALL.entries)
    entries[2] = b"never happened"
    forged = WrittenLog().grow(entries)
    assert found(forged, {"checkpoint": SMALL.files["checkpoint"]}) == {"root-differs"}


def test_a_truncated_log_is_found() -> None:
    path = Tile(BUNDLES, 0, 5).path
    assert found(SMALL, {path: tiles.bundle(SMALL.entries[:4])}) == {"bundle-malformed"}
    assert found(SMALL, {path: SMALL.files[path][:-3]}) == {"bundle-malformed"}
    assert found(SMALL, {path: SMALL.files[path] + b"\0\1x"}) == {"bundle-malformed"}
    tile = Tile(0, 0, 5).path
    assert found(SMALL, {tile: SMALL.files[tile][:-32]}) == {"tile-malformed"}


def growth_found(old: Checkpoint, log: WrittenLog) -> set[str]:
    findings = Findings()
    check_growth(old, log.head, log.files.get, findings)
    return {each.code for each in findings.found}


@given(st.integers(0, 600))
@example(0)
@settings(max_examples=20, deadline=None)
def test_a_log_that_only_grew_is_not_suspected(size: int) -> None:
    old = Checkpoint(ORIGIN, size, tree.root(size, tiles.nodes(size, grown_read)))
    assert growth_found(old, GROWN) == set()


GROWN = a_log(600)
_WIDEST = {Tile(t.level, t.number): GROWN.files[t.path] for t in tiles.tiles_of(600)}


def grown_read(tile: Tile) -> bytes:
    return _WIDEST[Tile(tile.level, tile.number)][: tile.width * 32]


def test_a_fork_a_rollback_and_another_log_are_called_so() -> None:
    other = WrittenLog().grow([b"other", *SMALL.entries[1:]])
    longer = WrittenLog().grow([b"other", *SMALL.entries[1:], b"more"])
    assert growth_found(SMALL.head, other) == {"forked"}  # two heads of one size
    assert growth_found(SMALL.head, longer) == {"forked"}
    assert growth_found(SMALL.head, a_log(4)) == {"rolled-back"}  # an old backup was put back
    assert growth_found(Checkpoint("another/log", 5, SMALL.head.root), SMALL) == {"other-log"}


def test_a_head_that_too_few_witnesses_saw_is_not_trusted() -> None:
    alone = signed(SMALL.head, WITNESSES[:1])
    assert found(SMALL, {"checkpoint": alone.encode()}) == {"quorum-not-met"}
    stranger = signed(Checkpoint("another/log", 5, SMALL.head.root))
    assert found(SMALL, {"checkpoint": stranger.encode()}) == {"checkpoint-not-signed"}
    assert ED25519.key.name == ORIGIN


def test_pruned_entries_leave_the_rest_verifiable() -> None:
    minimum = 1000
    gone: dict[str, bytes | None] = {
        path: None
        for number in range(minimum // 256)
        for path in (Tile(BUNDLES, number).path, Tile(0, number).path)
    }
    assert found(LARGE, gone, pruned_below=minimum) == set()
    assert found(LARGE, gone) == {"bundle-missing", "tile-missing"}
    assert found(LARGE, {**gone, Tile(0, 3).path: None}, pruned_below=minimum) == {"tile-missing"}

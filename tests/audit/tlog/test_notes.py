"""Signed notes, keys and checkpoints against published notes, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from datahub.audit.tlog import notes, tiles, tree
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import KeyType, Signer, VerifierKey
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.text import encode_base64
from datahub.audit.tlog.tiles import Tile

VECTORS = Path(__file__).parents[4] / "shared" / "vectors" / "tlog"
TESSERA = VECTORS / "tessera" / "testdata" / "log"
TESSERA_VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
needs_vectors = pytest.mark.skipif(
    not VECTORS.exists(), reason="the published vectors are not beside this repository"
)
HEAD = Checkpoint("example.org/log", 5, bytes(range(32)))


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "c2sp" / "spec_examples.json").read_text())
    return found


@needs_vectors
def test_the_note_of_the_specification_verifies(examples: dict[str, Any]) -> None:
    example = examples["signed_note_example"]
    key = VerifierKey.parse(example["vkey"])
    note = Note.parse(example["note"].encode())
    assert [each.key for each in note.verify([key])] == [key]
    assert note.encode() == example["note"].encode()
    with pytest.raises(TlogFault, match="not valid"):
        Note.parse(example["note"].replace("an example", "no example").encode()).verify([key])


@needs_vectors
def test_keys_of_the_go_implementation_are_read_and_bad_ones_refused(examples: dict[str, Any]) -> None:
    golang = examples["golang_note_test"]
    for name in ("peter_vkey", "enoch_vkey"):
        assert VerifierKey.parse(golang[name]).vkey == golang[name]
    assert Signer.parse(golang["peter_skey"]).key.vkey == golang["peter_vkey"]
    for vkey in golang["bad_vkeys"]:
        with pytest.raises(TlogFault):
            VerifierKey.parse(vkey)


@needs_vectors
def test_a_published_checkpoint_with_ml_dsa_verifies() -> None:
    vector = json.loads((VECTORS / "torchwood" / "mldsa44_checkpoint.json").read_text())
    key = VerifierKey.parse(vector["vkey"])
    raw = f"{vector['note_text']}\n{vector['signature_line']}\n".encode()
    head, note = notes.open_checkpoint(raw, [key], "example.com/mldsa-log")
    assert (key.type, note.encode()) == (KeyType.ML_DSA_44, raw)
    changed = Checkpoint(head.origin, head.size + 1, head.root).text
    with pytest.raises(TlogFault, match="not valid"):
        Note(changed, note.signatures).verify([key])


@needs_vectors
def test_the_log_of_tessera_is_reproduced_byte_for_byte() -> None:
    key = VerifierKey.parse(TESSERA_VKEY)
    entries: list[bytes] = []
    stored: dict[Tile, bytes] = {}
    for size in range(16):
        head, _ = notes.open_checkpoint((TESSERA / f"checkpoint.{size}").read_bytes(), [key], key.name)
        if size:
            path = Tile(tiles.BUNDLES, 0, size).path
            entries = tiles.parse_bundle((TESSERA / path).read_bytes(), size)
            assert tiles.bundle(entries) == (TESSERA / path).read_bytes()
            growth = tiles.grow(size - 1, [tree.leaf_hash(entries[-1])], stored.__getitem__)
            stored |= growth.tiles
            assert {tile.path: (TESSERA / tile.path).read_bytes() for tile in growth.tiles} == {
                tile.path: data for tile, data in growth.tiles.items()
            }
            assert growth.root == head.root
        assert head.size == size
    assert head.text in (TESSERA / "checkpoint").read_text()


@pytest.mark.parametrize("kind", list(KeyType))
def test_what_a_key_signs_it_verifies_and_nothing_else(kind: KeyType) -> None:
    signer = Signer("example.org/log", kind, b"s" * 32)
    assert Signer.parse(f"PRIVATE+KEY+{signer.name}+{signer.key.id.hex()}+{_typed(signer)}").key == signer.key
    assert VerifierKey.parse(signer.key.vkey) == signer.key
    assert "s" * 32 not in repr(signer)
    note = notes.sign(HEAD.text, [signer], timestamp=1_700_000_000)
    (signed,) = Note.parse(note.encode()).verify([signer.key])
    assert signed.timestamp == (None if kind is KeyType.ED25519 else 1_700_000_000)
    value = note.signatures[0].value
    for place in range(0, len(value), max(1, len(value) // 24)):
        broken = bytearray(value)
        broken[place] ^= 1
        with pytest.raises(TlogFault):
            signer.key.verify(note.text, bytes(broken))
    with pytest.raises(TlogFault):
        signer.key.verify(Checkpoint("example.org/log", 6, HEAD.root).text, value)


def _typed(signer: Signer) -> str:
    return encode_base64(bytes((signer.type,)) + signer.seed)


def test_unknown_keys_are_passed_over_and_known_ones_must_be_right() -> None:
    log, other = (Signer(name, KeyType.ED25519, name.encode() * 32) for name in "ab")
    note = notes.sign(HEAD.text, [log, other])
    assert [each.key for each in note.verify([log.key])] == [log.key]
    assert note.verify([]) == []
    forged = Note(note.text, (notes.Signature("a", log.key.id, bytes(64)), *note.signatures))
    with pytest.raises(TlogFault, match="not valid"):
        forged.verify([log.key])
    assert forged.verify([other.key])


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"text\n", b"text\n\n", b"text\n\n\xe2\x80\x94 a AAAAAAA=", b"text\n\n\xe2\x80\x94 a AAAA\n",
        b"text\n\n\xe2\x80\x94 a+b AAAAAAA=\n", b"text\n\n\xe2\x80\x94  AAAAAAA=\n", b"text\n\n- a AAAAAAA=\n",
        b"te\x00xt\n\n\xe2\x80\x94 a AAAAAAA=\n", b"te\xffxt\n\n\xe2\x80\x94 a AAAAAAA=\n",
        b"text\n\n" + b"\xe2\x80\x94 a AAAAAAA=\n" * 101, b"x" * (notes.MAX_NOTE_BYTES + 1),
        b"text\n\n\xe2\x80\x94 a AAA*AAAA\n", b"text\r\n\r\n\xe2\x80\x94 a AAAAAAA=\r\n",
    ],
)  # fmt: skip
def test_what_is_no_signed_note_is_refused(raw: bytes) -> None:
    with pytest.raises(TlogFault):
        Note.parse(raw)


@pytest.mark.parametrize(
    "change",
    [
        ("5\n", "05\n"), ("5\n", "-5\n"), ("5\n", "\uff15\n"), ("5\n", f"{2**63}\n"), ("=\n", "\n"), ("=\n", "=\n\n"),
        ("=\n", "="), ("example.org/log", ""), ("5\n", "0\n"), ("8=", "9="), ("5\n", "5" * 5000 + "\n"),
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(change: tuple[str, str]) -> None:
    assert Checkpoint.parse(HEAD.text) == HEAD
    assert change[0] in HEAD.text
    with pytest.raises(TlogFault):
        Checkpoint.parse(HEAD.text.replace(*change))


def test_extension_lines_are_kept_because_they_are_signed() -> None:
    text = HEAD.text + "extension line\n"
    assert Checkpoint.parse(text).extensions == ("extension line",)
    assert Checkpoint.parse(text).text == text

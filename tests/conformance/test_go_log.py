"""A log that we wrote, read by two implementations that are not ours (Go: Tessera's fsck, golang.org/x/mod/sumdb)."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from datahub.audit.tlog import tiles, tree
from datahub.audit.tlog.text import encode_base64
from datahub.audit.tlog.tiles import BUNDLES, Tile
from tests.audit.tlog.written import ED25519, ORIGIN, WrittenLog, a_log

SOURCE = Path(__file__).parent / "go" / "logcheck"
CACHE = Path(__file__).parents[2] / ".cache" / "go"
BUILD_S = 240


@pytest.fixture(scope="module")
def logcheck() -> Path:
    """The program, built once for its source; where it cannot be built the tests are skipped and say why."""
    if shutil.which("go") is None:
        pytest.skip("there is no Go toolchain here")
    source = b"".join((SOURCE / name).read_bytes() for name in ("main.go", "go.mod", "go.sum"))
    program = CACHE / f"logcheck-{hashlib.sha256(source).hexdigest()[:16]}"
    if not program.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        fresh = program.with_name(f"{program.name}.{os.getpid()}")
        environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
        try:
            built = subprocess.run(
                ["go", "build", "-o", fresh, "."],
                cwd=SOURCE,
                env=environment,
                capture_output=True,
                text=True,
                timeout=BUILD_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.skip("the Go program was not built in time")
        if built.returncode:
            pytest.skip(f"the Go program cannot be built here (offline?): {built.stderr.strip()[-200:]}")
        fresh.replace(program)
    return program


def run(program: Path, folder: Path, *words: str, proofs: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, folder, ORIGIN, ED25519.key.vkey, *words],
        input=proofs,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def log() -> WrittenLog:
    return a_log(66_000)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_tessera_finds_nothing_wrong(logcheck: Path, tmp_path: Path, size: int) -> None:
    answer = run(logcheck, a_log(size).write(tmp_path))
    assert (answer.returncode, answer.stdout) == (0, "ok\n"), answer.stderr


def test_sumdb_authenticates_our_tiles_and_takes_our_proofs(
    logcheck: Path, log: WrittenLog, tmp_path: Path
) -> None:
    read = tiles.nodes(log.head.size, log.read_tile)
    lines = [
        *map(encode_base64, tree.inclusion_proof(33_333, log.head.size, read)),
        "",
        *map(encode_base64, tree.consistency_proof(33_000, log.head.size, read)),
        "",
    ]
    proofs = "".join(f"{line}\n" for line in lines)
    folder = log.write(tmp_path)
    answer = run(logcheck, folder, "33333", "33000", proofs=proofs)
    assert (answer.returncode, answer.stdout) == (0, "ok\n"), answer.stderr
    assert run(logcheck, folder, "33334", "33000", proofs=proofs).returncode == 1
    assert run(logcheck, folder, "33333", "32999", proofs=proofs).returncode == 1


@pytest.mark.parametrize("path", [Tile(BUNDLES, 1).path, Tile(0, 1).path, Tile(0, 2, 88).path, "checkpoint"])
def test_tessera_finds_a_flipped_bit_as_we_do(logcheck: Path, tmp_path: Path, path: str) -> None:
    folder = a_log(600).write(tmp_path)
    data = bytearray((folder / path).read_bytes())
    data[30] ^= 1
    (folder / path).write_bytes(data)
    assert run(logcheck, folder).returncode == 1

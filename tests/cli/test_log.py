"""`datahub log verify` as people and pipelines call it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datahub.audit.tlog.tiles import BUNDLES, Tile
from datahub.cli import main
from tests.audit.tlog.written import POLICY, WrittenLog, a_log


def verify(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["log", "verify", *map(str, words)])


@pytest.fixture
def log() -> WrittenLog:
    return a_log(600)


@pytest.fixture
def folder(log: WrittenLog, tmp_path: Path) -> Path:
    (tmp_path / "policy").write_bytes(POLICY.encode())
    return log.write(tmp_path / "log")


def test_a_log_verifies_and_says_what_that_means(folder: Path) -> None:
    answer = verify(folder, "--policy", folder.parent / "policy")
    assert answer.exit_code == 0, answer.output
    assert "VERIFIED" in answer.output
    assert "each of the 600 entries" in answer.output
    assert "not that nothing was left out" in answer.output
    assert "cosigned by w1 at 2027-01-15T08:00:00Z" in answer.output


def test_a_policy_of_the_log_itself_is_not_taken_for_proof(folder: Path) -> None:
    answer = verify(folder, "--json")
    report = json.loads(answer.output)
    assert (answer.exit_code, report["result"], report["size"], report["entriesChecked"]) == (
        0,
        "verified",
        600,
        600,
    )
    assert any("trust policy came from the log itself" in each for each in report["notProven"])


def test_a_changed_entry_is_named(folder: Path) -> None:
    path = folder / Tile(BUNDLES, 1).path
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    answer = verify(folder, "--policy", folder.parent / "policy", "--json")
    report = json.loads(answer.output)
    assert (answer.exit_code, report["result"]) == (1, "failed")
    assert [each["code"] for each in report["findings"]] == ["entry-changed"]
    assert report["findings"][0]["where"] == "tile/entries/001"
    assert report["proven"] == []


def test_an_old_backup_and_a_fork_are_named(folder: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    newer.write_bytes(a_log(700).files["checkpoint"])
    assert "rolled-back" in verify(folder, "--since", newer).output
    forked = tmp_path / "forked"
    forked.write_bytes(WrittenLog().grow([b"other"]).files["checkpoint"])
    answer = verify(folder, "--since", forked, "--growth-only")
    assert (answer.exit_code, "forked" in answer.output) == (1, True)


def test_growth_alone_reads_no_entries(folder: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.write_bytes(a_log(300).files["checkpoint"])
    for bundle in (folder / "tile" / "entries").rglob("*"):
        if bundle.is_file():
            bundle.unlink()
    answer = verify(folder, "--since", older, "--growth-only")
    assert answer.exit_code == 0, answer.output
    assert "the log begins with all that older covers" in answer.output
    assert "they were not read" in answer.output


def test_a_receipt_stands_alone(log: WrittenLog, folder: Path, tmp_path: Path) -> None:
    receipt, entry = tmp_path / "access.tlog-proof", tmp_path / "entry"
    receipt.write_bytes(log.receipt(417).encode())
    policy = ("--policy", folder.parent / "policy")
    answer = verify("--receipt", receipt, *policy)
    assert (answer.exit_code, "number 417 of the 600" in answer.output) == (0, True), answer.output
    entry.write_bytes(log.entries[418])
    answer = verify("--receipt", receipt, "--entry", entry, *policy)
    assert (answer.exit_code, "not-included" in answer.output) == (1, True)
    receipt.write_bytes(log.receipt(417).encode().replace(b"index 417", b"index 0417"))
    answer = verify("--receipt", receipt, *policy)
    assert (answer.exit_code, "receipt-malformed" in answer.output) == (1, True)


@pytest.mark.parametrize(
    "words", [(), ("x", "--receipt", "y"), ("--receipt", __file__), (".", "--growth-only")]
)
def test_wrong_usage_is_told(words: tuple[str, ...]) -> None:
    assert verify(*words).exit_code == 2


def test_a_source_that_cannot_be_read_is_not_called_wrong() -> None:
    answer = verify("http://127.0.0.1:9/log", "--json")
    report = json.loads(answer.output)
    assert (answer.exit_code, report["result"], report["findings"]) == (3, "not-checked", [])


def test_a_folder_without_a_checkpoint_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "trust-policy").write_bytes(POLICY.encode())
    answer = verify(tmp_path)
    assert (answer.exit_code, "checkpoint-missing" in answer.output) == (1, True)

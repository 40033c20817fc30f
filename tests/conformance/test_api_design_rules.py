"""The OpenAPI document keeps the NL API Design Rules, as their own linter judges it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from datahub.app import build
from tests.build import some_settings

HERE = Path(__file__).parent / "spectral"
ROOT = HERE.parents[2]
RULESET = ROOT.parent / "shared" / "vectors" / "nl-api-design-rules" / "linter.yaml"


@pytest.fixture(scope="session")
def spectral() -> Path:
    """The linter, installed from its lock file; kept in .cache between runs."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, and the linter of the design rules is a Node program")
    if not RULESET.exists():
        pytest.skip(f"the ruleset is not at {RULESET}")
    folder = ROOT / ".cache" / "spectral"
    binary = folder / "node_modules" / ".bin" / "spectral"
    if (
        not binary.exists()
        or (folder / "package-lock.json").read_bytes() != (HERE / "package-lock.json").read_bytes()
    ):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder / name)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True)
    return binary


def _lint(spectral: Path, document: object, folder: Path) -> list[dict[str, object]]:
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    found = folder / "findings.json"
    command: list[str | Path] = [spectral, "lint", "-r", RULESET, "-f", "json", "-o", found, "-q", file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 2 is trouble of the linter's own
    findings: list[dict[str, object]] = json.loads(found.read_text())
    return findings


def test_the_document_has_no_error_and_no_warning(spectral: Path, tmp_path: Path) -> None:
    settings = some_settings(tmp_path, base_url="https://hub.example")
    findings = _lint(spectral, build(settings).state.openapi.published, tmp_path)
    assert [(f["code"], f["path"]) for f in findings] == []


def test_the_linter_bites(spectral: Path, tmp_path: Path) -> None:
    settings = some_settings(tmp_path, base_url="https://hub.example")
    document = json.loads(json.dumps(build(settings).state.openapi.published))
    document["paths"]["/Bad_Path/"] = document["paths"].pop("/participants")
    codes = {f["code"] for f in _lint(spectral, document, tmp_path)}
    assert "nlgov:paths-kebab-case" in codes

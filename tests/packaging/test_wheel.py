"""The wheel: the same bytes twice, all its data inside, and a client that installs without a server."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from datahub import __version__

ROOT = Path(__file__).parents[2]
UV = str(Path(sys.executable).parent / "uv")
# What a program of a consumer must not have to install.
SERVERS = ("fastapi", "sqlmodel", "duckdb", "sqlalchemy", "uvicorn", "obstore", "polars")
NO_REGISTRY = (
    r"dns error|name resolution|connection refused|error sending request|NewConnectionError|timed out"
)
ASKS = """
import importlib.util, sys
import datahub.client
datahub.client.Hub
there = [name for name in sys.argv[1].split(",") if importlib.util.find_spec(name)]
assert not there, there
"""


def built(folder: Path) -> Path:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
    command = [UV, "build", "--wheel", "--quiet", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, env=environment, check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


def test_two_builds_are_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    assert built(tmp_path).read_bytes() == wheel.read_bytes()


def test_the_wheel_has_types_policies_and_migrations_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "datahub/py.typed" in names
    assert "datahub/client/filesystem.py" in names
    assert any(name.startswith("datahub/_policies/") for name in names)
    assert any(name.startswith("datahub/migrations/versions/0001") for name in names)
    assert not [name for name in names if name.startswith("tests/") or name.endswith(".pyc")]


def test_every_extra_that_is_promised_is_there(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(metadata).decode()
    for extra in ("client", "server", "postgres", "s3", "all"):
        assert f"Provides-Extra: {extra}\n" in text


def sbom() -> str:
    command = [sys.executable, str(ROOT / ".ci/sbom"), UV, __version__]
    epoch = os.environ | {"SOURCE_DATE_EPOCH": "1767225600"}
    return subprocess.run(command, env=epoch, check=True, capture_output=True, text=True).stdout


def test_the_sbom_is_the_same_twice_and_names_all_that_the_wheel_needs(wheel: Path) -> None:
    text = sbom()
    assert sbom() == text
    bom = json.loads(text)
    assert (bom["bomFormat"], bom["metadata"]["component"]["version"]) == ("CycloneDX", __version__)
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    needed = re.findall(r"^Requires-Dist: ([\w.-]+)", archive.read(metadata).decode(), re.MULTILINE)
    named = {part["name"]: part for part in bom["components"]}
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in needed} - {"datahub"} <= set(named)
    assert all(part["purl"].startswith("pkg:pypi/") and part["version"] for part in named.values())


def installed(command: Sequence[str | Path], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run what needs the package registry; skip where there is none to be reached."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    said = done.stdout + done.stderr
    if done.returncode and re.search(NO_REGISTRY, said, re.IGNORECASE):
        pytest.skip(f"no package registry can be reached: {said.strip().splitlines()[-1]}")
    assert done.returncode == 0, said
    return done


@pytest.mark.soak
def test_the_client_installs_alone_and_the_program_as_a_tool(wheel: Path, tmp_path: Path) -> None:
    """In clean environments, from the package registry: not without one."""
    python = tmp_path / "alone/bin/python"
    installed([UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "alone"])
    installed([UV, "pip", "install", "--quiet", "--python", python, f"datahub[client] @ {wheel.as_uri()}"])
    subprocess.run([str(python), "-c", ASKS, ",".join(SERVERS)], check=True, cwd=tmp_path)
    tools = {**os.environ, "UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    whole = f"datahub[all] @ {wheel.as_uri()}"
    installed([UV, "tool", "install", "--quiet", "--python", sys.executable, whole], env=tools)
    home = {**os.environ, "DATAHUB_HOME": str(tmp_path / "home")}
    ran = installed([tmp_path / "bin/datahub", "init", "--name", "Tool"], env=home, cwd=tmp_path)
    assert "client_id=" in ran.stdout


@pytest.mark.soak
def test_pip_and_pipx_install_it_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """As above, with the tools that come with Python."""
    python, boxes = tmp_path / "env/bin/python", tmp_path / "boxes"
    installed([sys.executable, "-m", "venv", tmp_path / "env"])
    installed([python, "-m", "pip", "install", "-q", "pipx", f"datahub[client] @ {wheel.as_uri()}"])
    assert installed([python.with_name("datahub"), "--version"]).stdout == f"datahub {__version__}\n"
    env = {**os.environ, "PIPX_HOME": str(boxes), "PIPX_BIN_DIR": str(boxes / "bin")}
    installed([python, "-m", "pipx", "install", "--quiet", f"datahub[client] @ {wheel.as_uri()}"], env=env)
    nowhere = [str(boxes / "bin/datahub"), "dataset", "list", "--url", "http://127.0.0.1:9"]
    done = subprocess.run(nowhere, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "does not answer" in done.stderr) == (8, True)

"""The import contracts bite: each is shown a small tree that breaks it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREE = {
    "kernel": ["clock", "db", "settings", "errors"],
    "policy": ["model", "evaluate"],
    "participants": [],
    "catalog": ["routes", "schemas", "jobs", "service", "rules", "store", "models", "errors"],
    "oauth": ["grants", "forms"],
    "app": [],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree as the plan has it, with nothing in its modules."""
    for package, modules in TREE.items():
        (tmp_path / "datahub" / package).mkdir(parents=True)
        for name in ("__init__", *modules):
            (tmp_path / "datahub" / package / f"{name}.py").touch()
    (tmp_path / "datahub" / "__init__.py").touch()
    return tmp_path


def broken_contracts(tree: Path) -> set[str]:
    environment = os.environ | {
        "PYTHONPATH": f"{tree}:{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run(
        [linter, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in answer.stdout, answer.stdout + answer.stderr
    return {line.removesuffix(" BROKEN") for line in answer.stdout.splitlines() if line.endswith(" BROKEN")}


def test_a_tree_after_the_plan_breaks_nothing(tree: Path) -> None:
    assert broken_contracts(tree) == set()


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("kernel/errors", "import datahub.catalog", "Tiers"),
        ("catalog/service", "from datahub import oauth", "Tiers"),
        ("assets/__init__", "", "Tiers"),
        ("catalog/service", "from datahub.catalog import schemas", "Inside a slice"),
        ("catalog/rules", "from datahub.catalog import store", "Inside a slice"),
        ("catalog/schemas", "from datahub.catalog import jobs", "Inside a slice"),
        ("catalog/utils", "", "Inside a slice"),
        ("oauth/forms", "from datahub.oauth import grants", "Inside oauth"),
        ("catalog/rules", "import sqlmodel", "Rules are pure"),
        ("catalog/rules", "import os", "Rules are pure"),
        ("catalog/rules", "from datahub.kernel import db", "Rules are pure"),
        ("catalog/rules/states", "import random", "Rules are pure"),
        ("policy/evaluate", "import sqlalchemy.orm", "Policy is pure"),
        ("policy/evaluate", "from datahub.kernel.settings import Settings", "Policy is pure"),
        ("catalog/service", "from fastapi import Request", "Business code knows no HTTP"),
        ("catalog/store", "import starlette.responses", "Business code knows no HTTP"),
        ("catalog/service/upload", "import httpx2", "Business code knows no HTTP"),
    ],
)
def test_a_breach_is_caught(tree: Path, module: str, line: str, contract: str) -> None:
    path = tree / "datahub" / f"{module}.py"
    if not path.parent.exists():
        path.parent.with_suffix(".py").unlink(missing_ok=True)
        path.parent.mkdir()
        (path.parent / "__init__.py").touch()
    path.write_text(f"{line}\n")
    assert broken_contracts(tree) == {contract}


def test_a_circle_inside_an_engine_is_caught(tree: Path) -> None:
    policy = tree / "datahub" / "policy"
    (policy / "model.py").write_text("from datahub.policy import evaluate\n")
    (policy / "evaluate.py").write_text("from datahub.policy import model\n")
    assert broken_contracts(tree) == {"No circles"}

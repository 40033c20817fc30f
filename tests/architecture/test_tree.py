"""The shape of the source tree: what import-linter cannot see."""

import ast
import tomllib
from importlib import import_module
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "datahub"
TESTS = ROOT / "tests"
MODULES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))

MAX_LINES = 400
MAX_KERNEL_MODULES = 10
# Folders of tests that mirror no package.
OTHER_TESTS = {"architecture", "bench", "browser", "conformance", "journeys", "packaging"}
# Composition roots: they alone know the inside of slices.
KNOW_EVERYTHING = ("datahub.app", "datahub.worker", "datahub.migrations")
# The kernel has no front door: it is a shelf of small modules.
SHELF = "datahub.kernel."
EMPTY_WORDS = ("Manager", "Handler", "Helper", "Util", "Utils", "Impl", "Base", "Data", "Info")
DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "base"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in [*MODULES, *TESTS.rglob("*.py")]}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    assert [named(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_is_a_drawer_for_oddments() -> None:
    assert [named(path) for path in MODULES if path.stem in DRAWERS] == []


def test_no_class_has_an_empty_word_for_a_name() -> None:
    classes = [
        f"{named(path)}: {node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if name.endswith(EMPTY_WORDS)] == []


def test_the_kernel_stays_small() -> None:
    inside = [
        path
        for path in (SOURCE / "kernel").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    modules = sorted(path.stem for path in inside if path.name != "__init__.py")
    assert len(modules) <= MAX_KERNEL_MODULES, modules


def test_every_folder_of_tests_mirrors_a_package() -> None:
    folders = {path.parent.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/*.py")}
    assert folders - OTHER_TESTS <= set(PACKAGES)


def test_every_package_has_a_folder_of_tests() -> None:
    folders = {path.parent.name for path in TESTS.glob("*/test_*.py")}
    assert set(PACKAGES) - {"migrations"} <= folders


def test_every_slice_keeps_the_layers_inside() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    held = next(each["containers"] for each in settings["contracts"] if each["name"] == "Inside a slice")
    slices = {
        path.name
        for path in SOURCE.iterdir()
        if (path / "service.py").exists() or (path / "service" / "__init__.py").exists()
    }
    assert slices - {"oauth"} <= {name.removeprefix("datahub.") for name in held}


def test_slices_are_entered_by_the_front_door() -> None:
    assert climbed_in(grimp.build_graph("datahub", cache_dir=None)) == []


@pytest.mark.parametrize(
    ("importer", "imported", "is_breach"),
    [
        ("datahub.contracts.service", "datahub.catalog", False),
        ("datahub.contracts.service", "datahub.catalog.store", True),
        ("datahub.cli.demo", "datahub.catalog.service", True),
        ("datahub.catalog.service", "datahub.catalog.store", False),
        ("datahub.catalog.store", "datahub.kernel.paging", False),
        ("datahub.app", "datahub.catalog.routes", False),
        ("datahub.worker", "datahub.contracts.jobs", False),
    ],
)
def test_climbing_in_is_noticed(importer: str, imported: str, is_breach: bool) -> None:
    graph = grimp.ImportGraph()
    graph.add_import(importer=importer, imported=imported)
    assert bool(climbed_in(graph)) is is_breach


def climbed_in(graph: grimp.ImportGraph) -> list[str]:
    return [
        f"{importer} imports {imported}"
        for importer in sorted(graph.modules)
        if not importer.startswith(KNOW_EVERYTHING)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        if imported.count(".") > 1
        and importer.split(".")[:2] != imported.split(".")[:2]
        and not imported.startswith(SHELF)
        and not is_exported(imported)
    ]


def is_exported(imported: str) -> bool:
    """The front door may offer a function of the same name as the module it lives in: `policy.render`."""
    package, _, name = imported.rpartition(".")
    return name in getattr(import_module(package), "__all__", ())

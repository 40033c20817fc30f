"""What the documentation says about the code is compared with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from datahub.kernel.settings import Settings
from tests.architecture import reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def _settings_table() -> str:
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        text = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        assert text is not PydanticUndefined
        rows.append(
            f"| `DATAHUB_{name.upper()}` | {f'`{text}`' if text != '' else ''} | {field.description} |"
        )
    return "\n".join(rows)


def test_the_settings_table_is_what_the_code_says() -> None:
    page = (ROOT / "docs/running.md").read_text()
    found = re.search(r"<!-- settings:[^>]*-->\n(.*?)<!-- /settings -->", page, re.DOTALL)
    assert found is not None
    assert found[1].strip() == _settings_table()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.PAGES[name](), "run: make openapi"


def test_the_site_is_whole_and_reads_without_a_network(tmp_path: Path) -> None:
    """Sphinx fails on a link, an anchor or a chapter that is not there; no page loads anything from elsewhere."""
    run = [sys.executable, *map(str, (ROOT / "docs/site.py", tmp_path / "site", tmp_path / "scratch"))]
    built = subprocess.run(run, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert {"README.html", "start.html"} <= {page.name for page in pages}
    for page in pages:
        loaded = re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(https?:[^\"]*)", page.read_text())
        assert not loaded, page.name


def test_no_file_the_pages_name_is_missing() -> None:
    for page in PAGES:
        for name in re.findall(r"`((?:src|docs|tests|policies|openapi)/[\w./-]+\w)`", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name} names {name}"


if __name__ == "__main__":
    path = ROOT / "docs/running.md"
    parts = re.split(r"(<!-- settings:[^>]*-->\n|<!-- /settings -->)", path.read_text())
    parts[2] = _settings_table() + "\n"
    path.write_text("".join(parts))

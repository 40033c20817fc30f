"""`make docs`: these pages as a folder of HTML in `.cache/site`, read and searched without a network.

Sphinx with MyST; a link or an anchor that leads nowhere ends the build.
"""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# Pages at the repository's root, and their names here: README.md is the index of this folder.
ROOT_PAGES = {
    "README.md": "start.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
CHAPTERS: Mapping[str, Sequence[str]] = {
    "Start": ("start", "tour", "comparison", "glossary"),
    "Guides": (
        "guides/publish",
        "guides/request",
        "guides/decide",
        "guides/fetch",
        "guides/ask-people",
        "guides/review-the-log",
        "guides/run-in-production",
        "guides/back-up-and-restore",
    ),
    "In depth": (
        *("api-guide", "auth", "policies", "consent", "duties", "queries", "live-apis"),
        *("decisions", "data-plane", "access-log", "verifying-the-log", "running"),
    ),
    "Reference": ("reference/cli", "reference/api", "reference/policy-terms", "problems"),
    "Contributing": ("contributing", "security", "changelog", "adr/*"),
}
SETTINGS = {
    "project": "Datahub",
    "copyright": "The Datahub team, Apache-2.0",
    "root_doc": "README",
    "extensions": ["myst_parser"],
    "html_theme": "furo",
    "html_title": "Datahub",
    "html_copy_source": False,
    "html_show_sphinx": False,
    "myst_heading_anchors": 4,
    "myst_links_external_new_tab": False,
    # Shell sessions and schemas with dots in them are no whole programs.
    "suppress_warnings": ["misc.highlighting_failure"],
}
_LINK = re.compile(r"\]\(([^)#:\s]+)(#[^)\s]*)?\)")


def gather(to: Path) -> None:
    """Copy the pages to `to`, with links that lead to where the site has them."""
    pages = {each: each.relative_to(DOCS) for each in DOCS.rglob("*.md")}
    pages |= {ROOT / name: Path(here) for name, here in ROOT_PAGES.items()}
    for page, here in pages.items():
        text = page.read_text(encoding="utf-8")
        target = to / here
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_led(text, page, here, pages) + (_chapters() if page == DOCS / "README.md" else ""))


def _led(text: str, page: Path, here: Path, pages: Mapping[Path, Path]) -> str:
    def led(link: re.Match[str]) -> str:
        target = (page.parent / link[1]).resolve()
        if target in pages:
            up = "../" * (len(here.parts) - 1)
            return f"]({up}{pages[target].as_posix()}{link[2] or ''})"
        # What is no page, as a licence or a folder, is named only; what is not there stays, and ends the build.
        return "]" if target.exists() else link[0]

    blocks = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(block if block.startswith("```") else _LINK.sub(led, block) for block in blocks)


def _chapters() -> str:
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {name}\n\n" + "\n".join(pages) + "\n```\n"
        for name, pages in CHAPTERS.items()
    )


def build(to: Path, scratch: Path) -> int:
    """Write the site to `to`; return 0, or 1 when a page is not in a chapter or a link leads nowhere."""
    from sphinx.application import Sphinx  # noqa: PLC0415 — a tool of the documentation's group alone

    shutil.rmtree(scratch, ignore_errors=True)
    gather(scratch / "pages")
    site = Sphinx(
        scratch / "pages",
        None,
        to,
        scratch / "trees",
        "html",
        SETTINGS,
        status=None,
        warning=sys.stderr,
        warningiserror=True,
        exception_on_warning=False,
    )
    site.build()
    return site.statuscode


if __name__ == "__main__":
    said = [*sys.argv[1:], str(ROOT / ".cache/site"), str(ROOT / ".cache/pages")]
    site_folder, scratch_folder = Path(said[0]), Path(said[1])
    end = build(site_folder, scratch_folder)
    sys.stderr.write(f"Read it: {site_folder / 'README.html'}\n" if end == 0 else "Not whole: see above.\n")
    sys.exit(end)

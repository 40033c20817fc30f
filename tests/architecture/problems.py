"""Writes docs/problems.md: `python -m tests.architecture.problems > docs/problems.md`, by `make openapi`."""

import sys

import datahub.app  # noqa: F401 — importing the whole exchange makes every refusal known
from datahub.web import pages


def document() -> str:
    """Return the page that lists every refusal."""
    lines = [
        "# Refusals",
        "",
        "Every refusal is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem. Its `type` ends in the code",
        "below and leads to a page on the exchange itself; `errors` names every fault of the request by JSON pointer.",
        "OAuth addresses answer in OAuth's own form (RFC 6749 §5.2).",
        "",
        "| code | status | title | meaning |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{kind.code()}` | {pages.status_of_kind(kind)} | {kind.title} | {pages.meaning(kind)} |"
        for kind in pages.refusals()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())

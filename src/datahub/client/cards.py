"""Cards for notebooks: plain HTML without script, every value escaped."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_BOX = "border:1px solid #8888;border-radius:8px;padding:12px 16px;max-width:720px;font-family:sans-serif"
_CELL = "text-align:left;padding:2px 12px 2px 0"


def card(title: str, subtitle: str, facts: Mapping[str, Any]) -> str:
    """Return a box with a title, a line under it, and facts by name."""
    rows = "".join(
        f'<tr><th style="{_CELL}">{escape(name)}</th><td style="{_CELL}">{escape(str(value))}</td></tr>'
        for name, value in facts.items()
        if value not in (None, "", [])
    )
    return (
        f'<div style="{_BOX}"><strong>{escape(title)}</strong><br><small>{escape(subtitle)}</small>'
        f'<table style="margin-top:8px">{rows}</table></div>'
    )


def listing(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a box with a table."""
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in columns)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{_CELL}">{escape(str(row.get(c) or ""))}</td>' for c in columns)
        + "</tr>"
        for row in rows
    )
    return f'<div style="{_BOX}"><strong>{escape(title)}</strong><table><tr>{head}</tr>{body}</table></div>'


def words(text: Mapping[str, str] | None) -> str:
    """Return a text in English, or in what there is."""
    if not text:
        return ""
    return text.get("en") or next((each for each in text.values() if each), "")

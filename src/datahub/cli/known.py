"""What TAB completes from the exchange: references and ids that the caller may see.

TAB must not hang: they come from a cache, or from an exchange that answers at once; else it shows nothing.
"""

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

CACHE_S, TIMEOUT_S = 60, 0.3
_MOST = 200
# An argument's name → the list that its values come from, the field that is completed, and the one that explains it.
LISTS: Mapping[str, tuple[str, str, str]] = {
    "DATASET": ("/v1/datasets", "ref", "title"),
    "OFFER": ("/v1/datasets/{dataset}/offers", "id", "title"),
    "REQUEST": ("/v1/access-requests", "id", "status"),
    "AGREEMENT": ("/v1/agreements", "id", "standing"),
    "DUTY": ("/v1/duties", "id", "state"),
    "PARTICIPANT": ("/v1/participants", "id", "name"),
    "CLIENT": ("/v1/clients", "id", "name"),
    "ENTRY": ("/v1/log-entries", "id", "action"),
    "DECISION": ("/v1/log-entries", "decisionId", "code"),
    "REVIEW": ("/v1/log-reviews", "id", "state"),
    "FORWARD": ("/v1/log-forwards", "id", "url"),
}


def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Give what an argument's list has that begins so: kept for a minute, asked for a third of a second."""
    from click.shell_completion import CompletionItem

    with contextlib.suppress(Exception):  # TAB shows nothing rather than a fault
        found = _known(LISTS[str(param.metavar).strip("[]")], ctx.params)
        return [CompletionItem(value, help=words) for value, words in found if value.startswith(incomplete)]
    return []


def _known(wanted: tuple[str, str, str], said: Mapping[str, Any]) -> list[tuple[str, str]]:
    from datahub.client import Hub, Retries
    from datahub.client.profiles import load, profiles_file

    (path, field, about), ref = wanted, str(said.get("ref"))
    url, caller = said.get("url"), load(said.get("profile"))
    # Another caller sees other things: what is kept is kept for one.
    whose = " ".join((url or caller.url, caller.client_id, path.format(dataset=ref), field))
    cache = profiles_file().parent / "cache" / "known.json"
    kept = _kept(cache)
    if whose in kept and time.time() - kept[whose]["at"] < CACHE_S:
        return [(value, text) for value, text in kept[whose]["known"]]
    with Hub(url, profile=caller, timeout_s=TIMEOUT_S, retries=Retries(attempts=1)) as hub:
        if "{" in path:
            path = path.format(dataset=hub.datasets.get(ref).id)
        items = hub.items(path, limit=_MOST)
        known = list({str(item[field]): _words(item.get(about)) for item in items if item[field]}.items())
    cache.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    cache.write_text(json.dumps(kept | {whose: {"at": time.time(), "known": known}}), encoding="utf-8")
    return known


def _words(about: Any) -> str:
    return str((about.get("en") or about.get("nl") if isinstance(about, Mapping) else about) or "")


def _kept(cache: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found

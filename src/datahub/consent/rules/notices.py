"""What a notice covers, and what of a newer one an older consent does not cover. Pure.

One part is one purpose, for one recipient, about one column. Consent to an older notice covers the parts that both
notices have; only the others are asked for. `as_policy` says the same in ODRL, for the engine to compare.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datahub.consent.models import Choice
from datahub.consent.rules.lives import Entry
from datahub.consent.rules.purposes import ANYBODY


@dataclass(frozen=True)
class Part:
    """What of a notice is new to somebody: recipients and columns of one purpose. Empty `data`: all columns."""

    purpose: str
    recipients: tuple[str, ...]
    data: tuple[str, ...]


def entry_of(raw: Mapping[str, Any]) -> Entry:
    """Read one purpose of a rule as it is stored."""
    data = raw["data"]
    return Entry(
        purpose=raw["purpose"],
        basis=raw["basis"],
        choice=Choice(raw["choice"]),
        is_explicit=raw["isExplicit"],
        recipients=frozenset(raw["recipients"]),
        data=None if data is None else frozenset(data),
        validity_days=raw["validityDays"],
    )


def entries_of(purposes: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    """Read the purposes of a rule as they are stored, by purpose."""
    return {raw["purpose"]: entry_of(raw) for raw in purposes}


def covers(consented: Entry, tokens: frozenset[str], columns: frozenset[str] | None) -> bool:
    """Tell whether an entry, as it was put to people, covers a recipient and columns (None: all of them)."""
    if consented.recipients.isdisjoint(tokens):
        return False
    if consented.data is None:
        return True
    return columns is not None and columns <= consented.data


def beyond(old: Entry | None, new: Entry) -> Sequence[Part]:
    """Return the parts of an entry that consent to an older one does not cover: nothing, when it covers all of it."""
    everything = Part(new.purpose, tuple(sorted(new.recipients)), tuple(sorted(new.data or ())))
    if old is None or old.choice is not Choice.OPT_IN or (new.is_explicit and not old.is_explicit):
        return [everything]
    parts = []
    is_everybody = ANYBODY in old.recipients
    fresh = frozenset[str]() if is_everybody else new.recipients - old.recipients
    if fresh:
        parts.append(Part(new.purpose, tuple(sorted(fresh)), everything.data))
    shared = tuple(sorted(new.recipients if is_everybody else new.recipients & old.recipients))
    if shared and old.data is not None:
        more = None if new.data is None else new.data - old.data
        if more is None or more:
            parts.append(Part(new.purpose, shared, tuple(sorted(more or ()))))
    return parts


def as_policy(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return what some entries let happen as an ODRL Set, each a permission, so that the engine can compare two."""
    return {
        "@context": "http://www.w3.org/ns/odrl.jsonld",
        "@type": "Set",
        "uid": "urn:datahub:notice",
        "permission": [{"action": "use", "constraint": _constraints(each)} for each in entries],
    }


def _constraints(entry: Entry) -> list[dict[str, Any]]:
    def one(operand: str, operator: str, right: Any) -> dict[str, Any]:
        return {"leftOperand": operand, "operator": operator, "rightOperand": right}

    found = [one("purpose", "isA", entry.purpose)]
    if ANYBODY not in entry.recipients:
        names = [f"urn:datahub:recipient:{each}" for each in sorted(entry.recipients)]
        found.append(one("recipient", "isAnyOf", names))
    return found if entry.data is None else [*found, one("dh:column", "isAnyOf", sorted(entry.data))]

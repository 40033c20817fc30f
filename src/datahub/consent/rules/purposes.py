"""Purposes and recipients: which entry of a rule answers for a purpose, and by what names a recipient is in it. Pure.

Purposes form a DAG (DPV 2.3): one may fall under several broader ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datahub.policy import taxonomies

DPV = "https://w3id.org/dpv#"
CLASS = "class:"
ANYBODY = "class:participants"


def purpose_iri(text: str) -> str | None:
    """Return a purpose as full DPV IRI, from an IRI or `dpv:Name`; None when the vocabulary does not know it."""
    name = _short(text)
    return DPV + name.removeprefix("dpv:") if name in taxonomies()["purpose"] else None


def purpose_label(purpose: str, lang: str) -> str:
    """Return what people call a purpose."""
    return taxonomies()["purpose"].label(_short(purpose), lang)


def falls_under(purpose: str, broader: str) -> bool:
    """Tell whether a purpose is another one or falls under it; what the vocabulary does not know falls under nothing."""
    return bool(taxonomies()["purpose"].falls_under(_short(purpose), _short(broader)))


def answering(purpose: str, entries: Iterable[str]) -> Sequence[str]:
    """Return the purposes of a rule that a purpose falls under, each after everything it falls under itself."""
    found = [each for each in entries if falls_under(purpose, each)]
    return sorted(found, key=lambda each: (sum(falls_under(each, other) for other in found), each))


def purposes_below(purpose: str) -> frozenset[str]:
    """Return a purpose and all that fall under it, as `dpv:Name`."""
    return taxonomies()["purpose"].below(_short(purpose))


def parents_among(purpose: str, entries: Sequence[str]) -> Sequence[str]:
    """Return the nearest purposes among `entries` that a purpose falls under, itself left out."""
    above = [each for each in entries if each != purpose and falls_under(purpose, each)]
    return [each for each in above if not any(o != each and falls_under(o, each) for o in above)]


def tokens_of(names: Iterable[str], classes: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return everything by which a rule can mean an organisation: its names, and the classes it is a member of."""
    own = frozenset(names)
    of = {f"{CLASS}{name}" for name, each in classes.items() if not own.isdisjoint(each["members"])}
    return own | of | {ANYBODY}


def _short(text: str) -> str:
    return f"dpv:{text.removeprefix(DPV)}" if text.startswith(DPV) else text

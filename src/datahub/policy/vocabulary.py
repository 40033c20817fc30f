"""The data in `policies/`: where it lies, and taxonomies as directed acyclic graphs with their closure.

Purposes follow DPV 2.3 (several parents each), regions are a partonomy, languages follow BCP 47 (RFC 4647 §3.3.1).
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_PACKAGED = Path(__file__).parents[1] / "_policies"
"""In a wheel the data is packaged beside the code; in the repository it is the folder `policies/` at the root."""
_ROOT = Path(__file__).parents[3] / "policies"


def library() -> Path:
    """Return the folder of the packaged policy data."""
    return _PACKAGED if _PACKAGED.is_dir() else _ROOT


@cache
def table(name: str) -> Mapping[str, Mapping[str, object]]:
    """Read one table of `policies/` (TOML): a row per term."""
    return tomllib.loads((library() / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Concept:
    """One term of a taxonomy: what it falls under, and what people call it."""

    broader: tuple[str, ...] = ()
    en: str = ""
    nl: str = ""


class CyclicTaxonomyError(ValueError):
    """A taxonomy in which a concept falls under itself; it can decide nothing."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """A multi-parent hierarchy with its reflexive closure computed once; refuses cycles.

    `disjoint` lists pairs of concepts that are known to share nothing (used by comparison only).
    """

    name: str
    concepts: Mapping[str, Concept]
    disjoint: frozenset[frozenset[str]] = frozenset()
    _above: dict[str, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute what each concept falls under, parents first, without recursion."""
        above: dict[str, frozenset[str]] = {}
        waiting = dict.fromkeys(self.concepts)
        while waiting:
            ready = [
                each
                for each in waiting
                if all(
                    parent in above or parent not in self.concepts for parent in self.concepts[each].broader
                )
            ]
            if not ready:
                message = (
                    f"taxonomy {self.name}: these fall under themselves: {', '.join(sorted(waiting)[:5])}"
                )
                raise CyclicTaxonomyError(message)
            for each in ready:
                parents = self.concepts[each].broader
                above[each] = frozenset({each}).union(*(above.get(parent, {parent}) for parent in parents))
                del waiting[each]
        object.__setattr__(self, "_above", above)

    def __contains__(self, concept: object) -> bool:
        """Whether the taxonomy knows this concept."""
        return concept in self._above

    def above(self, concept: str) -> frozenset[str]:
        """Return the concept and everything it falls under; only itself when unknown."""
        return self._above.get(concept) or frozenset({concept})

    def below(self, concept: str) -> frozenset[str]:
        """Return the concept and everything that falls under it."""
        return frozenset(each for each, over in self._above.items() if concept in over) | {concept}

    def falls_under(self, concept: str, broader: str) -> bool | None:
        """Whether `concept` is `broader` or falls under it; None when the taxonomy does not know one of them."""
        if concept == broader:
            return True
        known = self._above.get(concept)
        return None if known is None or broader not in self._above else broader in known

    def label(self, concept: str, lang: str) -> str:
        """Return what people call the concept in `lang` (`nl` or `en`); the concept itself when unnamed."""
        known = self.concepts.get(concept)
        return (getattr(known, lang, "") if known else "") or concept


class Languages(Taxonomy):
    """BCP 47 tags: a tag falls under each of its prefixes (RFC 4647 §3.3.1 basic filtering)."""

    __slots__ = ()

    def __contains__(self, concept: object) -> bool:
        """Any tag is a language."""
        return isinstance(concept, str)

    def above(self, concept: str) -> frozenset[str]:
        """Return the tag and its prefixes."""
        parts = concept.split("-")
        return frozenset("-".join(parts[: at + 1]) for at in range(len(parts)))

    def falls_under(self, concept: str, broader: str) -> bool | None:
        """Whether the tag is the range or starts with it."""
        return concept == broader or concept.startswith(f"{broader}-")


def taxonomy(name: str, rows: Mapping[str, Iterable[str]]) -> Taxonomy:
    """Build a taxonomy from concept → broader concepts."""
    return Taxonomy(name, {concept: Concept(tuple(broader)) for concept, broader in rows.items()})


@cache
def taxonomies() -> Mapping[str, Taxonomy]:
    """Return the taxonomies by the sort of operand that uses them."""
    return {
        "purpose": _read("purposes"),
        "region": _read("regions"),
        "language": Languages("languages", {}),
    }


def _read(name: str) -> Taxonomy:
    document = json.loads((library() / f"{name}.json").read_text(encoding="utf-8"))
    rows = document["concepts"].items()
    return Taxonomy(name, {key: Concept(tuple(row["broader"]), row["en"], row["nl"]) for key, row in rows})

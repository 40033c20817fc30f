"""The verb that tries a consent rule before it is saved: how many people and rows it lets through, for whom."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from datahub.catalog import DatasetVersion, version_of
from datahub.consent.errors import InvalidConsentRule
from datahub.consent.models import ConsentRule, Nobody, Several
from datahub.consent.rules import fitting
from datahub.consent.rules.gate import Allowed, rows_allowed
from datahub.consent.service.gate import Gate
from datahub.consent.service.people_index import Named, people_of
from datahub.consent.service.rules import RuleWish, dataset_to_handle, draft_rule
from datahub.consent.store import rules as store
from datahub.kernel.context import Context

MOST_ROWS = 50_000_000


@dataclass(frozen=True)
class Reader:
    """Somebody who may read the dataset now: an agreement in force, its consumer and purpose, the consumer's names."""

    agreement_id: str
    consumer_id: str
    purpose: str | None
    names: frozenset[str]


ReadersOf = Callable[[Context, str], Iterable[Reader]]


@dataclass(frozen=True)
class Let:
    """How many people and rows get through, of all there are."""

    people: int
    rows: int


@dataclass(frozen=True)
class Effect:
    """What the rule does to one reader: before (None: there was no rule, so all) and after."""

    reader: Reader
    before: Let
    after: Let


@dataclass(frozen=True)
class RulePreview:
    """What a rule would do, on the latest version, with the consents of now."""

    version: int
    total: Let
    effects: Sequence[Effect]


def preview_rule(ctx: Context, dataset_id: str, wish: RuleWish, readers_of: ReadersOf) -> RulePreview | None:
    """Return what a rule would let through; None when the dataset has no table yet. Nothing is saved.

    Raises DatasetNotFound, ConsentNotYours, InvalidConsentRule.
    """
    dataset = dataset_to_handle(ctx, dataset_id)
    faults = fitting.purpose_faults(wish.purposes, wish.classes)
    version = version_of(ctx.session, dataset.id)
    if version is not None and version.columns is not None:
        names = [each["name"] for each in version.columns]
        faults += fitting.column_faults(wish.subjects, wish.purposes, names)
    if faults:
        raise InvalidConsentRule("The consent rule cannot be tried; see errors.", faults=faults)
    if version is None or version.object_key is None or not 0 < (version.row_count or 0) <= MOST_ROWS:
        return None
    before = store.current_rule(ctx.session, dataset.id)
    after = draft_rule(ctx, dataset, wish, before)
    readers = list(readers_of(ctx, dataset.id))
    old = _judged(ctx, version, before, readers) if before else None
    new = _judged(ctx, version, after, readers)
    rows = version.row_count or 0
    effects = [
        Effect(reader, old[1][at] if old else Let(new[0], rows), new[1][at])
        for at, reader in enumerate(readers)
    ]
    return RulePreview(version.number, Let(new[0], rows), effects)


def _judged(
    ctx: Context, version: DatasetVersion, rule: ConsentRule, readers: Sequence[Reader]
) -> tuple[int, list[Let]]:
    """Return how many people the rule sees in the version, and what it lets through to each reader."""
    people = people_of(ctx.settings, version, Named.by(rule))
    gate = Gate(rule.dataset_id, people.index)
    gate.refresh(ctx.session, rule)
    several, nobody = Several(rule.several), Nobody(rule.nobody)

    def let(allowed: Allowed) -> Let:
        kept = rows_allowed(allowed.people, people.rows, several, nobody, is_open=allowed.is_open)
        return Let(int(allowed.people.sum()), int(kept.sum()))

    columns = frozenset(each["name"] for each in version.columns or ()) - frozenset(rule.subjects)
    return len(people), [
        let(gate.allowed(each.purpose or "", each.names, ctx.now, columns)) for each in readers
    ]

"""The verbs on consent rules: write the next version, read, and hold a published dataset to its rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datahub.audit import About, record
from datahub.catalog import (
    Dataset,
    DatasetKind,
    DatasetState,
    dataset_to_change,
    get_dataset,
    offers_of,
    version_of,
)
from datahub.consent.errors import (
    ConsentNotYours,
    ConsentRuleChanged,
    ConsentRuleMissing,
    ConsentRuleNotKept,
    InvalidConsentRule,
)
from datahub.consent.models import ConsentRule
from datahub.consent.rules import fitting, notices
from datahub.consent.rules.notices import Part
from datahub.consent.service.people_index import Named
from datahub.consent.store import rules as store
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.participants import Role
from datahub.policy import Policy, consent_purposes, grants_nothing_beyond, read_policy

_HANDLERS = (Role.PUBLISHER, Role.ADMIN)
LIVE = frozenset({DatasetState.PUBLISHED, DatasetState.DEPRECATED})


@dataclass(frozen=True)
class RuleWish:
    """A consent rule as a publisher wants it; each field as `ConsentRule` stores it."""

    key_space: str
    subjects: list[str]
    several: str
    nobody: str
    purposes: list[dict[str, Any]]
    classes: dict[str, Any]
    notice: dict[str, str]
    handling: dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """What people who said yes to the version before must be asked anew; `proof`: what the policy engine says of it."""

    parts: Sequence[Part]
    proof: Mapping[str, Any] | None


def write_rule(
    ctx: Context, dataset_id: str, wish: RuleWish, *, based_on: int | None = None, is_check: bool = False
) -> tuple[ConsentRule, Difference]:
    """Write the next version of a dataset's rule, in force from the next read; with `is_check` only say what it would be.

    `based_on`: the version it was made from; another one meanwhile is a conflict. Raises DatasetNotFound,
    DatasetChangeNotAllowed, ConsentRuleChanged, InvalidConsentRule and ConsentRuleNotKept with all faults.
    """
    dataset = dataset_to_change(ctx, dataset_id)
    before = store.current_rule(ctx.session, dataset.id)
    if based_on is not None and based_on != (before.number if before else 0):
        detail = "Somebody else has written a version of this rule since."
        raise ConsentRuleChanged(detail, current=before.number if before else 0)
    faults = fitting.purpose_faults(wish.purposes, wish.classes)
    if faults:
        raise InvalidConsentRule("The consent rule contradicts itself; see errors.", faults=faults)
    rule = draft_rule(ctx, dataset, wish, before)
    if dataset.state in LIVE:
        _must_fit(dataset, rule.subjects, rule.purposes, columns_of(ctx, dataset))
    if not is_check:
        ctx.session.add(rule)
        store.add_topics(ctx.session, dataset.id, (each["purpose"] for each in rule.purposes))
        about = About(
            thing_id=rule.id,
            provider_id=rule.provider_id,
            dataset_id=rule.dataset_id,
            details={
                "number": rule.number,
                "ruleHash": rule.rule_hash,
                "noticeHash": rule.notice_hash,
                "offers": rule.offers,
            },
        )
        record(ctx, "consent-rule.write", about)
        if before is None or Named.by(before) != Named.by(rule):
            announce(ctx, "PeopleNamed", {"datasetId": rule.dataset_id})
        announce(ctx, "ConsentRuleWritten", {"datasetId": dataset.id, "number": rule.number})
    return rule, difference(before, rule)


def difference(before: ConsentRule | None, rule: ConsentRule) -> Difference:
    """Return what a version of a rule asks people beyond another one, and the engine's proof or counterexample."""
    if before is None:
        return Difference((), None)
    old = notices.entries_of(before.purposes)
    new = [each for each in notices.entries_of(rule.purposes).values() if each.choice == "opt-in"]
    if not new:  # nobody is asked anything, so there is nothing to compare
        return Difference((), None)
    parts = [part for each in new for part in notices.beyond(old.get(each.purpose), each)]
    try:
        compared = grants_nothing_beyond(
            read_policy(notices.as_policy(new)), read_policy(notices.as_policy(old.values()))
        )
    except ImportError:  # without the extra `analysis`
        return Difference(parts, None)
    told = {name: _plain(value) for name, value in compared.told().items()}
    return Difference(parts, {"holds": compared.holds, "counterexample": told or None})


def get_rule(ctx: Context, dataset_id: str, number: int | None = None) -> ConsentRule:
    """Return a version of a rule, the newest by default, to everybody who may see the dataset.

    Raises DatasetNotFound, ConsentRuleMissing.
    """
    dataset = get_dataset(ctx, dataset_id)
    found = (
        store.current_rule(ctx.session, dataset.id)
        if number is None
        else store.rule_numbered(ctx.session, dataset.id, number)
    )
    if found is None:
        raise ConsentRuleMissing("The dataset has no consent rule, or not one with this number.")
    return found


def list_rules(ctx: Context, dataset_id: str, request: PageRequest) -> Page[ConsentRule]:
    """Return the versions of a dataset's rule, newest first. Raises DatasetNotFound."""
    return store.rules_page(ctx, get_dataset(ctx, dataset_id).id, request)


def must_fit_rule(
    ctx: Context, dataset: Dataset, state: str, stored: Sequence[Mapping[str, Any]] | None
) -> None:
    """Let a dataset be in a state with these stored columns, as far as its rule is concerned: handed to the catalogue.

    `stored` None: those of the latest version. Raises ConsentRuleNotKept.
    """
    if state not in LIVE:
        return
    rule = store.current_rule(ctx.session, dataset.id)
    columns = columns_of(ctx, dataset, stored)
    if rule is None:
        _must_fit(dataset, (), None, columns)
    else:
        _must_fit(dataset, rule.subjects, rule.purposes, columns)


def must_fit_terms(ctx: Context, dataset: Dataset, policy: Policy) -> None:
    """Let terms be open to requests, as far as the dataset's rule is concerned: handed to the catalogue.

    Only terms that want consent are asked. Raises ConsentRuleNotKept, naming every fault of terms, rule and columns.
    """
    wanted = consent_purposes(policy)
    if wanted is None:
        return
    rule = store.current_rule(ctx.session, dataset.id)
    purposes = rule.purposes if rule else None
    faults = fitting.terms_faults(wanted, purposes, has_rows=dataset.kind != DatasetKind.FILES)
    columns = columns_of(ctx, dataset)
    if rule is not None and columns:  # a draft may have none yet: publishing it asks again
        faults += _column_faults(rule.subjects, rule.purposes, columns)
    _must_have_none(dataset, faults)


def may_see_profiles(ctx: Context, dataset_id: str) -> bool:
    """Tell whether the actor sees the figures of a version's columns, in which people count who said no.

    Handed to the catalogue. Where a rule stands, only the organisation that provides the dataset sees them.
    """
    rule = store.current_rule(ctx.session, dataset_id)
    return rule is None or ctx.actor.participant_id == rule.provider_id


def dataset_to_handle(ctx: Context, dataset_id: str) -> Dataset:
    """Return a dataset whose consents the actor handles. Raises DatasetNotFound, ConsentNotYours."""
    dataset = get_dataset(ctx, dataset_id)
    if ctx.actor.participant_id != dataset.provider_id or not ctx.actor.has_role(*_HANDLERS):
        detail = "Only a publisher of the organisation that provides the dataset may do this."
        raise ConsentNotYours(detail, roles=sorted(_HANDLERS))
    return dataset


def columns_of(
    ctx: Context, dataset: Dataset, stored: Sequence[Mapping[str, Any]] | None = None
) -> Sequence[Mapping[str, Any]]:
    """Return a dataset's columns: those stored, each with the sensitivity that is declared for it."""
    declared = {each["name"]: each for each in dataset.columns or ()}
    if stored is None:
        version = version_of(ctx.session, dataset.id, None)
        stored = (version.columns if version else None) or list(declared.values())
    return [{**each, "sensitivity": declared.get(each["name"], each).get("sensitivity")} for each in stored]


def _must_fit(
    dataset: Dataset,
    subjects: Sequence[str],
    purposes: Sequence[Mapping[str, Any]] | None,
    columns: Sequence[Mapping[str, Any]],
) -> None:
    _must_have_none(dataset, _column_faults(subjects, purposes, columns))


def _column_faults(
    subjects: Sequence[str],
    purposes: Sequence[Mapping[str, Any]] | None,
    columns: Sequence[Mapping[str, Any]],
) -> list[Fault]:
    names = [each["name"] for each in columns]
    missing = [] if purposes is None else fitting.column_faults(subjects, purposes, names)
    return missing + fitting.special_faults(purposes, columns)


def _must_have_none(dataset: Dataset, faults: Sequence[Fault]) -> None:
    if faults:
        raise ConsentRuleNotKept(
            "The dataset, its consent rule and its terms do not fit together; see errors.",
            remedy=f"Write a consent rule that fits at /v1/datasets/{dataset.id}/consent-rules.",
            faults=faults,
            datasetId=dataset.id,
        )


def draft_rule(ctx: Context, dataset: Dataset, wish: RuleWish, before: ConsentRule | None) -> ConsentRule:
    """Return the version of the rule that would come next; it is not in the database."""
    said = {
        "keySpace": wish.key_space,
        "subjects": wish.subjects,
        "several": wish.several,
        "nobody": wish.nobody,
        "purposes": wish.purposes,
        "classes": wish.classes,
        "notice": wish.notice,
        "handling": wish.handling,
    }
    return ConsentRule(
        id=new_id(),
        dataset_id=dataset.id,
        provider_id=dataset.provider_id,
        number=(before.number if before else 0) + 1,
        key_space=wish.key_space,
        subjects=wish.subjects,
        several=wish.several,
        nobody=wish.nobody,
        purposes=wish.purposes,
        classes=wish.classes,
        notice=wish.notice,
        notice_hash=fitting.digest_of(wish.notice),
        handling=wish.handling,
        offers={offer.id: offer.version for offer in offers_of(ctx.session, dataset.id)},
        rule_hash=fitting.digest_of(said),
        created_at=ctx.now,
        by_client_id=ctx.actor.client_id,
    )


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset | set) else value

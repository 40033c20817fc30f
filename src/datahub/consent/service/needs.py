"""What a reader needs before rows about people may leave: asked of the rule, while the read is decided.

Who of the people lets it happen is asked afterwards, at the gate (`admission`); what no person could permit ends here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from datahub.catalog import DatasetVersion
from datahub.consent.models import Choice, ConsentRule
from datahub.consent.rules.gate import stamp_of
from datahub.consent.rules.lives import Entry
from datahub.consent.rules.notices import covers, entries_of
from datahub.consent.rules.purposes import answering, purpose_iri, tokens_of
from datahub.consent.service.people_index import Named
from datahub.consent.store import rules as store
from datahub.kernel.context import Context


class Shut(StrEnum):
    """Why nothing can leave, whatever people have decided: stable, for programs."""

    NO_RULE = "consent-rule-needed"
    NO_COLUMN = "consent-column-missing"
    NOT_COVERED = "consent-not-covered"
    COLUMNS = "consent-columns-not-covered"


@dataclass(frozen=True)
class Need:
    """What must be permitted by the people that rows are about: to whom, for what; and the rule that says so.

    `is_strict`: the policy wants consent, so no other legal basis of the rule counts. `stamp`: the rule's version and
    the epoch of each topic, as the decision saw them.
    """

    dataset_id: str
    version_id: str
    purpose: str
    names: frozenset[str]
    is_strict: bool
    named: Named
    stamp: str
    entries: Mapping[str, Entry]
    tokens: frozenset[str]

    def asks_about(self, columns: Collection[str]) -> frozenset[str]:
        """Return the columns that a notice must cover: those that leave or are compared, but for the people's keys."""
        return frozenset(columns) - frozenset(self.named.subjects)

    def uncovered(self, columns: Collection[str]) -> frozenset[str]:
        """Return the columns for which the rule lets nobody's rows leave; empty when it could."""
        about = self.asks_about(columns)
        open_ = [each for each in self.entries.values() if not each.recipients.isdisjoint(self.tokens)]
        if any(covers(each, self.tokens, about) for each in open_):
            return frozenset()
        least = min((about - (each.data or about) for each in open_), key=len, default=about)
        return least or about


def need_of(
    ctx: Context,
    dataset_id: str,
    version: DatasetVersion | None,
    purpose: str | None,
    names: Collection[str],
    *,
    is_asked: bool,
) -> Need | Shut | None:
    """Return what a reader needs, or why it can never be met; None: rows leave without, for there is no rule.

    `is_asked`: the policy wants consent itself. Without a version nothing can leave yet, and only the rule is asked.
    """
    rule = store.current_rule(ctx.session, dataset_id)
    if rule is None:
        return Shut.NO_RULE if is_asked else None
    if version is not None and not {each["name"] for each in version.columns or ()}.issuperset(rule.subjects):
        return Shut.NO_COLUMN
    found = _need(ctx, rule, version, purpose, names, is_strict=is_asked)
    is_open = any(not each.recipients.isdisjoint(found.tokens) for each in found.entries.values())
    return found if is_open else Shut.NOT_COVERED


def _need(
    ctx: Context,
    rule: ConsentRule,
    version: DatasetVersion | None,
    purpose: str | None,
    names: Collection[str],
    *,
    is_strict: bool,
) -> Need:
    entries = entries_of(rule.purposes)
    asked = answering(purpose_iri(purpose) or purpose, entries) if purpose else ()
    topics = store.topics_of(ctx.session, rule.dataset_id)
    return Need(
        dataset_id=rule.dataset_id,
        version_id=version.id if version else "",
        purpose=purpose or "",
        names=frozenset(names),
        is_strict=is_strict,
        named=Named.by(rule),
        stamp=stamp_of(rule.number, {each: topics[each].epoch for each in asked if each in topics}),
        entries={
            each: entries[each] for each in asked if not is_strict or entries[each].choice is Choice.OPT_IN
        },
        tokens=tokens_of(names, rule.classes),
    )

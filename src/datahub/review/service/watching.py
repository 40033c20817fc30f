"""Watching: the rules look at each entry once it is in the tree; what they find is kept once, with a review of it."""

from sqlmodel import select

from datahub.audit import START, About, Entry, EntryFilter, Place, entries_after, record
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import new_id
from datahub.review import store
from datahub.review.models import Case, Cursor, Finding, Review
from datahub.review.rules.anomalies import Unusual, judge

NAME = "anomalies"
AT_ONCE = 1000
_ALL = Actor(roles=frozenset({"auditor"}), is_exchange=True)


def watch(ctx: Context) -> int:
    """Let the rules look at the next entries; return how many findings are new. Idempotent.

    How far it has read and what it found stand or fall together, so nothing is passed over and nothing found twice.
    """
    cursor = ctx.session.exec(select(Cursor).where(Cursor.name == NAME).with_for_update()).first()
    if cursor is None:
        cursor = Cursor(name=NAME, log=START.log, leaf_index=START.leaf_index)
    place = Place(cursor.log, cursor.leaf_index)
    new = entries_after(ctx.session, _ALL, EntryFilter(), place, AT_ONCE)
    if not new:
        return 0
    touched: dict[tuple[str, str, str], str] = {}
    for _, entry in new:
        if _is_use(entry) and entry.consumer_id and entry.dataset_id and entry.provider_id:
            touched[entry.consumer_id, entry.dataset_id, entry.at.date().isoformat()] = entry.provider_id
    count = 0
    for (consumer, dataset, day), provider in touched.items():
        case = store.case_of(ctx.session, consumer, dataset, day)
        count += _keep(ctx, case, provider, list(judge(case)))
    cursor.log, cursor.leaf_index = new[-1][0].log, new[-1][0].leaf_index
    ctx.session.add(cursor)
    return count


def _is_use(entry: Entry) -> bool:
    # An organisation that reads its own data is nobody's concern but its own.
    is_data = entry.action in store.READS or entry.action == store.DELIVERY
    return is_data and entry.consumer_id != entry.provider_id


def _keep(ctx: Context, case: Case, provider_id: str, found: list[tuple[str, Unusual]]) -> int:
    known = store.known_keys(ctx.session, [(rule, each.key) for rule, each in found])
    new = [(rule, each) for rule, each in found if (rule, each.key) not in known]
    for rule, each in new:
        finding = Finding(
            id=new_id(),
            at=ctx.now,
            rule=rule,
            key=each.key,
            provider_id=provider_id,
            consumer_id=case.consumer_id,
            dataset_id=case.dataset_id,
            seen=dict(each.seen),
            expected=dict(each.expected),
            entries=list(each.entries),
            text_nl=each.nl,
            text_en=each.en,
        )
        ctx.session.add(finding)
        ctx.session.add(
            Review(
                id=new_id(),
                owner_id=provider_id,
                finding_id=finding.id,
                asked_id=case.consumer_id,
                created_at=ctx.now,
            )
        )
        about = About(thing_id=finding.id, provider_id=provider_id, details={"rule": rule})
        record(ctx, "review.find", about)
    ctx.session.flush()
    return len(new)

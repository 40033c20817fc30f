"""Queries on consent rules and their topics."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing

from sqlalchemy import Engine, update
from sqlmodel import Session, col, select

from datahub.consent.models import ConsentRule, ConsentTopic
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page


def current_rule(session: Session, dataset_id: str) -> ConsentRule | None:
    """Return the newest version of a dataset's rule."""
    found = select(ConsentRule).where(ConsentRule.dataset_id == dataset_id)
    return session.exec(found.order_by(col(ConsentRule.number).desc()).limit(1)).first()


def rule_numbered(session: Session, dataset_id: str, number: int) -> ConsentRule | None:
    """Return one version of a dataset's rule."""
    found = select(ConsentRule).where(ConsentRule.dataset_id == dataset_id, ConsentRule.number == number)
    return session.exec(found).first()


def rules_of(session: Session, dataset_id: str) -> Sequence[ConsentRule]:
    """Return all versions of a dataset's rule, oldest first."""
    found = select(ConsentRule).where(ConsentRule.dataset_id == dataset_id)
    return session.exec(found.order_by(col(ConsentRule.number))).all()


def rules_page(ctx: Context, dataset_id: str, request: PageRequest) -> Page[ConsentRule]:
    """Return the versions of a dataset's rule, newest first."""
    found = select(ConsentRule).where(ConsentRule.dataset_id == dataset_id)
    return read_page(ctx, found, [SortKey(col(ConsentRule.number), "number", is_descending=True)], request)


def ruled_datasets(session: Session, provider_id: str, key_space: str) -> Sequence[ConsentRule]:
    """Return the newest rule of each dataset of an organisation that names people in one key space."""
    found = (
        select(ConsentRule).where(ConsentRule.provider_id == provider_id).order_by(col(ConsentRule.number))
    )
    newest = {rule.dataset_id: rule for rule in session.exec(found)}
    return [rule for rule in newest.values() if rule.key_space == key_space]


def topics_of(session: Session, dataset_id: str) -> Mapping[str, ConsentTopic]:
    """Return the topics of a dataset by purpose, as they are in the database now."""
    found = select(ConsentTopic).where(ConsentTopic.dataset_id == dataset_id)
    rows = session.exec(found, execution_options={"populate_existing": True})
    return {topic.purpose: topic for topic in rows}


Standing = frozenset[tuple[int, int, int]]
"""Where a dataset's consents stand: number, epoch and generation of each topic; and 0, the newest rule's number, 0."""


def standing(engine: Engine, dataset_id: str) -> Standing:
    """Return where a dataset's consents stand now: one short statement on the driver, a fifth of what a session costs."""
    with closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(_STANDING.format("?" if engine.dialect.name == "sqlite" else "%s"), [dataset_id] * 2)
        return frozenset(tuple(row) for row in cursor.fetchall())


_STANDING = """
    select no, epoch, generation from consent_topic where dataset_id = {0}
    union all select 0, coalesce(max(number), 0), 0 from consent_rule where dataset_id = {0}
"""


def standing_among(topics: Iterable[ConsentTopic], rule: ConsentRule | None) -> Standing:
    """Return the same of topics and a rule that one transaction has read."""
    return frozenset(
        [(0, rule.number if rule else 0, 0), *((t.no or 0, t.epoch, t.generation) for t in topics)]
    )


def topic_numbered(session: Session, number: int) -> ConsentTopic | None:
    """Return a topic."""
    return session.get(ConsentTopic, number)


def add_topics(session: Session, dataset_id: str, purposes: Iterable[str]) -> None:
    """Make the topics that are not there yet."""
    there = topics_of(session, dataset_id)
    for purpose in purposes:
        if purpose not in there:
            session.add(ConsentTopic(dataset_id=dataset_id, purpose=purpose))
    session.flush()


def step_epoch(session: Session, topic_no: int, *, is_cut: bool = False) -> int:
    """Move a topic's epoch and return it; the topic is then locked until the transaction ends.

    Every change of a decision does this first, so that what is read afterwards cannot change under it, and epochs
    come in the order of commits. `is_cut`: readers must start afresh.
    """
    changes = {"epoch": col(ConsentTopic.epoch) + 1}
    if is_cut:
        changes["generation"] = col(ConsentTopic.generation) + 1
    statement = (
        update(ConsentTopic)
        .where(col(ConsentTopic.no) == topic_no)
        .values(**changes)
        .returning(col(ConsentTopic.epoch))
        .execution_options(synchronize_session=False)
    )
    return int(session.execute(statement).scalar_one())

"""Queries on duties, the people they are about, and the agreements that stand still because of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, update
from sqlmodel import Session, col, select

from datahub.duties.models import LIVING, Duty, DutyHold, DutyState, DutySubject, Ground
from datahub.kernel.context import Actor, Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants import Role

# Fewer than SQLite's smallest limit of parameters (32766 since 3.32).
_ASKED = 10_000


@dataclass(frozen=True)
class Filters:
    """Which duties of a list are wanted."""

    state: DutyState | None = None
    role: str | None = None
    agreement_id: str | None = None
    dataset_id: str | None = None
    ground: Ground | None = None
    due_before: datetime | None = None


def duty_by_id(session: Session, duty_id: str) -> Duty | None:
    """Return a duty; the caller checks who may see it."""
    return session.get(Duty, duty_id) if is_id(duty_id) else None


def duty_for_change(session: Session, duty_id: str) -> Duty:
    """Return a known duty, locked until the transaction ends, as it is now in the database."""
    found = select(Duty).where(Duty.id == duty_id).with_for_update()
    return session.exec(found.execution_options(populate_existing=True)).one()


def known_origins(session: Session, origins: Collection[str]) -> set[str]:
    """Return those of the origins that have given rise to a duty already."""
    return set(session.exec(select(Duty.origin).where(col(Duty.origin).in_(origins))))


def duties_page(ctx: Context, actor: Actor, request: PageRequest, filters: Filters) -> Page[Duty]:
    """Return the duties the actor has a part in, newest first; states are those by the clock of the call."""
    debtor, creditor = col(Duty.debtor_id), col(Duty.creditor_id)
    found = select(Duty)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        found = found.where(or_(debtor == actor.participant_id, creditor == actor.participant_id))
    if filters.role is not None:
        found = found.where({"debtor": debtor, "creditor": creditor}[filters.role] == actor.participant_id)
    if filters.agreement_id is not None:
        found = found.where(Duty.agreement_id == filters.agreement_id)
    if filters.dataset_id is not None:
        found = found.where(Duty.dataset_id == filters.dataset_id)
    if filters.ground is not None:
        found = found.where(Duty.ground == filters.ground)
    if filters.due_before is not None:
        found = found.where(col(Duty.due_at) < filters.due_before)
    if filters.state is not None:
        found = found.where(_is_in(filters.state, ctx.now))
    return read_page(ctx, found, [SortKey(col(Duty.id), "id", is_descending=True)], request)


def _is_in(state: DutyState, now: datetime) -> ColumnElement[bool]:
    """Say in SQL what `lives.state_at` says of one row."""
    at, starts, due = col(Duty.state), col(Duty.starts_at), col(Duty.due_at)
    has_started = or_(at == DutyState.DUE, and_(at == DutyState.OPEN, starts <= now))
    if state is DutyState.OPEN:
        return and_(at == DutyState.OPEN, or_(starts.is_(None), starts > now))
    if state is DutyState.DUE:
        return and_(has_started, or_(due.is_(None), due > now))
    if state is DutyState.OVERDUE:
        return or_(at == DutyState.OVERDUE, and_(has_started, due <= now))
    return at == state


def policy_duties(session: Session, agreement_id: str) -> Sequence[Duty]:
    """Return the duties that come from the policy of one agreement."""
    found = select(Duty).where(Duty.agreement_id == agreement_id, Duty.ground == Ground.POLICY)
    return session.exec(found).all()


def living_of_agreement(session: Session, agreement_id: str) -> Sequence[Duty]:
    """Return the duties from an agreement's policy that are not settled, locked."""
    found = select(Duty).where(
        Duty.agreement_id == agreement_id, Duty.ground == Ground.POLICY, col(Duty.state).in_(LIVING)
    )
    return _locked(session, found.order_by(col(Duty.id)))


def waived_waiting(session: Session, agreement_id: str) -> Sequence[Duty]:
    """Return the duties from an agreement's policy that were waived while they waited for its end, locked."""
    found = select(Duty).where(
        Duty.agreement_id == agreement_id,
        Duty.ground == Ground.POLICY,
        Duty.state == DutyState.WAIVED,
        col(Duty.starts_at).is_(None),
    )
    return _locked(session, found.order_by(col(Duty.id)))


def due_to_start(session: Session, now: datetime, limit: int) -> Sequence[Duty]:
    """Return duties whose term has begun and whose row does not say so, locked."""
    found = select(Duty).where(Duty.state == DutyState.OPEN, col(Duty.starts_at) <= now)
    return _locked(session, found.order_by(col(Duty.starts_at)).limit(limit))


def due_to_expire(session: Session, now: datetime, limit: int) -> Sequence[Duty]:
    """Return duties whose term has ended and whose row does not say so, locked."""
    found = select(Duty).where(Duty.state == DutyState.DUE, col(Duty.due_at) <= now)
    return _locked(session, found.order_by(col(Duty.due_at)).limit(limit))


def due_to_remind(session: Session, now: datetime, limit: int) -> Sequence[Duty]:
    """Return duties of which the debtor is to be reminded, locked."""
    found = select(Duty).where(Duty.state == DutyState.DUE, col(Duty.remind_at) <= now)
    return _locked(session, found.order_by(col(Duty.remind_at)).limit(limit))


def overdue_with_consequence(session: Session, consequence: str) -> Sequence[Duty]:
    """Return the duties on record as overdue that have this consequence."""
    found = select(Duty).where(Duty.state == DutyState.OVERDUE, Duty.consequence == consequence)
    return session.exec(found.order_by(col(Duty.id))).all()


def _locked(session: Session, found: object) -> Sequence[Duty]:
    statement = found.with_for_update(skip_locked=True)  # type: ignore[attr-defined]
    rows: Sequence[Duty] = session.exec(statement.execution_options(populate_existing=True)).all()
    return rows


def gathering(session: Session, agreement_id: str, now: datetime) -> Duty | None:
    """Return the recall of an agreement that people may still be added to, locked."""
    found = select(Duty).where(
        Duty.agreement_id == agreement_id,
        Duty.ground == Ground.RECALL,
        Duty.state == DutyState.OPEN,
        col(Duty.starts_at) > now,
    )
    statement = found.order_by(col(Duty.id)).limit(1).with_for_update()
    return session.exec(statement.execution_options(populate_existing=True)).first()


def recalls_of(
    session: Session, agreement_id: str, subjects: Collection[bytes]
) -> Mapping[bytes, Sequence[tuple[Duty, datetime]]]:
    """Return the recalls of an agreement that are about these people, and when each was added to it."""
    found: dict[bytes, list[tuple[Duty, datetime]]] = {}
    wanted = sorted(subjects)
    for start in range(0, len(wanted), _ASKED):
        statement = (
            select(DutySubject.subject, Duty, DutySubject.at)
            .join(Duty, col(Duty.id) == col(DutySubject.duty_id))
            .where(
                Duty.agreement_id == agreement_id,
                Duty.ground == Ground.RECALL,
                col(DutySubject.subject).in_(wanted[start : start + _ASKED]),
            )
        )
        for subject, duty, at in session.exec(statement):
            found.setdefault(subject, []).append((duty, at))
    return found


def recalls_so_far(session: Session, agreement_id: str) -> int:
    """Return how many recalls an agreement has had."""
    found = select(func.count()).where(Duty.agreement_id == agreement_id, Duty.ground == Ground.RECALL)
    return int(session.exec(found).one())


def duties_about(session: Session, subject: bytes, grounds: Iterable[Ground]) -> Sequence[Duty]:
    """Return the duties about a person, newest first."""
    found = (
        select(Duty)
        .join(DutySubject, col(DutySubject.duty_id) == col(Duty.id))
        .where(DutySubject.subject == subject, col(Duty.ground).in_(list(grounds)))
    )
    return session.exec(found.order_by(col(Duty.id).desc())).all()


def subjects_page(ctx: Context, duty_id: str, request: PageRequest) -> Page[DutySubject]:
    """Return the people a duty is about."""
    found = select(DutySubject).where(DutySubject.duty_id == duty_id)
    return read_page(ctx, found, [SortKey(col(DutySubject.number), "number")], request)


def subjects_of(session: Session, duty_id: str) -> Sequence[DutySubject]:
    """Return all people a duty is about."""
    return session.exec(select(DutySubject).where(DutySubject.duty_id == duty_id)).all()


def drop_subjects(session: Session, duty_id: str, subjects: Collection[bytes]) -> None:
    """Take some people off a duty."""
    for start in range(0, len(subjects), _ASKED):
        some = list(subjects)[start : start + _ASKED]
        session.execute(
            delete(DutySubject).where(col(DutySubject.duty_id) == duty_id, col(DutySubject.subject).in_(some))
        )


def forget_names(session: Session, before: datetime) -> int:
    """Remove by what names debtors knew the people of duties settled before an instant; return how many."""
    over = select(Duty.id).where(col(Duty.settled_at) < before)
    done = session.execute(
        update(DutySubject)
        .where(col(DutySubject.sealed).is_not(None), col(DutySubject.duty_id).in_(over))
        .values(sealed=None)
        .execution_options(synchronize_session=False)
    )
    return int(getattr(done, "rowcount", 0))


def last_number(session: Session, duty_id: str) -> int:
    """Return the highest number among the people of a duty, 0 when there are none."""
    found = select(func.max(DutySubject.number)).where(DutySubject.duty_id == duty_id)
    return int(session.exec(found).one() or 0)


def holds_of(session: Session, duty_ids: Collection[str]) -> Sequence[DutyHold]:
    """Return which agreements stand still because of some duties."""
    return session.exec(select(DutyHold).where(col(DutyHold.duty_id).in_(duty_ids))).all()


def holds_on(session: Session, agreement_id: str) -> Sequence[DutyHold]:
    """Return what an agreement stands still for."""
    return session.exec(select(DutyHold).where(DutyHold.agreement_id == agreement_id)).all()


def held_by(session: Session, duty_id: str, agreement_id: str) -> DutyHold | None:
    """Return whether a duty has an agreement stand still."""
    return session.get(DutyHold, (duty_id, agreement_id))

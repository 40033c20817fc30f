"""Queries on live APIs."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, delete, select

from datahub.live.models import LiveApi, LiveCalls


def api_of(session: Session, dataset_id: str, *, is_locked: bool = False) -> LiveApi | None:
    """Return the live API of a dataset."""
    found = select(LiveApi).where(LiveApi.dataset_id == dataset_id)
    return session.exec(found.with_for_update() if is_locked else found).first()


def count_call(session: Session, dataset_id: str, caller: str, minute: int) -> int:
    """Count one more call in this minute, atomically over all workers; return how many there are."""
    calls = session.exec(
        select(LiveCalls)
        .where(LiveCalls.dataset_id == dataset_id, col(LiveCalls.caller) == caller)
        .with_for_update()
    ).first()
    if calls is None:
        calls = _first(session, dataset_id, caller, minute)
    calls.calls = calls.calls + 1 if calls.minute == minute else 1
    calls.minute = minute
    session.flush()
    return calls.calls


def _first(session: Session, dataset_id: str, caller: str, minute: int) -> LiveCalls:
    calls = LiveCalls(dataset_id=dataset_id, caller=caller, minute=minute, calls=0)
    try:
        with session.begin_nested():
            session.add(calls)
    except IntegrityError:  # two first calls at once
        found = select(LiveCalls).where(LiveCalls.dataset_id == dataset_id, col(LiveCalls.caller) == caller)
        return session.exec(found.with_for_update()).one()
    return calls


def remove_api(session: Session, api: LiveApi) -> None:
    """Remove a live API, its credential and its counts."""
    session.exec(delete(LiveCalls).where(col(LiveCalls.dataset_id) == api.dataset_id))
    session.delete(api)
    session.flush()

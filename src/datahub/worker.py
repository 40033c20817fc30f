"""The composition root of the worker: facts to handlers, and what is due by the clock.

One readable table of each. Every job is idempotent, so two workers, or one that was killed, do no harm.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Event

from sqlalchemy import Engine

from datahub.kernel import db
from datahub.kernel.clock import Clock, system_clock
from datahub.kernel.context import ANONYMOUS, Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import Handler, work_off
from datahub.kernel.settings import Settings

_log = logging.getLogger(__name__)

HANDLERS: Mapping[str, Handler] = {}


@dataclass(frozen=True)
class Due:
    """Something the clock asks for: how often, and the verb that does whatever is due by then."""

    name: str
    every_s: int
    run: Callable[[Context], int]


DUE: tuple[Due, ...] = ()


def run_once(engine: Engine, settings: Settings, now: datetime) -> int:
    """Handle all facts that wait and do all that is due at `now`; return how many things were done."""
    done = sum(_run_due(engine, settings, due, now) for due in DUE)
    while handled := work_off(engine, settings, HANDLERS, now):
        done += handled
    return done


def run(settings: Settings, stop: Event, clock: Clock = system_clock, pause_s: float = 1.0) -> None:
    """Work until `stop` is set."""
    engine = db.make_engine(settings.database_url)
    last: dict[str, float] = {}
    while not stop.is_set():
        now = clock()
        for due in DUE:
            if time.monotonic() - last.get(due.name, -due.every_s) >= due.every_s:
                last[due.name] = time.monotonic()
                _run_due(engine, settings, due, now)
        if not work_off(engine, settings, HANDLERS, now):
            stop.wait(pause_s)
    engine.dispose()


def _run_due(engine: Engine, settings: Settings, due: Due, now: datetime) -> int:
    try:
        with db.transaction(engine) as session:
            return due.run(Context(session, ANONYMOUS, now, f"job-{due.name}-{new_id()[:8]}", settings))
    except Exception:
        _log.exception("job %s failed; it is tried again next time", due.name)
        return 0

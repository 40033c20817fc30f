"""What the clock does to consents: imports are worked off, ends are written down, what nobody needs is forgotten.

Nothing waits for an end to be written down: the gate reads the clock. Running a job twice changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from datahub.consent.service.disclosures import settle_old
from datahub.consent.service.imports import work_imports
from datahub.consent.service.numbering import number_newest
from datahub.consent.service.people_index import sweep_people
from datahub.consent.service.records import expire_consents
from datahub.consent.store.links import forget_links
from datahub.kernel.context import Context
from datahub.kernel.settings import Settings

IMPORT_EVERY_S = 1
EXPIRE_EVERY_S = 5
FORGET_EVERY_S = 3600
SETTLE_EVERY_S = 600
BATCH = 1000
# Longer than a session lives after its link has expired.
_LINKS_KEPT = timedelta(days=1)


def run_imports(ctx: Context) -> int:
    """Work off some chunks of the imports that wait; return how many."""
    return work_imports(ctx)


def expire_due(ctx: Context) -> int:
    """Write down which consents have ended, a batch at a time; return how many."""
    return expire_consents(ctx, BATCH)


def forget_old_links(ctx: Context) -> int:
    """Remove links, and with them the sessions, that are long over; return how many."""
    return forget_links(ctx.session, ctx.now - _LINKS_KEPT)


def settle_disclosures(ctx: Context) -> int:
    """Count in full what deliveries of long ago reserved and never settled; return how many."""
    return settle_old(ctx)


def sweep_numbers(ctx: Context) -> int:
    """Remove the files of people that nobody opened for a month; return how many."""
    return sweep_people(ctx.settings, ctx.now)


def number_people(engine: Engine, settings: Settings, payload: Mapping[str, Any], now: datetime) -> None:
    """Number the people of a dataset's newest version, so that its first reader does not wait for it."""
    del now
    number_newest(engine, settings, payload["datasetId"])

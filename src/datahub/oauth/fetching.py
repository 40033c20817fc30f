"""What has to be fetched from others before a client can be judged: asked for inside a transaction, done outside any.

All of it passes the guard on outgoing calls, is kept in a table for all workers, and asked for at most once a minute.
"""

from datetime import datetime, timedelta

from sqlalchemy import Engine

from datahub.kernel.settings import Settings

RETRY = timedelta(minutes=1)
# A chain of certificates has a list for each of its issuers
MAX_ERRANDS = 8


class Wanted(Exception):  # noqa: N818 — no fault: something has to be fetched first, outside the transaction
    """Something of others must be fetched before this can be judged."""

    def fetch(self, engine: Engine, settings: Settings, now: datetime) -> None:
        """Fetch and keep it; of all workers one does. Whatever goes wrong is kept too, and what there was stays."""
        raise NotImplementedError

"""The only module that reads a clock: aware UTC instants, never naive ones.

Everything else receives `now` through its `Context`; tests hand in a clock of their own.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Return the present instant in UTC."""
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with `Z`, to the microsecond only where there is one."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""How this side of the client waits, and does several things at once."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio


async def pause(seconds: float) -> None:
    """Wait."""
    await anyio.sleep(seconds)


async def together(
    work: Callable[[], Coroutine[Any, Any, None]], times: int, stop: Callable[[], None]
) -> None:
    """Do `work` so many times at once. Raises what the first of them raises; `stop` lets the others end."""
    try:
        async with anyio.create_task_group() as group:
            for _ in range(times):
                group.start_soon(work)
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        stop()

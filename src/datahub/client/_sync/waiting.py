"""How this side of the client waits, and does several things at once. The one file here that is written by hand."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def together(work: Callable[[], None], times: int, stop: Callable[[], None]) -> None:
    """Do `work` so many times at once. Raises what the first of them raises; `stop` lets the others end."""
    if times <= 1:  # in the caller's own thread, where Ctrl-C is heard
        for _ in range(times):
            work()
        return
    with ThreadPoolExecutor(times, thread_name_prefix="datahub-part") as threads:
        doing = [threads.submit(work) for _ in range(times)]
        try:
            for done in wait(doing, return_when=FIRST_EXCEPTION).done:
                done.result()
        finally:
            stop()

"""Progress on stderr, where a person looks: rate and time left; silent where nobody does."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int | None], None]
EVERY_S = 0.1
GOES_ON = "What came through is kept: the same command goes on from there."


@contextmanager
def bar(title: str, is_kept: Callable[[], bool] = bool) -> Iterator[Report | None]:
    """Show how far a transfer is, on a terminal; who interrupts one hears whether what came through `is_kept`."""
    try:
        with _shown(title) as report:
            yield report
    except KeyboardInterrupt:
        if is_kept():
            raise KeyboardInterrupt(GOES_ON) from None
        raise


@contextmanager
def _shown(title: str) -> Iterator[Report | None]:
    if not sys.stderr.isatty():
        yield None
        return
    began, shown = time.monotonic(), 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < EVERY_S and done != total:
            return
        shown = now
        rate = done / max(now - began, 1e-6)
        left = f", {(total - done) / rate:.0f} s left" if total and rate else ""
        of = f" of {_size(total)} ({done / total:.0%})" if total else ""
        sys.stderr.write(f"\r\x1b[K{title}: {_size(done)}{of}, {_size(int(rate))}/s{left}")
        sys.stderr.flush()

    try:
        yield report
    finally:
        if shown:
            sys.stderr.write("\n")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004 — the step between units
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"

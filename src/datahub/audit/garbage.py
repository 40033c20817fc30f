"""How often Python looks for cyclic garbage: seldom, where a process makes a lot that is none, as entries and their answers.

With Python's own settings the search among the exchange's own 300,000 objects was a quarter of the hot path's time.
"""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

# So many containers more than before, and the youngest are looked through.
AFTER = 20_000


def settle_garbage() -> None:
    """Look for garbage seldom from now on, and never again among what there is; for a process that is ready to work."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(AFTER, 20, 20)
    # What is frozen is not cleared at the end either, and libraries in C++ would call that leaks.
    atexit.register(gc.unfreeze)


@contextmanager
def seldom_looked_for() -> Iterator[None]:
    """Look for garbage seldom for the length of a block."""
    before = gc.get_threshold()
    gc.set_threshold(AFTER, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)

"""How fast programs start: CPU, user and system, of a process and its children, the best of several."""

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from tests.bench.budgets import Budgets

RUNS = 15
# what starts → how, and how much CPU it may take, ms
STARTS: Mapping[str, tuple[Sequence[str], float]] = {
    "datahub --version": (("-m", "datahub", "--version"), 80),
    "datahub --help": (("-m", "datahub", "--help"), 120),
    "import datahub.client": (("-c", "import datahub.client"), 120),
}


def run() -> Iterator[str]:
    """Give a line per start. Raises BudgetMissed at the end."""
    budgets = Budgets()
    yield from budgets.judged(
        budgets.at_most(name, min(cpu_ms(words) for _ in range(RUNS)), limit, "ms CPU")
        for name, (words, limit) in STARTS.items()
    )


def cpu_ms(words: Sequence[str]) -> float:
    """Return the CPU that one run of this Python takes, ms."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

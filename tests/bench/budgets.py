"""What was promised of a figure, kept or missed: `make bench` fails with the names of what was missed."""

from collections.abc import Iterable, Iterator


class BudgetMissed(Exception):  # noqa: N818 — says what happened
    """Figures lie beyond their budgets; all others were told before."""


class Budgets:
    """The budgets of one part of the bench."""

    def __init__(self) -> None:
        """Begin with nothing missed."""
        self._missed: list[str] = []

    def at_most(self, name: str, value: float, limit: float, unit: str) -> str:
        """Hold a figure to a ceiling; return how to say it."""
        return self._held(name, value, limit, unit, is_kept=value <= limit, word="≤")

    def at_least(self, name: str, value: float, limit: float, unit: str = "") -> str:
        """Hold a figure to a floor; return how to say it."""
        return self._held(name, value, limit, unit, is_kept=value >= limit, word="≥")

    def _held(self, name: str, value: float, limit: float, unit: str, *, is_kept: bool, word: str) -> str:
        said = f"{name}: {value:.4g} {unit}".rstrip() + f" (budget {word} {limit:g})"
        if not is_kept:
            self._missed.append(said)
        return said if is_kept else f"{said} MISSED"

    def judged(self, lines: Iterable[str]) -> Iterator[str]:
        """Give the lines, and raise BudgetMissed after the last when a budget was missed on the way."""
        yield from lines
        if self._missed:
            raise BudgetMissed("; ".join(self._missed))

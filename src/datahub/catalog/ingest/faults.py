"""What can be wrong with a table that is sent in: every fault with its place, up to a cap, and how many there are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FAULT_CAP = 100
"""So many faults are told one by one; the rest is only counted."""

_VALUE_CHARS = 100


@dataclass(frozen=True)
class TableFault:
    """One fault. `line` counts from 1: physical lines of CSV and JSON Lines (the header is line 1), rows of the rest."""

    code: str
    message: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    expected: str | None = None


class TableFaults(Exception):  # noqa: N818 — what was sent is wrong, not the program
    """The table is not accepted and nothing of it is kept; `faults` are the first 100, `total` is how many were seen.

    `is_total_exact` is false where reading had to stop, so that there may be more.
    """

    def __init__(
        self, faults: Iterable[TableFault], total: int | None = None, *, is_total_exact: bool = True
    ) -> None:
        """Keep the faults in file order."""
        self.faults: Sequence[TableFault] = tuple(faults)[:FAULT_CAP]
        self.total = max(total or 0, len(self.faults))
        self.is_total_exact = is_total_exact
        super().__init__("; ".join(fault.message for fault in self.faults[:3]))

    def __reduce__(self) -> "tuple[object, ...]":
        """Travel whole from the process that found them."""
        return _again, (self.faults, self.total, self.is_total_exact)


def _again(faults: Sequence[TableFault], total: int, is_total_exact: bool) -> TableFaults:
    return TableFaults(faults, total, is_total_exact=is_total_exact)


def stop(code: str, message: str, **place: "str | int | None") -> TableFaults:
    """Return the one fault after which reading makes no sense."""
    fault = TableFault(
        code,
        message,
        line=_number(place.get("line")),
        column=_text(place.get("column")),
        value=_text(place.get("value")),
        expected=_text(place.get("expected")),
    )
    return TableFaults([fault], is_total_exact=False)


def bad_value(line: int, column: str, value: str | None, expected: str) -> TableFault:
    """Return the fault of one cell."""
    if value is None:
        message = f"line {line}, column {column!r}: empty, but the column must have a value"
        return TableFault("value-missing", message, line, column, None, expected)
    shown = clip(value)
    message = f"line {line}, column {column!r}: {shown!r} is not {expected}"
    return TableFault("value-type", message, line, column, shown, expected)


def clip(value: str) -> str:
    """Shorten a value for a message."""
    return value if len(value) <= _VALUE_CHARS else value[:_VALUE_CHARS] + "…"


def name_faults(names: Sequence[str]) -> list[TableFault]:
    """Return what is wrong with the column names: empty, doubled (case does not tell two apart), unprintable."""
    faults: list[TableFault] = []
    seen: dict[str, int] = {}
    for position, name in enumerate(names, 1):
        place = f"column {position}"
        if not name.strip():
            faults.append(TableFault("column-unnamed", f"{place} has no name", 1, name))
        elif name != name.strip() or not name.isprintable() or len(name) > 255:  # noqa: PLR2004 — said in the message
            message = f"{place}: {clip(name)!r} has surrounding blanks, control characters or more than 255 characters"
            faults.append(TableFault("column-name", message, 1, clip(name)))
        elif name.casefold() in seen:
            message = f"{place}: {name!r} is also the name of column {seen[name.casefold()]} (case is not told apart)"
            faults.append(TableFault("column-doubled", message, 1, name))
        seen.setdefault(name.casefold(), position)
    return faults


def presence_faults(found: Sequence[str], declared: Sequence[str]) -> list[TableFault]:
    """Return which declared columns are missing and which columns are there but not declared."""
    faults = [
        TableFault("column-missing", f"column {name!r} is declared and not in the file", 1, name)
        for name in declared
        if name not in found
    ]
    faults += [
        TableFault("column-unknown", f"column {clip(name)!r} is in the file and not declared", 1, clip(name))
        for name in found
        if name not in declared
    ]
    return faults


def _number(value: str | int | None) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: str | int | None) -> str | None:
    return None if value is None else clip(str(value))

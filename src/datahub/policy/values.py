"""Constants of a policy: read by the sort of their left operand, and written back.

XSD 1.1 datatypes: dateTime, date, duration, decimal, boolean. An instant without a zone is read as UTC; in a duration
a month is 30 days and a year 365, so that durations can be compared. Both are shown so wherever the policy is shown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Final

from datahub.policy.model import Value, is_readable
from datahub.policy.registry import CHOICES, LEVELS, Operand, compact, expand
from datahub.policy.vocabulary import taxonomies

_DURATION = re.compile(
    r"P(?=[\dT])(?:(\d{1,5})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,7})D)?"
    r"(?:T(?=\d)(?:(\d{1,8})H)?(?:(\d{1,9})M)?(?:(\d{1,10}(?:\.\d{1,6})?)S)?)?"
)
_SECONDS: Final = (31_536_000, 2_592_000, 604_800, 86_400, 3600, 60, 1)
_LONGEST = timedelta(days=365_000)
_LARGEST = 2**63
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_LONGEST_TEXT = 4096
_TAXONOMIC = frozenset({"purpose", "region"})
_NAMED = _TAXONOMIC | {"level"}
"""Sorts whose constants are terms: short inside, full IRIs on the wire."""


class NotAValueError(ValueError):
    """A constant that cannot be read as its sort: a stable code, what is wrong, and the remedy."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.code, self.remedy = code, remedy


LARGEST_STEP: Final = 2**53
"""Beyond it, engines differ in what a float holds."""


def bucket_steps(stated: Sequence[Value]) -> tuple[int, ...] | None:
    """Return the width of buckets (one, above zero) or their lower bounds (two or more), ascending; None if neither."""
    steps = sorted({step for step in stated if isinstance(step, int) and not isinstance(step, bool)})
    is_good = len(steps) == len(stated) and (len(steps) > 1 or steps[:1] > [0])
    return tuple(steps) if is_good and all(abs(step) <= LARGEST_STEP for step in steps) else None


def is_unresolved(value: object) -> bool:
    """Whether a constant still is to be filled in (`?name`, or the address of a value); it compares with nothing."""
    return isinstance(value, str) and value.startswith("?")


def read_value(operand: Operand, raw: object, *, foreign: bool = False) -> Value:
    """Read one constant for this operand from JSON-LD (a literal, `@value` with `@type`, or `@id`).

    `foreign` lets constants to be filled in and concepts of other vocabularies pass as themselves.
    Raises NotAValueError (`wrong-type`, `unknown-concept`, `unknown-choice`, `too-large`).
    """
    datatype = ""
    if isinstance(raw, Mapping):
        if "@value" in raw and set(raw) <= {"@value", "@type", "@language"}:
            datatype = compact(str(raw.get("@type", ""))).removeprefix("xsd:")
            raw = raw["@value"]
        elif set(raw) == {"@id"}:
            raw = raw["@id"]
        else:
            message = "A constant is a literal, an object with @value and @type, or an object with @id."
            raise NotAValueError("wrong-type", message, "Write the constant in one of these three forms.")
    if is_unresolved(raw):
        if foreign:
            return _text(operand, raw)
        raise NotAValueError(
            "unresolved-constant", f"“{raw}” is still to be filled in.", "Write the value itself."
        )
    if (
        foreign
        and operand.sort in _TAXONOMIC
        and isinstance(raw, str)
        and compact(raw) not in taxonomies()[operand.sort]
    ):
        return _text(operand, raw)
    if operand.sort == "column":
        return _SORTS[_column_sort(raw, datatype)](operand, raw)
    return _SORTS[operand.sort](operand, raw)


def _column_sort(raw: object, datatype: str) -> str:
    if datatype:
        return _DATATYPES.get(datatype, "text")
    if isinstance(raw, bool):
        return "boolean"
    return "number" if isinstance(raw, int | float | Decimal) else "text"


def _text(operand: Operand, raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise NotAValueError("wrong-type", f"{operand.name} takes a text.", "Write a non-empty string.")
    if len(raw) > _LONGEST_TEXT:
        message = f"A text has at most {_LONGEST_TEXT} characters."
        raise NotAValueError("too-large", message, "Shorten it.")
    if not is_readable(raw):
        message = "A text may hold no control characters or lone surrogates."
        raise NotAValueError("wrong-type", message, "Remove them.")
    return raw


def _choice(operand: Operand, raw: object) -> str:
    value, choices = _text(operand, raw), CHOICES.get(operand.name)
    if choices and value not in choices:
        message = f"“{value}” is none of {', '.join(choices)}."
        raise NotAValueError("unknown-choice", message, "Choose one of these.")
    return value


def _party(operand: Operand, raw: object) -> str:
    value = _text(operand, raw)
    if any(character in value for character in ' <>"{}|\\^`'):
        message = "A party is named by an identifier without spaces, quotes or brackets (RFC 3987 §2.2)."
        raise NotAValueError("wrong-type", message, "Write the participant's id, DID or legal identifier.")
    return value


def _level(operand: Operand, raw: object) -> str:
    value, scale = compact(_text(operand, raw)), LEVELS[operand.name]
    if value not in scale:
        message = f"“{value}” is no level of {operand.name}."
        raise NotAValueError("unknown-choice", message, f"Choose one of {', '.join(scale)}.")
    return value


def _concept(operand: Operand, raw: object) -> str:
    value, known = compact(_text(operand, raw)), taxonomies()[operand.sort]
    if value not in known:
        near = get_close_matches(value, known.concepts, 1)
        remedy = f"Did you mean {near[0]}?" if near else f"Choose a term of the taxonomy “{known.name}”."
        raise NotAValueError("unknown-concept", f"“{value}” is not in the taxonomy “{known.name}”.", remedy)
    return value


def _language(operand: Operand, raw: object) -> str:
    value = _text(operand, raw).removeprefix("https://tools.ietf.org/html/bcp47#")
    if not _LANGUAGE.fullmatch(value):
        raise NotAValueError(
            "wrong-type", f"“{value}” is no BCP 47 language tag.", "Write a tag such as nl or en-GB."
        )
    return value


def _number(operand: Operand, raw: object) -> int | Decimal:
    try:
        value = Decimal(str(raw).strip()) if isinstance(raw, str | int | float | Decimal) else None
    except InvalidOperation:
        value = None
    if value is None or isinstance(raw, bool) or not value.is_finite():
        raise NotAValueError("wrong-type", f"{operand.name} takes a number.", "Write a finite number.")
    if abs(value) >= _LARGEST or value.adjusted() < -18 or len(value.as_tuple().digits) > 36:  # noqa: PLR2004
        raise NotAValueError(
            "too-large", "The number does not fit 64 bits.", "Write a smaller or shorter number."
        )
    return int(value) if value == value.to_integral_value() else value.normalize()


def _boolean(operand: Operand, raw: object) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}.get(str(raw).lower())
    if known is None:
        raise NotAValueError("wrong-type", f"{operand.name} is true or false.", "Write true or false.")
    return known


def _instant(operand: Operand, raw: object) -> datetime:
    try:
        value = raw if isinstance(raw, datetime) else datetime.fromisoformat(_text(operand, raw).strip())
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as broken:
        if isinstance(broken, NotAValueError):
            raise
        message = f"“{raw}” is no date and time."
        raise NotAValueError("wrong-type", message, "Write it like 2027-01-01T00:00:00Z.") from None


def _date(operand: Operand, raw: object) -> date:
    try:
        return date.fromisoformat(_text(operand, raw).strip())
    except ValueError as broken:
        if isinstance(broken, NotAValueError):
            raise
        raise NotAValueError("wrong-type", f"“{raw}” is no date.", "Write it like 2027-01-01.") from None


def _duration(operand: Operand, raw: object) -> timedelta:
    found = _DURATION.fullmatch(_text(operand, raw).strip())
    if not found:
        raise NotAValueError("wrong-type", f"“{raw}” is no duration.", "Write it like P30D or PT12H.")
    parts = (Decimal(part or 0) * size for part, size in zip(found.groups(), _SECONDS, strict=True))
    value = timedelta(microseconds=int(sum(parts) * 1_000_000))
    if value > _LONGEST:
        raise NotAValueError("too-large", "A duration is at most 365,000 days.", "Write a shorter duration.")
    return value


_SORTS: Mapping[str, Callable[[Operand, object], Value]] = {
    "text": _choice,
    "labels": _choice,
    "event": _choice,
    "party": _party,
    "level": _level,
    "purpose": _concept,
    "region": _concept,
    "language": _language,
    "number": _number,
    "counter": _number,
    "boolean": _boolean,
    "instant": _instant,
    "date": _date,
    "duration": _duration,
}
_DATATYPES: Mapping[str, str] = {
    "dateTime": "instant",
    "dateTimeStamp": "instant",
    "date": "date",
    "boolean": "boolean",
    **dict.fromkeys(("integer", "int", "long", "decimal", "double", "float", "nonNegativeInteger"), "number"),
}


def sort_of(value: Value) -> str:
    """Return the sort of a column's constant."""
    match value:
        case bool():
            return "boolean"
        case int() | Decimal():
            return "number"
        case datetime():
            return "instant"
        case date():
            return "date"
        case timedelta():
            return "duration"
        case _:
            return "text"


def sort_for(operand: Operand, right: tuple[Value, ...]) -> str:
    """Return the sort a comparison compares in: a column's is that of its constants, text when it has none."""
    return operand.sort if operand.sort != "column" else sort_of(right[0]) if right else "text"


def write_instant(value: datetime) -> str:
    """Write an instant as xsd:dateTime in UTC."""
    return value.isoformat().replace("+00:00", "Z")


def write_duration(value: timedelta) -> str:
    """Write a duration as xsd:duration in days and seconds."""
    seconds = Decimal(value.seconds) + Decimal(value.microseconds) / 1_000_000
    tail = f"T{seconds.normalize():f}S" if seconds else ""
    return f"P{value.days}D{tail}" if value.days or not tail else f"P{tail}"


def write_value(value: Value, sort: str) -> object:
    """Write a constant of an operand of this sort as JSON-LD: texts and IRIs plain, everything else with its datatype (DSP allows no number)."""
    match value:
        case bool():
            return {"@value": str(value).lower(), "@type": "xsd:boolean"}
        case int():
            return {"@value": str(value), "@type": "xsd:integer"}
        case Decimal():
            return {"@value": f"{value:f}", "@type": "xsd:decimal"}
        case datetime():
            return {"@value": write_instant(value), "@type": "xsd:dateTime"}
        case date():
            return {"@value": value.isoformat(), "@type": "xsd:date"}
        case timedelta():
            return {"@value": write_duration(value), "@type": "xsd:duration"}
        case _:
            return expand(value) if sort in _NAMED else value

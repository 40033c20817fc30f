"""The words of a policy in Dutch and English: one table per part of speech, so that text can be read back.

Every phrase is unique within its language and sort; values are quoted and escaped. The exchange's own wording.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, Literal, TypeAlias

from datahub.policy.model import Atom, Connective, Kind, Operator, Timing, Value
from datahub.policy.registry import AGE, COLUMN, Enforcement, Operand, operand
from datahub.policy.values import sort_for
from datahub.policy.vocabulary import taxonomies

Lang: TypeAlias = Literal["nl", "en"]

_SET_WORDS: Final = {
    "en": {
        Operator.IS_A: "is, or falls under,",
        Operator.IS_PART_OF: "lies within",
        Operator.HAS_PART: "contains",
        Operator.IS_ANY_OF: "is one of",
        Operator.IS_NONE_OF: "is none of",
        Operator.IS_ALL_OF: "is all of",
        Operator.EQ: "is",
        Operator.NEQ: "is not",
    },
    "nl": {
        Operator.IS_A: "is, of valt onder,",
        Operator.IS_PART_OF: "ligt binnen",
        Operator.HAS_PART: "omvat",
        Operator.IS_ANY_OF: "is een van",
        Operator.IS_NONE_OF: "is geen van",
        Operator.IS_ALL_OF: "is elk van",
        Operator.EQ: "is",
        Operator.NEQ: "is niet",
    },
}
_AMOUNT_WORDS: Final = {
    "en": {
        Operator.GT: "is more than",
        Operator.GTEQ: "is at least",
        Operator.LT: "is less than",
        Operator.LTEQ: "is at most",
    },
    "nl": {
        Operator.GT: "is meer dan",
        Operator.GTEQ: "is minstens",
        Operator.LT: "is minder dan",
        Operator.LTEQ: "is hoogstens",
    },
}
_TIME_WORDS: Final = {
    "en": {
        Operator.GT: "is after",
        Operator.GTEQ: "is at or after",
        Operator.LT: "is before",
        Operator.LTEQ: "is at or before",
    },
    "nl": {
        Operator.GT: "is na",
        Operator.GTEQ: "is op of na",
        Operator.LT: "is voor",
        Operator.LTEQ: "is op of voor",
    },
}

CONNECTIVES: Final[Mapping[Lang, Mapping[Connective, str]]] = {
    "en": {
        Connective.AND: "all of these hold:",
        Connective.OR: "at least one of these holds:",
        Connective.XONE: "exactly one of these holds:",
        Connective.AND_SEQUENCE: "these hold one after another:",
    },
    "nl": {
        Connective.AND: "dit alles geldt:",
        Connective.OR: "minstens een hiervan geldt:",
        Connective.XONE: "precies een hiervan geldt:",
        Connective.AND_SEQUENCE: "dit geldt na elkaar:",
    },
}

KINDS: Final[Mapping[Lang, Mapping[Kind, str]]] = {
    "en": {Kind.OFFER: "Offer", Kind.AGREEMENT: "Agreement", Kind.SET: "Policy"},
    "nl": {Kind.OFFER: "Aanbod", Kind.AGREEMENT: "Overeenkomst", Kind.SET: "Beleid"},
}

TIMINGS: Final[Mapping[Lang, Mapping[Timing, str]]] = {
    "en": {Timing.PRE: "before use", Timing.DURING: "during use", Timing.POST: "after use"},
    "nl": {Timing.PRE: "voor gebruik", Timing.DURING: "tijdens gebruik", Timing.POST: "na gebruik"},
}

LABELS: Final[Mapping[Lang, Mapping[Enforcement, str]]] = {
    "en": {
        Enforcement.ENFORCED: "enforced here",
        Enforcement.ATTESTED: "checked by attestation",
        Enforcement.TRACKED: "tracked as duty",
        Enforcement.LEGAL: "legal text only",
    },
    "nl": {
        Enforcement.ENFORCED: "hier afgedwongen",
        Enforcement.ATTESTED: "gecontroleerd met een verklaring",
        Enforcement.TRACKED: "gevolgd als plicht",
        Enforcement.LEGAL: "alleen juridische tekst",
    },
}

MONTHS: Final[Mapping[Lang, tuple[str, ...]]] = {
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    "nl": (
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ),
}
BOOLEANS: Final[Mapping[Lang, Mapping[bool, str]]] = {
    "en": {True: "true", False: "false"},
    "nl": {True: "waar", False: "onwaar"},
}
NOTHING: Final[Mapping[Lang, str]] = {"en": "(nothing)", "nl": "(niets)"}
UNIT: Final[Mapping[Lang, str]] = {"en": "in units of", "nl": "in eenheden van"}
SINCE: Final[Mapping[Lang, str]] = {"en": "counted from", "nl": "geteld vanaf"}
SPANS: Final[Mapping[Lang, tuple[tuple[int, str, str], ...]]] = {
    "en": ((86_400, "day", "days"), (3600, "hour", "hours"), (60, "minute", "minutes")),
    "nl": ((86_400, "dag", "dagen"), (3600, "uur", "uur"), (60, "minuut", "minuten")),
}
SECONDS: Final[Mapping[Lang, str]] = {"en": "seconds", "nl": "seconden"}


def operator_words(sort: str, lang: Lang) -> Mapping[Operator, str]:
    """Return how each operator is said for this sort of value."""
    ordered = _TIME_WORDS if sort in {"instant", "date"} else _AMOUNT_WORDS
    return {**_SET_WORDS[lang], **ordered[lang]}


def noun(row: Operand, lang: Lang) -> str:
    """Return the noun phrase of an operand; the name of a column is quoted."""
    for prefix, said in ((COLUMN, _COLUMN), (AGE, _AGE)):
        if row.name.startswith(prefix):
            return f"{said[lang]} {quote(row.name.removeprefix(prefix))}"
    return row.nl if lang == "nl" else row.en


_COLUMN: Final[Mapping[Lang, str]] = {"en": "the column", "nl": "de kolom"}
_AGE: Final[Mapping[Lang, str]] = {"en": "the time since", "nl": "de tijd sinds"}
FAMILIES: Final = ((COLUMN, _COLUMN), (AGE, _AGE))


def quote(text: str) -> str:
    """Quote a text so that it can be read back: quotes and backslashes inside are escaped."""
    return f"“{json.dumps(text, ensure_ascii=False)[1:-1].replace('”', chr(92) + 'u201d')}”"


def say_value(value: Value, sort: str, lang: Lang) -> str:
    """Say one constant."""
    match value:
        case bool():
            return BOOLEANS[lang][value]
        case int():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            moment = value.astimezone(UTC)
            clock = moment.strftime("%H:%M")
            if moment.second or moment.microsecond:
                clock = moment.time().isoformat()
            return f"{say_value(moment.date(), 'date', lang)}, {clock} UTC"
        case date():
            return f"{value.day} {MONTHS[lang][value.month - 1]} {value.year}"
        case timedelta():
            return _say_duration(value, lang)
        case _:
            if sort in {"purpose", "region"} and value in taxonomies()[sort]:
                return f"{quote(taxonomies()[sort].label(value, lang))} ({value})"
            return quote(value)


def _say_duration(value: timedelta, lang: Lang) -> str:
    seconds = value.days * 86_400 + value.seconds
    said = []
    for size, one, many in SPANS[lang]:
        amount, seconds = divmod(seconds, size)
        if amount:
            said.append(f"{amount} {one if amount == 1 else many}")
    rest = Decimal(seconds) + Decimal(value.microseconds) / 1_000_000
    if rest or not said:
        said.append(f"{rest.normalize():f} {SECONDS[lang]}")
    return " ".join(said)


def say_values(row: Operand, right: tuple[Value, ...], lang: Lang) -> str:
    """Say the constants of an atom, comma between."""
    sort = sort_for(row, right)
    return ", ".join(say_value(value, sort, lang) for value in right) or NOTHING[lang]


def say(atom: Atom, lang: Lang) -> str:
    """Say one constraint as a clause: noun, operator, values, unit."""
    row = operand(atom.left)
    if row is None:  # pragma: no cover (the reader places every operand)
        raise LookupError(atom.left)
    words = operator_words(sort_for(row, atom.right), lang)[atom.operator]
    since = f" {SINCE[lang]} {say_value(atom.anchor, 'instant', lang)}" if atom.anchor else ""
    unit = f" {UNIT[lang]} {quote(atom.unit)}" if atom.unit else ""
    return f"{noun(row, lang)} {words} {say_values(row, atom.right, lang)}{unit}{since}"

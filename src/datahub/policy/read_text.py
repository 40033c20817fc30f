"""Reads the plain-language text of a policy back: `read_text(render(p, lang), lang) == p`.

The same tables of words as `render`, turned round. What a person may sign is thereby exactly what is decided.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final

from datahub.policy.model import (
    Atom,
    Connective,
    Constraint,
    Duty,
    Fault,
    Logical,
    Operator,
    Policy,
    PolicyFaults,
    Rule,
    Timing,
    Value,
)
from datahub.policy.registry import actions, operand, operands
from datahub.policy.render import HEADS, INDENT, WORDS, verb
from datahub.policy.wording import (
    BOOLEANS,
    CONNECTIVES,
    FAMILIES,
    KINDS,
    LABELS,
    MONTHS,
    NOTHING,
    SECONDS,
    SINCE,
    SPANS,
    TIMINGS,
    UNIT,
    Lang,
    noun,
    operator_words,
)

_QUOTED: Final = re.compile(r"“((?:[^”\\]|\\.)*)”")
_CONCEPT: Final = re.compile(r"“(?:[^”\\]|\\.)*” \(([^)]+)\)")
_NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
_NUMBERED: Final = re.compile(r"\d+\. ")


class NotATextError(ValueError):
    """A line that is no part of a policy's text."""


@dataclass(slots=True)
class Line:
    """A line with what stands indented under it."""

    number: int
    text: str
    under: list["Line"] = field(default_factory=list)


def read_text(text: str, lang: Lang = "en") -> Policy:
    """Read the text of a policy. Raises PolicyFaults (`not-a-text`) with the line that could not be read."""
    try:
        return _policy(_lines(text, lang), lang)
    except NotATextError as wrong:
        message = f"This is not the text of a policy: {wrong}."
        remedy = "Write it as the exchange writes policies."
        raise PolicyFaults((Fault("", "not-a-text", message, remedy),)) from None


def _lines(text: str, lang: Lang) -> list[Line]:
    """Arrange the lines by indentation, labels taken off."""
    labels = re.compile(rf" \[(?:{'|'.join(map(re.escape, LABELS[lang].values()))})\]$")
    top: list[Line] = []
    open_lines: list[tuple[int, list[Line]]] = [(-1, top)]
    for number, raw in enumerate(text.split("\n"), 1):
        stripped = raw.lstrip(" ")
        if not stripped:
            continue
        depth = (len(raw) - len(stripped)) // len(INDENT)
        while open_lines[-1][0] >= depth:
            open_lines.pop()
        line = Line(number, labels.sub("", stripped))
        open_lines[-1][1].append(line)
        open_lines.append((depth, line.under))
    return top


def _unquoted(text: str) -> str:
    found = _QUOTED.fullmatch(text)
    if not found:
        message = f"“{text[:80]}” is not quoted"
        raise NotATextError(message)
    return str(json.loads(f'"{found[1]}"', strict=False))


def _headed(line: Line, lang: Lang) -> tuple[str, str] | None:
    """Return the name and value of a line such as `Provider: “…”`."""
    for name, said in HEADS[lang].items():
        if line.text.startswith(f"{said}: "):
            return name, line.text.removeprefix(f"{said}: ")
    return None


def _policy(lines: list[Line], lang: Lang) -> Policy:
    if not lines:
        message = "it is empty"
        raise NotATextError(message)
    kinds = {said: each for each, said in KINDS[lang].items()}
    kind = kinds.get(lines[0].text)
    if kind is None:
        message = f"line 1 begins with “{lines[0].text[:80]}”"
        raise NotATextError(message)
    policy = Policy("", kind)
    profiles: list[str] = []
    for line in lines[1:]:
        head = _headed(line, lang)
        if line.text == WORDS[lang]["closed"]:
            continue
        if head is None:
            policy = _with_rule(policy, line, lang)
        elif head[0] == "profiles":
            profiles.append(_unquoted(head[1]))
        elif head[0] == "timestamp":
            policy = replace(policy, timestamp=datetime.fromisoformat(head[1]))
        else:
            policy = replace(policy, **{head[0]: _unquoted(head[1])})  # type: ignore[arg-type]
    if not policy.uid:
        message = f"no line says “{HEADS[lang]['uid']}: …”"
        raise NotATextError(message)
    return replace(policy, profiles=tuple(profiles))


def _with_rule(policy: Policy, line: Line, lang: Lang) -> Policy:
    """Add the rule or obligation that a numbered line states."""
    said = _NUMBERED.sub("", line.text, count=1)
    known = _heads(lang).get(said)
    if known is None:
        message = f"line {line.number} states no rule"
        raise NotATextError(message)
    role, action, timing = known
    if role == "obligation":
        return replace(policy, obligations=(*policy.obligations, _duty(line, action, timing, lang)))
    rule = _rule(line, action, lang)
    if role == "permission":
        return replace(policy, permissions=(*policy.permissions, rule))
    return replace(policy, prohibitions=(*policy.prohibitions, rule))


@cache
def _heads(lang: Lang) -> Mapping[str, tuple[str, str, Timing]]:
    """Return every line that can begin a rule, an obligation or a duty, with its role, action and timing."""
    heads: dict[str, tuple[str, str, Timing]] = {}
    for name, action in actions().items():
        said = verb(action, lang)
        for role in ("permission", "prohibition"):
            heads[WORDS[lang][role].format(said)] = (role, name, Timing.POST)
        for timing, when in TIMINGS[lang].items():
            heads[f"{WORDS[lang]['obligation'].format(said)}, {when}"] = ("obligation", name, timing)
            for role in ("duty", "remedy", "consequence"):
                heads[f"{WORDS[lang][role]} {said}, {when}"] = (role, name, timing)
    return heads


def _rule(line: Line, action: str, lang: Lang) -> Rule:
    given: dict[str, Any] = {}
    duties = []
    for under in line.under:
        head = _headed(under, lang)
        role, duty_action, timing = _heads(lang).get(under.text, ("", "", Timing.POST))
        if head is not None:
            given[head[0]] = _unquoted(head[1])
        elif role in {"duty", "remedy"}:
            duties.append(_duty(under, duty_action, timing, lang))
        else:
            given[_member(under, lang, "constraint", "refinement")] = _only(under, lang)
    return Rule(action, duties=tuple(duties), **given)


def _member(line: Line, lang: Lang, *names: str) -> str:
    for name in names:
        if line.text == WORDS[lang][name]:
            return name
    message = f"line {line.number} says nothing about a rule"
    raise NotATextError(message)


def _duty(line: Line, action: str, timing: Timing, lang: Lang) -> Duty:
    duty = Duty(action, timing=timing)
    for under in line.under:
        head = _headed(under, lang)
        role, inner, when = _heads(lang).get(under.text, ("", "", Timing.POST))
        if head is not None:
            duty = replace(duty, uid=_unquoted(head[1]))
        elif role == "consequence":
            duty = replace(duty, consequences=(*duty.consequences, _duty(under, inner, when, lang)))
        elif _member(under, lang, "parameters", "when") == "when":
            duty = replace(duty, constraint=_only(under, lang))
        else:
            duty = replace(duty, parameters=tuple(_constraint(each, lang) for each in under.under))
    return duty


def _only(line: Line, lang: Lang) -> Constraint:
    if len(line.under) != 1:
        message = f"line {line.number} needs one condition"
        raise NotATextError(message)
    return _constraint(line.under[0], lang)


def _constraint(line: Line, lang: Lang) -> Constraint:
    text = line.text.removeprefix("- ")
    joins: dict[str, Connective] = {said: each for each, said in CONNECTIVES[lang].items()}
    if text in joins:
        if not line.under:
            message = f"line {line.number} joins nothing"
            raise NotATextError(message)
        return Logical(joins[text], tuple(_constraint(each, lang) for each in line.under))
    left, rest = _left(text, line, lang)
    row = operand(left)
    if row is None:  # pragma: no cover (only registered operands are found)
        raise LookupError(left)
    for operator, said in _operators(row.sort, lang):
        if rest.startswith(f"{said} "):
            return _atom(left, operator, rest.removeprefix(f"{said} "), row.sort, lang)
    message = f"line {line.number} compares in no known way"
    raise NotATextError(message)


@cache
def _operators(sort: str, lang: Lang) -> tuple[tuple[Operator, str], ...]:
    """Return the operators of a sort with their words, longest first; a column may hold any sort."""
    sorts = ("text", "instant") if sort == "column" else (sort,)
    words = [(operator, said) for each in sorts for operator, said in operator_words(each, lang).items()]
    return tuple(sorted(words, key=lambda pair: -len(pair[1])))


@cache
def _nouns(lang: Lang) -> tuple[tuple[str, str], ...]:
    said = ((noun(row, lang), name) for name, row in operands().items())
    return tuple(sorted(said, key=lambda pair: -len(pair[0])))


def _left(text: str, line: Line, lang: Lang) -> tuple[str, str]:
    """Return the operand a clause begins with, and the rest of the clause."""
    for prefix, words in FAMILIES:
        found = _QUOTED.match(text, len(words[lang]) + 1) if text.startswith(f"{words[lang]} “") else None
        if found:
            return prefix + _unquoted(found[0]), text[found.end() + 1 :]
    for said, name in _nouns(lang):
        if text.startswith(f"{said} "):
            return name, text[len(said) + 1 :]
    message = f"line {line.number} is about nothing known"
    raise NotATextError(message)


def _atom(left: str, operator: Operator, text: str, sort: str, lang: Lang) -> Atom:
    right: list[Value] = []
    at = len(NOTHING[lang]) if text.startswith(NOTHING[lang]) else 0
    while not at or text.startswith(", ", at):
        value, at = _value(text, at + 2 if at else 0, sort, lang)
        right.append(value)
    rest = text[at:]
    unit = anchor = None
    if rest.startswith(f" {UNIT[lang]} "):
        unit, rest = _unquoted(rest.removeprefix(f" {UNIT[lang]} ")), ""
    if rest.startswith(f" {SINCE[lang]} "):
        anchor, end = _value(rest, len(SINCE[lang]) + 2, "instant", lang)
        rest = rest[end:]
    if rest or not (anchor is None or isinstance(anchor, datetime)):
        message = f"“{rest[:80]}” is left over"
        raise NotATextError(message)
    return Atom(left, operator, tuple(right), unit, anchor)


def _value(text: str, at: int, sort: str, lang: Lang) -> tuple[Value, int]:
    """Read one constant at a place, and where it ends."""
    for reader in (_concept, _quoted, _moment, _span, _truth, _number):
        found = reader(text, at, sort, lang)
        if found is not None:
            return found
    message = f"“{text[at : at + 80]}” is no value"
    raise NotATextError(message)


def _concept(text: str, at: int, sort: str, _lang: Lang) -> tuple[Value, int] | None:
    found = _CONCEPT.match(text, at) if sort in {"purpose", "region"} else None
    return (found[1], found.end()) if found else None


def _quoted(text: str, at: int, _sort: str, _lang: Lang) -> tuple[Value, int] | None:
    found = _QUOTED.match(text, at)
    return (_unquoted(found[0]), found.end()) if found else None


def _moment(text: str, at: int, _sort: str, lang: Lang) -> tuple[Value, int] | None:
    found = _moments(lang).match(text, at)
    if not found:
        return None
    day = date(int(found[3]), MONTHS[lang].index(found[2]) + 1, int(found[1]))
    if found[4] is None:
        return day, found.end()
    return datetime.combine(day, time.fromisoformat(found[4]), UTC), found.end()


@cache
def _moments(lang: Lang) -> re.Pattern[str]:
    clock = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
    return re.compile(rf"(\d+) ({'|'.join(MONTHS[lang])}) (\d+)(?:, ({clock}) UTC)?")


def _span(text: str, at: int, sort: str, lang: Lang) -> tuple[Value, int] | None:
    if sort != "duration":
        return None
    seconds, end = Decimal(0), at
    for amount, word, after in _amounts(text, at, lang):
        size = {one: size for size, *names in SPANS[lang] for one in names} | {SECONDS[lang]: 1}
        seconds, end = seconds + Decimal(amount) * size[word], after
    return (timedelta(microseconds=int(seconds * 1_000_000)), end) if end > at else None


def _amounts(text: str, at: int, lang: Lang) -> Iterator[tuple[str, str, int]]:
    words = sorted(
        {word for _, *names in SPANS[lang] for word in names} | {SECONDS[lang]}, key=len, reverse=True
    )
    one = re.compile(rf" ?(\d+(?:\.\d+)?) ({'|'.join(words)})(?!\w)")
    found = one.match(text, at)
    while found:
        yield found[1], found[2], found.end()
        found = one.match(text, found.end())


def _truth(text: str, at: int, _sort: str, lang: Lang) -> tuple[Value, int] | None:
    for value, said in BOOLEANS[lang].items():
        if text.startswith(said, at):
            return value, at + len(said)
    return None


def _number(text: str, at: int, _sort: str, _lang: Lang) -> tuple[Value, int] | None:
    found = _NUMBER.match(text, at)
    if not found:
        return None
    return (Decimal(found[0]) if "." in found[0] else int(found[0])), found.end()

"""The outer bounds of a policy document: size, depth and JSON itself, checked before anything is interpreted.

RFC 8259 §9 lets a parser set limits; these keep a hostile document to bounded time and memory.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from itertools import accumulate

from datahub.policy.model import Fault, PolicyFaults
from datahub.policy.turtle import is_turtle, load_turtle

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 48
MAX_NODES = 100_000

_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_STEP = {"{": 1, "[": 1, "(": 1, "}": -1, "]": -1, ")": -1}


def load(document: object) -> object:
    """Return the document as plain JSON values within the bounds; text and bytes are decoded first.

    Raises PolicyFaults (`not-json`, `too-large`, `too-deep`).
    """
    if isinstance(document, bytes | bytearray):
        _limit(len(document), MAX_CHARACTERS, "too-large", "characters")
        try:
            document = document.decode()
        except UnicodeDecodeError:
            raise _fault(
                "not-json", "The document is not UTF-8 text.", "Send JSON encoded as UTF-8."
            ) from None
    if isinstance(document, str):
        return _decode(document)
    _walk(document)
    return document


def _decode(text: str) -> object:
    _limit(len(text), MAX_CHARACTERS, "too-large", "characters")
    steps = (_STEP.get(character, 0) for character in _STRINGS.sub("", text))
    _limit(max(accumulate(steps), default=0), MAX_DEPTH, "too-deep", "levels of nesting")
    if is_turtle(text):
        return load_turtle(text)
    try:
        document: object = json.loads(
            text, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=unique_members
        )
    except (ValueError, ArithmeticError) as broken:
        if isinstance(broken, PolicyFaults):
            raise
        raise _fault("not-json", f"The document is not JSON: {broken}.", "Send one JSON object.") from None
    return document


def _refuse_constant(name: str) -> object:
    raise _fault("not-json", f"{name} is not JSON.", "Write a finite number.")


def unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the members of one JSON object, for `object_pairs_hook`: none may be dropped for another of its name.

    Raises PolicyFaults (`duplicate-key`).
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        double = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _fault(
            "duplicate-key", f"The member “{double}” stands twice in one object.", "Keep one of them."
        )
    return members


def _walk(document: object) -> None:
    """Walk a decoded document level by level, so that depth costs no recursion and a cycle ends."""
    level: list[object] = [document]
    nodes = characters = depth = 0
    while level:
        nodes += len(level)
        _limit(nodes, MAX_NODES, "too-large", "values")
        _limit(depth, MAX_DEPTH, "too-deep", "levels of nesting")
        below: list[object] = []
        for node in level:
            match node:
                case str():
                    characters += len(node)
                case Mapping():
                    characters += sum(len(str(key)) for key in node)
                    below.extend(node.values())
                case list() | tuple():
                    below.extend(node)
        _limit(characters, MAX_CHARACTERS, "too-large", "characters")
        level, depth = below, depth + 1


def _limit(value: int, most: int, code: str, what: str) -> None:
    if value > most:
        message = f"The policy has more than {most:,} {what}."
        raise _fault(code, message, f"Split the policy: at most {most:,} {what}.")


def _fault(code: str, message: str, remedy: str) -> PolicyFaults:
    return PolicyFaults((Fault("", code, message, remedy),))

"""Reads attempts and examples as people write them in JSON, with every fault at once.

An example is an attempt with the answer it must get. A provider keeps examples with an offer; the command line reads
the same form; and what the access log recorded of a read is an attempt too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from datahub.policy.examples import Example
from datahub.policy.facts import Facts
from datahub.policy.model import Fault, PolicyFaults
from datahub.policy.parse_constraints import child
from datahub.policy.registry import Operand
from datahub.policy.values import NotAValueError, read_value

ALLOW: Final = "allow"
DENY: Final = "deny"
_OWN: Final = frozenset({"title", "expect"})
_LONGEST: Final = 1000


def read_examples(documents: object, at: str = "") -> tuple[Example, ...]:
    """Read examples: attempts as `read_attempt` takes them, with `expect` (`allow` or `deny`) and maybe a `title`.

    Raises PolicyFaults: everything wrong with all of them, by pointer below `at`.
    """
    if not isinstance(documents, list | tuple):
        raise PolicyFaults((Fault(at, "wrong-type", "Examples are a list.", "Write a list of objects."),))
    faults: list[Fault] = []
    examples: list[Example] = []
    for place, document in enumerate(documents):
        try:
            examples.append(_example(document, child(at, place), place))
        except PolicyFaults as found:
            faults.extend(found.faults)
    if faults:
        raise PolicyFaults(tuple(faults))
    return tuple(examples)


def read_attempt(document: object, at: str = "") -> Facts:
    """Read one attempt: `who`, `purpose`, `when`, `action` (`read` unless told), `row`, `column` and the other facts.

    Names are those of `Facts` in camel case; what is left out or null is unknown. The legal text counts as accepted
    unless `agreed` says otherwise. Raises PolicyFaults with everything wrong, by pointer below `at`.
    """
    if not isinstance(document, Mapping):
        raise PolicyFaults((Fault(at, "wrong-type", "An attempt is an object.", "Write {…}."),))
    given: dict[str, Any] = {"action": "read", "agreed": True}
    faults: list[Fault] = []
    for name, raw in document.items():
        here = child(at, name)
        if name not in _READERS:
            remedy = f"Use one of {', '.join(_READERS)}."
            faults.append(Fault(here, "unknown-fact", f"“{name}” is no fact of an attempt.", remedy))
        elif raw is not None:
            fact, reader = _READERS[name]
            try:
                given[fact] = reader(raw)
            except NotAValueError as wrong:
                faults.append(Fault(here, wrong.code, str(wrong), wrong.remedy))
    if faults:
        raise PolicyFaults(tuple(faults))
    return Facts(**given)


def _example(document: object, at: str, place: int) -> Example:
    if not isinstance(document, Mapping):
        raise PolicyFaults((Fault(at, "wrong-type", "An example is an object.", "Write {…}."),))
    faults = tuple(_own_faults(document, at))
    try:
        facts = read_attempt({name: document[name] for name in document if name not in _OWN}, at)
    except PolicyFaults as found:
        raise PolicyFaults((*found.faults, *faults)) from None
    if faults:
        raise PolicyFaults(faults)
    return Example(document.get("title") or f"example {place + 1}", facts, document["expect"] == ALLOW)


def _own_faults(document: Mapping[str, object], at: str) -> Iterator[Fault]:
    if document.get("expect") not in (ALLOW, DENY):
        message = f"An example says what must come of it: {ALLOW} or {DENY}."
        yield Fault(child(at, "expect"), "unknown-choice", message, f"Write {ALLOW} or {DENY}.")
    if not isinstance(document.get("title", ""), str):
        yield Fault(child(at, "title"), "wrong-type", "A title is a text.", "Write it in quotes.")


def _of_sort(sort: str, name: str) -> Callable[[object], Any]:
    return lambda raw: read_value(Operand(name, sort, "", ""), raw)


def _several(raw: object) -> frozenset[str]:
    read = _of_sort("text", "a name")
    return frozenset(read(each) for each in (raw if isinstance(raw, list | tuple) else [raw]))


def _membership(raw: object) -> str | bool:
    return raw if isinstance(raw, bool) else str(_of_sort("text", "membership")(raw))


def _object(raw: object) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise NotAValueError("wrong-type", "This is an object.", "Write {…}.")
    if len(raw) > _LONGEST:
        raise NotAValueError("too-large", f"At most {_LONGEST} entries.", "Leave out what does not matter.")
    return raw


def _row(raw: object) -> Mapping[str, object]:
    """Read a row; values that JSON has no type for carry one: `{"@value": "2026-01-01", "@type": "xsd:date"}`."""
    read = _of_sort("column", "a column")
    # An empty text is a value of a row, though no policy may compare with it.
    return {name: value if value in ("", None) else read(value) for name, value in _object(raw).items()}


def _counts(raw: object) -> Mapping[str, int]:
    counts = _object(raw)
    if any(not isinstance(count, int) or isinstance(count, bool) for count in counts.values()):
        raise NotAValueError("wrong-type", "A counter holds a whole number.", "Write what was used before.")
    return counts


def _duties(raw: object) -> Mapping[str, str]:
    duties = _object(raw)
    if any(state not in ("fulfilled", "violated", "open") for state in duties.values()):
        message = "A duty is fulfilled, violated or open."
        raise NotAValueError("unknown-choice", message, "Write one of these.")
    return duties


_READERS: Final[Mapping[str, tuple[str, Callable[[object], Any]]]] = {
    "who": ("recipient", _several),
    "purpose": ("purpose", _of_sort("purpose", "purpose")),
    "when": ("now", _of_sort("instant", "when")),
    "action": ("action", _of_sort("text", "action")),
    "row": ("row", _row),
    "column": ("column", _of_sort("text", "column")),
    "recipient": ("recipient", _several),
    "now": ("now", _of_sort("instant", "now")),
    "membership": ("membership", _membership),
    "location": ("location", _of_sort("text", "location")),
    "consent": ("consent", _of_sort("boolean", "consent")),
    "agreed": ("agreed", _of_sort("boolean", "agreed")),
    "agreedAt": ("agreed_at", _of_sort("instant", "agreedAt")),
    "publishedAt": ("published_at", _of_sort("instant", "publishedAt")),
    "firstUsedAt": ("first_used_at", _of_sort("instant", "firstUsedAt")),
    "counts": ("counts", _counts),
    "duties": ("duties", _duties),
    "joinedWith": ("joined_with", _several),
    "more": ("more", _object),
    **{name: (name, _of_sort("text", name)) for name in ("connector", "application", "query")},
    **{
        name: (name, _several)
        for name in (
            "target",
            "groups",
            "roles",
            "frameworks",
            "contracts",
            "credentials",
            "events",
            "columns",
        )
    },
}

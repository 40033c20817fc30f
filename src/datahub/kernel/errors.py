"""Refusals: the kinds of "no" that a verb can say. They know no status code; each door maps them to its wire.

Anything raised that is not a `Refusal` is a bug and leaves as 500 with a trace id and no detail.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with what was sent: where (JSON pointer, RFC 6901), a stable code, and a sentence."""

    pointer: str
    detail: str
    code: str = "invalid"
    more: Mapping[str, JsonValue] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 — the field's word for a refused call; an error is a bug
    """A verb says no: what happened, what would be right, and facts a program can act on."""

    title: ClassVar[str] = "Refused"

    def __init__(
        self,
        detail: str,
        *,
        remedy: str | None = None,
        faults: Sequence[Fault] = (),
        **facts: JsonValue,
    ) -> None:
        """Keep the sentence for people, the remedy, all faults of the payload, and the facts for programs."""
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.faults = tuple(faults)
        self.facts = facts

    @classmethod
    def code(cls) -> str:
        """Return the stable code: the class name in kebab case."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__).lower()


class Invalid(Refusal):
    """What was sent cannot be right, whatever the state."""

    title = "Invalid request"


class NotFound(Refusal):
    """It does not exist, or the actor may not know that it does."""

    title = "Not found"


class Forbidden(Refusal):
    """The actor may see it but not do this to it."""

    title = "Not allowed"


class Conflict(Refusal):
    """It was a fair thing to ask, but the state does not allow it."""

    title = "Conflict with the current state"


class Gone(Refusal):
    """It was here and has ended for good."""

    title = "No longer available"


class Unauthenticated(Refusal):
    """No usable credential came with the request."""

    title = "Credential missing or not valid"


class Exhausted(Refusal):
    """What was agreed for a period is used up (RFC 6585 §4)."""

    title = "Used up for now"


class Unavailable(Refusal):
    """The exchange cannot do it safely now; trying again later may work."""

    title = "Temporarily unavailable"


class OtherSideFailed(Unavailable):
    """A server that the exchange had to ask did not give a usable answer."""

    title = "Other side failed"


class OtherSideSlow(OtherSideFailed):
    """A server that the exchange had to ask did not answer in time."""

    title = "Other side too slow"


KINDS: tuple[type[Refusal], ...] = (
    Invalid,
    NotFound,
    Forbidden,
    Conflict,
    Gone,
    Exhausted,
    Unavailable,
    OtherSideFailed,
    OtherSideSlow,
)

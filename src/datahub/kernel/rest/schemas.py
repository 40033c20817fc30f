"""What every REST schema shares: camelCase on the wire, unknown fields refused, instants in UTC with `Z`."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from datahub.kernel.paging import Page


class Schema(BaseModel):
    """A REST message: camelCase names, no unknown fields, frozen once parsed."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, from_attributes=True
    )


class SchemaIn(Schema):
    """A REST message that comes in: each name in the one spelling of the API's description."""

    model_config = ConfigDict(populate_by_name=False)


_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _written_out(value: Any) -> Any:
    """Let pass an instant as RFC 3339 writes it; Pydantic would also take a bare number, as seconds or milliseconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    msg = "give an instant as RFC 3339 has it, with its offset, e.g. 2026-06-01T12:00:00Z"
    raise ValueError(msg)


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as fault:
        msg = "in UTC this instant lies outside the years 1 to 9999"
        raise ValueError(msg) from fault


def _no_control(text: str) -> str:
    if any(ord(c) < 32 and c not in "\n\t" for c in text):  # noqa: PLR2004 — C0 controls end at 31
        msg = "control characters are not allowed"
        raise ValueError(msg)
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):  # noqa: PLR2004 — the surrogate range
        msg = "unpaired surrogates are not text"
        raise ValueError(msg)
    return text


class Described:
    """Adds to the API's description of a type what its own validator holds, so that nobody has to try it out."""

    def __init__(self, more: Mapping[str, Any]) -> None:
        """Keep the members to add to the JSON Schema."""
        self._more = more

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), **self._more}


_NOT_BLANK = Described({"pattern": r"\S"})
UtcInstant = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_utc)]
Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000),
    AfterValidator(_no_control),
    _NOT_BLANK,
]
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=300),
    AfterValidator(_no_control),
    _NOT_BLANK,
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


def _a_number(value: Any) -> Any:
    if isinstance(value, bool | str):
        msg = "must be written as a number"
        raise ValueError(msg)  # noqa: TRY004 — Pydantic reports ValueError as a fault
    return value


# A whole number, not "5" and not true; 5.0 is one (JSON Schema 2020-12 §4.2.3).
Whole = Annotated[int, BeforeValidator(_a_number)]
Item = TypeVar("Item")


class _NotNull:
    """Null is no value here: refused, and not in the API's description either."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_given, handler(source))

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        options = [each for each in described.pop("anyOf", ()) if each != {"type": "null"}]
        return described | (options[0] if len(options) == 1 else {"anyOf": options} if options else {})


def _given(value: Any) -> Any:
    if value is None:
        msg = "cannot be null; leave it out to keep it as it is"
        raise ValueError(msg)
    return value


# A field of a change that may be left out (it is None then) but not be emptied.
Kept = Annotated[Item | None, _NotNull()]


class PageOut(Schema, Generic[Item]):
    """One page of a list; follow `nextCursor` until it is null."""

    items: Sequence[Item]
    next_cursor: str | None = Field(default=None, description="Give as `cursor` for the next page.")
    prev_cursor: str | None = Field(default=None, description="Give as `cursor` for the page before.")


def page_out(page: Page[Any], shape: Callable[[Any], Item]) -> PageOut[Item]:
    """Turn a page of rows into a page of messages."""
    return PageOut[Any](
        items=[shape(row) for row in page.items], next_cursor=page.next_cursor, prev_cursor=page.prev_cursor
    )


class TransitionIn(SchemaIn):
    """One move of a thing's life, asked for."""

    move: Line
    reason: Text | None = None


class FaultOut(BaseModel):
    """One thing wrong in what was sent; some kinds say more, e.g. the line of a file."""

    model_config = ConfigDict(extra="allow")

    pointer: str = Field(description="JSON pointer into the body, or /query/…, /path/…, /header/….")
    detail: str
    code: str


class ProblemOut(BaseModel):
    """RFC 9457 problem details; `type` leads to a page that explains it."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, populate_by_name=True)

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    remedy: str | None = None
    errors: list[FaultOut] | None = None

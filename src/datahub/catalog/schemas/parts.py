"""The pieces that descriptions of datasets are made of: texts in two languages, places, periods, contacts, columns."""

import re
from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    JsonValue,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema

from datahub.catalog.ingest import ColumnType
from datahub.catalog.models import Theme, authority_iri
from datahub.kernel.rest import Described, Line, Schema, Text

MAX_COLUMNS = 2000
_IRI = r"^(https?://|urn:)[^\x00-\x20\x7f<>\"{}|\\^`]+$"
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_THEME_IRIS = {authority_iri(theme): theme.value for theme in Theme}


def _theme(text: str) -> str:
    """Write a theme as its code where it has one."""
    code = _THEME_IRIS.get(text, text)
    if code not in set(Theme) and not re.match(_IRI, code):
        msg = f"give an EU data theme ({', '.join(Theme)}) or an http(s) or urn IRI"
        raise ValueError(msg)
    return code


def _column_type(text: str) -> str:
    """Write a column type in its one form. Raises ValueError for what is none."""
    return ColumnType.read(text).name


def _only_a_date(value: Any) -> Any:
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        msg = "give a date as YYYY-MM-DD"
        raise ValueError(msg)
    if not isinstance(value, str | date):
        msg = "give a date as a text, YYYY-MM-DD"
        raise ValueError(msg)  # noqa: TRY004 — Pydantic reports ValueError as a fault
    return value


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Iri = Annotated[str, StringConstraints(strip_whitespace=True, pattern=_IRI, max_length=400)]
ThemeCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=400),
    AfterValidator(_theme),
    Described({"pattern": f"^({'|'.join(Theme)})$|{_IRI}"}),
]
Keyword = Annotated[Line, StringConstraints(max_length=100)]
PlainDate = Annotated[date, BeforeValidator(_only_a_date)]
Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]+\.[^@\s\x00-\x1f\x7f-\x9f]+$",
        max_length=320,
    ),
]
Longitude = Annotated[float, Field(ge=-180, le=180, strict=True, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, strict=True, allow_inf_nan=False)]
Distinct = AfterValidator(_distinct)


def _any_given(*names: str) -> dict[str, JsonValue]:
    """Say in JSON Schema that at least one of these is given, and not null."""
    return {
        "anyOf": [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]
    }


class _OneAtLeast(Schema):
    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say so in the API's description too."""
        return handler(core_schema) | _any_given(*cls.model_fields)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            msg = f"give at least one of {', '.join(type(self).model_fields)}"
            raise ValueError(msg)
        return self


class TitleText(_OneAtLeast):
    """One line in Dutch, in English, or in both."""

    nl: Line | None = None
    en: Line | None = None


class LongText(_OneAtLeast):
    """Text in Dutch, in English, or in both."""

    nl: Text | None = None
    en: Text | None = None


class Spatial(_OneAtLeast):
    """Where the data is about: in words, by the IRI of a place, as a box, or several of these."""

    label: Line | None = None
    iri: Iri | None = Field(default=None, examples=["https://sws.geonames.org/2759794/"])
    bbox: tuple[Longitude, Latitude, Longitude, Latitude] | None = Field(
        default=None, description="West, south, east, north; WGS 84 degrees (RFC 7946 §5)."
    )

    @model_validator(mode="after")
    def _south_first(self) -> Self:
        if self.bbox is not None and self.bbox[1] > self.bbox[3]:
            msg = "the south of a bbox cannot lie north of its north"
            raise ValueError(msg)
        return self


class Temporal(_OneAtLeast):
    """The period the data is about; either end may be open."""

    start: PlainDate | None = None
    end: PlainDate | None = None


class Contact(Schema):
    """Whom to ask about the dataset."""

    model_config = ConfigDict(json_schema_extra=_any_given("email", "url"))

    name: Line
    email: Email | None = None
    url: Iri | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.email is None and self.url is None:
            msg = "give an email address or a url"
            raise ValueError(msg)
        return self


class Sensitivity(StrEnum):
    """How sensitive data about people is (DPV personal data; GDPR art. 9)."""

    PERSONAL = "personal"
    SENSITIVE = "sensitive"
    SPECIAL_CATEGORY = "special-category"


class ColumnSchema(Schema):
    """One column of a table."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    type: Annotated[str, StringConstraints(max_length=20), AfterValidator(_column_type)] = Field(
        description="string, boolean, int64, float64, decimal(p,s), date, time or timestamp.",
        examples=["int64"],
    )
    nullable: StrictBool = True
    title: TitleText | None = None
    description: LongText | None = None
    sensitivity: Sensitivity | None = Field(
        default=None, description="Set for data about people: how sensitive it is (DPV, GDPR art. 9)."
    )

    @model_validator(mode="after")
    def _nameable(self) -> Self:
        if self.name != self.name.strip() or not self.name.isprintable():
            msg = "a column name has no surrounding blanks and no control characters"
            raise ValueError(msg)
        return self


def _told_apart(columns: Sequence[ColumnSchema] | None) -> Sequence[ColumnSchema] | None:
    seen: set[str] = set()
    for column in columns or ():
        if column.name.casefold() in seen:
            msg = f"column {column.name!r} comes twice (case is not told apart)"
            raise ValueError(msg)
        seen.add(column.name.casefold())
    return columns


Columns = Annotated[
    list[ColumnSchema], Field(min_length=1, max_length=MAX_COLUMNS), AfterValidator(_told_apart)
]

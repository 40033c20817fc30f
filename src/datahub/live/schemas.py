"""REST messages about live APIs."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from datahub.catalog import ColumnSchema
from datahub.kernel.rest import Line, Schema, SchemaIn, UtcInstant, Whole
from datahub.live.models import LiveApi
from datahub.live.rules import is_parameter

MOST_BYTES = 16 << 20
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$")]
Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^~]|~[01])*)*$", max_length=300)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4000)]
MediaType = Annotated[
    str,
    StringConstraints(
        to_lower=True, pattern=r"^(application/[a-z0-9.+-]{1,80}|text/(csv|plain))$", max_length=100
    ),
]
Method = Literal["GET", "POST"]
# What the exchange itself writes, or what would change how the message is read (RFC 9110 §7.6.1).
_NOT_FOR_SECRETS = frozenset(
    [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ]
)


class Parameter(Schema):
    """One value that a call may carry: its type and limits."""

    type: Literal["string", "integer", "number", "boolean", "date", "timestamp"] = "string"
    required: bool = False
    minimum: Annotated[float, Field(allow_inf_nan=False)] | None = None
    maximum: Annotated[float, Field(allow_inf_nan=False)] | None = None
    max_length: Annotated[Whole, Field(ge=1, le=1000)] | None = Field(
        default=None, description="200 unless told."
    )
    enum: Annotated[list[Line], Field(min_length=1, max_length=200)] | None = None
    description: Line | None = None


class Path(Schema):
    """One path that may be called; `{name}` stands for a value."""

    path: Annotated[
        str, StringConstraints(pattern=r"^(/([A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+$", max_length=300)
    ]
    methods: Annotated[list[Method], Field(min_length=1, max_length=2)] = ["GET"]
    path_parameters: dict[Name, Parameter] = {}
    query: Annotated[dict[Name, Parameter], Field(max_length=50)] = {}
    body_bytes: Annotated[Whole, Field(ge=0, le=1 << 20)] = Field(
        default=0, description="The largest JSON body of a POST; 0: none."
    )
    description: Line | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        segments = self.path.split("/")
        named = [each[1:-1] for each in segments if is_parameter(each)]
        if len(named) != len(set(named)) or not self.path_parameters.keys() <= set(named):
            msg = "every path parameter stands once in the path"
            raise ValueError(msg)
        if {".", ".."} & set(segments):
            msg = "a path has no dot segments"
            raise ValueError(msg)
        return self


class MappedColumn(ColumnSchema):
    """One column of the rows in an answer, and where in a row it is."""

    pointer: Pointer | None = Field(default=None, description="JSON pointer in a row; `/<name>` unless told.")

    @model_validator(mode="after")
    def _placed(self) -> Self:
        if self.pointer is None:
            plain = self.name.replace("~", "~0").replace("/", "~1")
            object.__setattr__(self, "pointer", f"/{plain}")
        return self


class Mapping(Schema):
    """Where in an answer the rows are, so that rules on rows and columns can be applied to them."""

    rows: Pointer = Field(
        description="JSON pointer to the list of rows; empty: the answer is the list.", examples=["/items"]
    )
    columns: Annotated[list[MappedColumn], Field(min_length=1, max_length=500)]

    @field_validator("columns")
    @classmethod
    def _told_apart(cls, columns: list[MappedColumn]) -> list[MappedColumn]:
        if len({each.name.casefold() for each in columns}) != len(columns):
            msg = "two columns have the same name (case is not told apart)"
            raise ValueError(msg)
        return columns


class Limits(Schema):
    """What one call may cost, and how many an organisation may make."""

    response_bytes: Annotated[Whole, Field(ge=1, le=MOST_BYTES)] = 1 << 20
    time_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 10
    calls_per_minute: Annotated[Whole, Field(ge=1, le=100_000)] = Field(
        default=60, description="Of each organisation."
    )


class BearerCredential(SchemaIn):
    """A bearer token (RFC 6750)."""

    type: Literal["bearer"]
    token: Secret


class BasicCredential(SchemaIn):
    """User and password (RFC 7617)."""

    type: Literal["basic"]
    user: Line
    password: Secret


class HeaderCredential(SchemaIn):
    """A key in a header of its own."""

    type: Literal["header"]
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
    value: Secret

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name.lower() in _NOT_FOR_SECRETS:
            msg = "this header is written by the exchange"
            raise ValueError(msg)
        return name


Credential = Annotated[BearerCredential | BasicCredential | HeaderCredential, Field(discriminator="type")]


def _plain(credential: Schema) -> dict[str, str]:
    held = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in credential
    }
    if any(not each.isascii() or not each.isprintable() for each in held.values()):
        msg = "a credential is printable ASCII"
        raise ValueError(msg)
    return held


class LiveApiIn(SchemaIn):
    """A live API: where the provider's service is, what of it may be called, and with which credential."""

    base_url: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^https?://[^?#\s]+$")
    ]
    paths: Annotated[list[Path], Field(min_length=1, max_length=100)]
    limits: Limits = Limits()
    media_types: Annotated[list[MediaType], Field(min_length=1, max_length=10)] = Field(
        default=["application/json"],
        description="What the service may answer with; with a mapping JSON only.",
    )
    mapping: Mapping | None = Field(default=None, description="For a table: where in an answer the rows are.")
    credential: Credential | None = Field(
        default=None, description="Never shown again. Left out: as it was; null: removed."
    )

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.credential is not None:
            _plain(self.credential)
        if self.mapping is not None and not all(re.search(r"[/+]json$", each) for each in self.media_types):
            msg = "with a mapping the service answers in JSON"
            raise ValueError(msg)
        return self

    def definition(self) -> dict[str, Any]:
        """Return what is kept in the clear."""
        return self.model_dump(mode="json", by_alias=True, exclude={"credential"})

    def held(self) -> dict[str, str] | None:
        """Return the credential."""
        return None if self.credential is None else _plain(self.credential)

    @property
    def is_credential_said(self) -> bool:
        """Tell whether anything was said about the credential."""
        return "credential" in self.model_fields_set


class UpstreamOut(Schema):
    """Where the service is: for the provider only."""

    base_url: str
    has_credential: bool
    credential_changed_at: UtcInstant | None
    media_types: list[str]


class LiveApiOut(Schema):
    """What a live API offers."""

    dataset_id: str
    version: int = Field(description="The version of the dataset that says its columns.")
    address: str = Field(description="Paths are called below this address.")
    paths: list[Path]
    limits: Limits
    mapping: Mapping | None
    upstream: UpstreamOut | None = Field(description="Shown to the provider only.")
    modified_at: UtcInstant

    @classmethod
    def of(cls, api: LiveApi, base_url: str, *, is_own: bool) -> Self:
        """Shape a row."""
        said = api.definition
        upstream = {
            "base_url": said["baseUrl"],
            "has_credential": api.sealed is not None,
            "credential_changed_at": api.sealed_at,
            "media_types": said["mediaTypes"],
        }
        return cls.model_validate(
            {
                "dataset_id": api.dataset_id,
                "version": api.version,
                "address": f"{base_url}/v1/datasets/{api.dataset_id}/api",
                "paths": said["paths"],
                "limits": said["limits"],
                "mapping": said["mapping"],
                "upstream": upstream if is_own else None,
                "modified_at": api.modified_at,
            }
        )

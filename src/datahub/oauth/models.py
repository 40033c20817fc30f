"""Tables of the authorization server: clients and their secrets, signing keys, what was used up, what was revoked.

No access token is ever stored: tokens are stateless JWTs, and only their revocation leaves a row.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, LargeBinary, String
from sqlmodel import Field, SQLModel

from datahub.kernel import db

MAX_NAME_LENGTH = 300  # of a client_id: an id of ours, an iSHARE id, or an address


class Profile(StrEnum):
    """Which security profile a client keeps: how it proves who it is, and what tokens it gets (`profiles`)."""

    FAPI2 = "fapi2"
    NLGOV = "nlgov"
    ISHARE = "ishare"
    BASIC = "basic"


class ClientState(StrEnum):
    """Whether a client may get and use tokens."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Client(SQLModel, table=True):
    """A program that acts for an organisation, or for one person of it; its id is the `client_id`."""

    __tablename__ = "oauth_client"
    __table_args__ = (
        CheckConstraint("profile in ('fapi2','nlgov','ishare','basic')", name="profile"),
        CheckConstraint("state in ('active','disabled')", name="state"),
        db.IS_AUTHORITY,
    )

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    participant_id: str = Field(
        sa_column=Column(db.Id, ForeignKey("participant.id"), nullable=False, index=True)
    )
    person_id: str | None = Field(default=None, sa_column=Column(db.Id, ForeignKey("person.id"), index=True))
    name: str = Field(sa_column=Column(String(300), nullable=False))
    profile: str = Field(sa_column=Column(String(20), nullable=False))
    roles: list[str] = Field(sa_column=Column(db.Json, nullable=False))
    jwks: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    jwks_uri: str | None = Field(default=None, sa_column=Column(String(2000)))
    is_dpop_bound: bool = False  # asks for what its profile may leave open (RFC 9449 §5.2)
    # The other name it goes by where its profile says so: an iSHARE id
    alias: str | None = Field(default=None, sa_column=Column(String(100), unique=True))
    # The address of its metadata document, which is its client_id then
    metadata_uri: str | None = Field(
        default=None, sa_column=Column(String(MAX_NAME_LENGTH), unique=True, index=True)
    )
    state: str = Field(default=ClientState.ACTIVE, sa_column=Column(String(10), nullable=False))
    epoch: int = 1  # every token carries it; one step revokes all tokens of the client
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    revision: int = 1


class ClientSecret(SQLModel, table=True):
    """One secret of a `basic` client, as its SHA-256: 256 random bits need no slow hash."""

    __tablename__ = "oauth_client_secret"

    id: str = Field(sa_column=Column(db.Id, primary_key=True))
    client_id: str = Field(sa_column=Column(db.Id, ForeignKey("oauth_client.id"), nullable=False, index=True))
    digest: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    last_used_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    expires_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))


class SigningKey(SQLModel, table=True):
    """A key of the exchange: published before `active_from`, in use from then until its successor's.

    `sealed` is the private part, encrypted; it is erased when the key retires. The public part stays for good, so
    that what was signed can be verified for years.
    """

    __tablename__ = "oauth_signing_key"
    __table_args__ = db.IS_AUTHORITY

    kid: str = Field(sa_column=Column(String(43), primary_key=True))
    public_jwk: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    sealed: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    created_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    active_from: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, unique=True))


class UsedAssertion(SQLModel, table=True):
    """A client assertion or DPoP proof that has had its one use, kept until it would have expired.

    RFC 7523 §3, RFC 9449 §11.1. One row of fixed size each, and the worker drops the old: the store stays bounded.
    """

    __tablename__ = "oauth_used_assertion"
    __table_args__ = db.IS_SPOOLED

    digest: str = Field(sa_column=Column(String(64), primary_key=True))
    expires_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, index=True))


class Revocation(SQLModel, table=True):
    """Tokens that are no longer good: `token:<jti>`, `agreement:<id>` or `key:<kid>`, if issued until `revoked_at`."""

    __tablename__ = "oauth_revocation"
    __table_args__ = db.IS_AUTHORITY

    subject: str = Field(sa_column=Column(String(80), primary_key=True))
    revoked_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    expires_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, index=True))


class FetchedKeys(SQLModel, table=True):
    """The keys of a client that publishes them at a URL, as last fetched, shared by all workers."""

    __tablename__ = "oauth_fetched_keys"

    client_id: str = Field(sa_column=Column(db.Id, ForeignKey("oauth_client.id"), primary_key=True))
    jwks: dict[str, Any] | None = Field(default=None, sa_column=Column(db.Json))
    fetched_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    tried_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    fault: str | None = Field(default=None, sa_column=Column(String(300)))


class FetchedList(SQLModel, table=True):
    """The revocation list of an issuer of certificates, as last fetched from an address, shared by all workers."""

    __tablename__ = "oauth_fetched_list"

    url: str = Field(sa_column=Column(String(500), primary_key=True))
    content: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    digest: str | None = Field(default=None, sa_column=Column(String(64)))  # SHA-256 of the content
    fetched_at: datetime | None = Field(default=None, sa_column=Column(db.UtcDateTime))
    tried_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False))
    fault: str | None = Field(default=None, sa_column=Column(String(300)))


class PushedRequest(SQLModel, table=True):
    """The parameters of a token request that were pushed ahead of it, for one use (RFC 9126)."""

    __tablename__ = "oauth_pushed_request"

    digest: str = Field(sa_column=Column(String(64), primary_key=True))
    client_id: str = Field(sa_column=Column(db.Id, ForeignKey("oauth_client.id"), nullable=False, index=True))
    parameters: dict[str, Any] = Field(sa_column=Column(db.Json, nullable=False))
    key_id: str | None = Field(default=None, sa_column=Column(String(43)))
    expires_at: datetime = Field(sa_column=Column(db.UtcDateTime, nullable=False, index=True))

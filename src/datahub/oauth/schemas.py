"""REST messages about clients, and the documented shapes of OAuth's own messages."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from datahub.audit import Entry
from datahub.kernel.rest import Kept, Line, Schema, SchemaIn, Text, UtcInstant
from datahub.oauth.jose import MAX_KEYS
from datahub.oauth.models import Client, ClientSecret, ClientState, Profile, SigningKey
from datahub.participants import Role

_EXAMPLE_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}


class JwksIn(SchemaIn):
    """A client's public keys (RFC 7517 §5): P-256, RSA from 2048 bits, or Ed25519."""

    keys: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_KEYS, examples=[[_EXAMPLE_KEY]])


class ClientIn(SchemaIn):
    """A client to be registered."""

    name: Line
    security_profile: Profile = Field(
        default=Profile.FAPI2,
        description="fapi2: private_key_jwt and DPoP. nlgov: private_key_jwt (also RS256, x5c). ishare: x5c. "
        "basic: a secret, tokens of ten minutes at most.",
    )
    roles: list[Role] = Field(min_length=1, max_length=len(Role))
    participant_id: Line | None = Field(default=None, description="Its organisation; yours when absent.")
    person_id: Line | None = Field(
        default=None, description="The person it acts for; it never has more roles."
    )
    jwks: JwksIn | None = Field(default=None, description="Its public keys; not for a basic client.")
    jwks_uri: Line | None = Field(
        default=None, description="Where its public keys are published, in place of jwks."
    )
    client_metadata_uri: Line | None = Field(
        default=None,
        description="The address of a document about it, which holds its keys and is its client_id, in place of jwks "
        "(Client ID Metadata Document); where this exchange takes them.",
    )
    dpop_bound_access_tokens: bool = Field(
        default=False, description="Give it only tokens bound to a DPoP key; fapi2 does so anyway."
    )


class ClientPatch(SchemaIn):
    """What may be changed of a client; absent fields stay."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Kept[Line] = None
    roles: Kept[list[Role]] = Field(default=None, min_length=1, max_length=len(Role))
    jwks: Kept[JwksIn] = Field(default=None, description="Replaces all keys; list old and new to rotate.")
    jwks_uri: Kept[Line] = Field(default=None, description="Replaces all keys by those published there.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            msg = "name at least one field to change"
            raise ValueError(msg)
        return self


class SecretIn(SchemaIn):
    """A secret to be made."""

    expires_at: UtcInstant | None = Field(
        default=None, description="When it stops opening; never when absent."
    )


class SecretOut(Schema):
    """What is known of a secret."""

    id: str
    created_at: UtcInstant
    last_used_at: UtcInstant | None = Field(description="To the minute.")
    expires_at: UtcInstant | None

    @classmethod
    def of(cls, secret: ClientSecret) -> Self:
        """Shape a row."""
        return cls.model_validate(secret.model_dump(exclude={"digest", "client_id"}))


class NewSecretOut(SecretOut):
    """A secret just made. It is shown in this answer only: a repeated request gets the answer without it."""

    client_id: str
    secret: str | None = Field(default=None, description="Keep it now; it cannot be shown again.")


class ClientOut(Schema):
    """An OAuth client of an organisation."""

    id: str = Field(description="The client_id.")
    participant_id: str
    person_id: str | None
    name: str
    security_profile: Profile
    roles: list[Role]
    state: ClientState
    jwks: dict[str, Any] | None
    jwks_uri: str | None
    client_metadata_uri: str | None = Field(
        description="The address of its metadata document, which it goes by as client_id."
    )
    dpop_bound_access_tokens: bool
    alias: str | None = Field(description="The iSHARE id it goes by as client_id, for an iSHARE client.")
    secrets: list[SecretOut]
    created_at: UtcInstant

    @classmethod
    def of(cls, client: Client, secrets: Sequence[ClientSecret]) -> Self:
        """Shape rows."""
        shaped = [SecretOut.of(secret) for secret in secrets]
        renamed = {
            "security_profile": client.profile,
            "dpop_bound_access_tokens": client.is_dpop_bound,
            "client_metadata_uri": client.metadata_uri,
        }
        row = client.model_dump(exclude={"revision", "epoch", "profile", "is_dpop_bound", "metadata_uri"})
        return cls.model_validate(row | renamed | {"secrets": shaped})


class ClientTransitionIn(SchemaIn):
    """One move of a client's life, asked for: disable or enable."""

    move: Line
    reason: Text | None = None


class ClientTransitionOut(Schema):
    """One move of a client's life, as it was made."""

    at: UtcInstant
    move: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    by_participant_id: str | None
    by_client_id: str | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Shape an entry of the access log."""
        return cls(
            at=entry.at,
            move=entry.details["move"],
            from_state=entry.details.get("from"),
            to_state=entry.details.get("to"),
            reason=entry.details.get("reason"),
            by_participant_id=entry.actor_participant_id,
            by_client_id=entry.actor_client_id,
        )


class AuthEventOut(Schema):
    """One attempt of a client to prove itself: for its owner, what the answer on the wire did not tell."""

    id: str
    at: UtcInstant
    action: str = Field(description="oauth.token, oauth.push, oauth.introspect or oauth.revoke.")
    outcome: str = Field(description="permit, done or refused.")
    check: str = Field(description="Which check failed; ok when none did.")
    error: str | None = Field(description="The error that was answered (RFC 6749 §5.2).")
    clock_skew_s: int | None = Field(
        description="How far the client's clock is ahead of the exchange's, as its JWT tells; negative: behind."
    )
    facts: dict[str, Any] = Field(description="By how much, and what was given.")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Shape an entry of the access log."""
        facts = {_camel(name): value for name, value in entry.details.items() if value is not None}
        ago = facts.get("secondsAgo")
        skew = facts.pop("clockSkewS", facts.get("secondsAhead", -ago if isinstance(ago, int) else None))
        return cls(
            id=entry.id,
            at=entry.at,
            action=entry.action,
            outcome=entry.outcome,
            check=entry.code,
            error=facts.pop("error", None),
            clock_skew_s=skew if isinstance(skew, int) else None,
            facts=facts,
        )


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


class ClientHistoryOut(Schema):
    """All moves of a client's life, oldest first."""

    items: list[ClientTransitionOut]


class SigningKeyOut(Schema):
    """A key the exchange signs with, or signed with once."""

    kid: str
    public_jwk: dict[str, Any]
    created_at: UtcInstant
    active_from: UtcInstant = Field(description="In use from then until its successor's activeFrom.")

    @classmethod
    def of(cls, key: SigningKey) -> Self:
        """Shape a row."""
        return cls.model_validate(key.model_dump(exclude={"sealed"}))


class SigningKeysOut(Schema):
    """Every key the exchange ever signed with, oldest first."""

    items: list[SigningKeyOut]


class TokenOut(BaseModel):
    """A token given (RFC 6749 §5.1, RFC 9396 §7)."""

    access_token: str
    token_type: str
    expires_in: int = Field(description="Seconds.")
    scope: str
    authorization_details: list[dict[str, Any]] | None = None
    issued_token_type: str | None = Field(
        default=None, description="With a token exchange (RFC 8693 §2.2.1)."
    )


class PushedOut(BaseModel):
    """A request that was pushed (RFC 9126 §2.2)."""

    request_uri: str
    expires_in: int = Field(description="Seconds.")


class OAuthErrorOut(BaseModel):
    """An error of an OAuth endpoint (RFC 6749 §5.2); not problem details."""

    error: str
    error_description: str
    error_uri: str
    code: str | None = Field(
        default=None, description="With invalid_authorization_details: why no agreement covers them."
    )
    wouldPermit: list[dict[str, Any]] | None = Field(  # noqa: N815 — as in the problem of a refused read
        default=None, description="With invalid_authorization_details: the nearest changes that would permit."
    )


class IntrospectionOut(BaseModel):
    """The state of a token (RFC 7662 §2.2); only `active` when it is not good, or not yours to know."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    token_type: str | None = None
    exp: int | None = None
    iat: int | None = None
    sub: str | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    jti: str | None = None
    participant_id: str | None = None
    authorization_details: list[dict[str, Any]] | None = None
    cnf: dict[str, str] | None = None
    act: dict[str, Any] | None = None


class JwksOut(BaseModel):
    """Public keys (RFC 7517 §5)."""

    keys: list[dict[str, Any]]


class AuthorizationServerOut(BaseModel):
    """Metadata of the authorization server (RFC 8414 §2)."""

    issuer: str
    token_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str]
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    revocation_endpoint: str
    revocation_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_signing_alg_values_supported: list[str]
    introspection_endpoint: str
    introspection_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_signing_alg_values_supported: list[str]
    pushed_authorization_request_endpoint: str
    require_pushed_authorization_requests: bool
    dpop_signing_alg_values_supported: list[str]
    authorization_details_types_supported: list[str]
    protected_resources: list[str]
    client_id_metadata_document_supported: bool
    service_documentation: str


class ProtectedResourceOut(BaseModel):
    """Metadata of the API as a protected resource (RFC 9728 §2)."""

    resource: str
    authorization_servers: list[str]
    scopes_supported: list[str]
    bearer_methods_supported: list[str]
    resource_name: str
    resource_documentation: str
    authorization_details_types_supported: list[str]
    dpop_signing_alg_values_supported: list[str]
    dpop_bound_access_tokens_required: bool
    authorization_details: list[dict[str, Any]] | None = Field(
        default=None, description="Which details would open this address."
    )

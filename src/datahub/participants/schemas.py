"""REST messages about organisations and people."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StrictBool, StringConstraints, model_validator

from datahub.audit import Entry
from datahub.kernel.rest import Kept, Line, Schema, SchemaIn, Slug, UtcInstant
from datahub.participants.models import Participant, ParticipantState, Person, Role, Scheme, Webhook

Email = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        pattern=r"^[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]+\.[^@\s\x00-\x1f\x7f-\x9f]+$",
        max_length=320,
    ),
]
WebUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=r"^https?://[^\s\x00-\x1f\x7f-\x9f]+$", max_length=2000),
]


class ApplicationIn(SchemaIn):
    """An organisation's application to join."""

    name: Line
    slug: Slug = Field(description="Short name, used in addresses of datasets.")
    contact_email: Email
    website: WebUrl | None = None
    legal_identifiers: dict[Scheme, Line] = Field(
        min_length=1, description="By register: kvk, oin, eori, lei, did.", examples=[{"kvk": "34366966"}]
    )


class ParticipantPatch(SchemaIn):
    """What may be changed of an organisation; absent fields stay."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Kept[Line] = None
    contact_email: Kept[Email] = None
    website: WebUrl | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            msg = "name at least one field to change"
            raise ValueError(msg)
        return self


class ParticipantOut(Schema):
    """An organisation in the exchange."""

    id: str
    slug: str
    name: str
    state: ParticipantState
    is_exchange: bool
    legal_identifiers: dict[str, str]
    website: str | None
    contact_email: str
    created_at: UtcInstant

    @classmethod
    def of(cls, participant: Participant, identifiers: dict[str, str]) -> Self:
        """Shape a row."""
        return cls.model_validate(
            participant.model_dump(exclude={"revision"}) | {"legal_identifiers": identifiers}
        )


class PersonIn(SchemaIn):
    """Somebody who is to act for an organisation."""

    name: Line
    email: Email
    roles: list[Role] = Field(min_length=1, max_length=len(Role))


class PersonPatch(SchemaIn):
    """What may be changed of a person; absent fields stay."""

    name: Kept[Line] = None
    roles: Kept[list[Role]] = Field(default=None, max_length=len(Role))
    is_active: Kept[StrictBool] = None


class PersonOut(Schema):
    """Somebody who acts for an organisation."""

    id: str
    participant_id: str
    name: str
    email: str
    roles: list[Role]
    is_active: bool
    created_at: UtcInstant

    @classmethod
    def of(cls, person: Person) -> Self:
        """Shape a row."""
        return cls.model_validate(person.model_dump(exclude={"revision"}))


class TransitionOut(Schema):
    """One move of a thing's life, as it was made."""

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
            move=entry.action.partition(".")[2],
            from_state=entry.details.get("from"),
            to_state=entry.details.get("to"),
            reason=entry.details.get("reason"),
            by_participant_id=entry.actor_participant_id,
            by_client_id=entry.actor_client_id,
        )


class HistoryOut(Schema):
    """All moves of a thing's life, oldest first."""

    items: list[TransitionOut]


class WebhookIn(SchemaIn):
    """An address to be told when something of the organisation's own has happened."""

    url: WebUrl = Field(description="https, port 443 or 8443, out in the open internet.")


class WebhookOut(Schema):
    """A webhook, and when it last took a message."""

    id: str
    participant_id: str
    url: str
    is_active: bool
    created_at: UtcInstant
    last_taken_at: UtcInstant | None

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Shape a row."""
        return cls.model_validate(webhook.model_dump(exclude={"revision"}))


class WebhooksOut(Schema):
    """All webhooks of an organisation, and the key that verifies their signatures."""

    items: list[WebhookOut]
    public_key: str = Field(description="Ed25519, as whpk_<base64> (Standard Webhooks 1.0, v1a).")

"""REST messages about agreements."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from datahub.audit import Entry
from datahub.contracts.models import Agreement, AgreementState
from datahub.contracts.rules.agreements import Standing, state_at, statement
from datahub.kernel.rest import Schema, SchemaIn, Text, UtcInstant

AskedAgreementMove = Literal["suspend", "resume", "end", "revoke"]


class AgreementMoveIn(SchemaIn):
    """One move of an agreement's life, asked for."""

    move: AskedAgreementMove
    reason: Text | None = Field(
        default=None, description="Needed to suspend and to revoke; the other side reads it."
    )


class AgreementOut(Schema):
    """What two organisations agreed, frozen by hash and signed by the exchange."""

    id: str
    request_id: str
    dataset_id: str
    offer_id: str
    offer_version: int
    provider_id: str
    consumer_id: str
    state: AgreementState
    standing: Standing = Field(description="Whether it is in force at this moment, and if not why not.")
    purpose: str | None
    policy: dict[str, Any]
    policy_hash: str
    text: dict[str, str] = Field(description="The agreement in plain language, by language.")
    text_hash: dict[str, str]
    valid_from: UtcInstant
    valid_until: UtcInstant | None = Field(description="Not included itself.")
    supersedes: str | None
    changes: list[dict[str, Any]] | None = Field(description="What differs from the agreement it replaced.")
    statement: dict[str, Any] = Field(
        description="What the signature covers, with sorted keys and no blanks."
    )
    signature: str = Field(
        description="Compact JWS over the statement; verify with the keys of /v1/signing-keys."
    )
    created_at: UtcInstant

    @classmethod
    def of(cls, agreement: Agreement, standing: Standing, now: datetime) -> Self:
        """Shape the row as it stands at `now`."""
        apart = {
            "state",
            "text_nl",
            "text_en",
            "text_nl_hash",
            "text_en_hash",
            "supersedes_id",
            "suspended_by_id",
        }
        return cls.model_validate(
            {
                **agreement.model_dump(exclude=apart | {"revision"}),
                "state": state_at(agreement, now),
                "standing": standing,
                "text": {"nl": agreement.text_nl, "en": agreement.text_en},
                "text_hash": {"nl": agreement.text_nl_hash, "en": agreement.text_en_hash},
                "supersedes": agreement.supersedes_id,
                "statement": statement(agreement),
            }
        )


class AgreementMoveOut(Schema):
    """One move of an agreement's life, as it was made."""

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


class AgreementHistoryOut(Schema):
    """All moves of an agreement's life, oldest first."""

    items: list[AgreementMoveOut]

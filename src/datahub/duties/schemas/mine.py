"""REST messages for the person: who received rows, and what became of what they asked."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from datahub.consent import MyTopicOut
from datahub.duties.models import DutyState
from datahub.duties.rules.arising import words_of
from datahub.duties.rules.lives import Wish
from datahub.duties.schemas.duties import EvidenceOut
from datahub.duties.service.ledger import Seen
from datahub.duties.service.rights import ASKED_MOVES, Recipient
from datahub.kernel.rest import Line, Schema, SchemaIn, Text, UtcInstant

Purpose = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class ErasureOut(Schema):
    """Whether an organisation that received rows about you was told to erase them, and what it said."""

    state: DutyState = Field(
        description="`due`: it was told to; `fulfilled`: it says that it did; `overdue`: it gets no data until it does."
    )
    asked_at: UtcInstant
    due_at: UtcInstant | None
    confirmed_at: UtcInstant | None
    evidence: EvidenceOut | None

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """Shape a recall as the person sees it."""
        duty = seen.duty
        is_done = seen.state is DutyState.FULFILLED
        return cls(
            state=seen.state,
            asked_at=duty.created_at,
            due_at=duty.due_at,
            confirmed_at=duty.settled_at if is_done else None,
            evidence=EvidenceOut.model_validate(duty.evidence) if is_done and duty.evidence else None,
        )


class RecipientOut(Schema):
    """An organisation that received rows about you."""

    organisation: str
    dataset_id: str
    dataset_title: str
    agreement_id: str
    purpose: str
    first_at: UtcInstant
    last_at: UtcInstant = Field(
        description="When rows last left under this agreement, yours or others' of the same version."
    )
    versions: int = Field(description="How many versions of the dataset the rows came from.")
    erasure: ErasureOut | None = Field(description="Empty when it was not told to erase them.")

    @classmethod
    def of(cls, one: Recipient) -> Self:
        """Shape a recipient."""
        return cls(
            organisation=one.consumer.name,
            dataset_id=one.dataset.id,
            dataset_title=one.dataset.title_nl or one.dataset.title_en or one.dataset.slug,
            agreement_id=one.agreement_id,
            purpose=one.purpose,
            first_at=one.first_at,
            last_at=one.last_at,
            versions=one.versions,
            erasure=ErasureOut.of(one.recall) if one.recall else None,
        )


class RecipientsOut(Schema):
    """Everybody who received rows about you from this organisation."""

    items: list[RecipientOut]


class RightsRequestIn(SchemaIn):
    """What you ask of the organisation."""

    kind: Literal["erasure", "objection"] = Field(description="GDPR art. 17, or art. 21.")
    dataset_id: Line | None = Field(
        default=None, description="Needed for an objection; an erasure without it is about all datasets."
    )
    purpose: Purpose | None = Field(default=None, description="Needed for an objection, as in your consents.")
    wish: Annotated[Text, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="What you want to say with it; the organisation reads it."
    )


class RightsMoveIn(SchemaIn):
    """What you do about a request of yours."""

    move: Literal["withdraw", "dispute"] = Field(
        description="Take it back, or say that it was not done though it was said to be."
    )
    reason: Annotated[Text, StringConstraints(max_length=2000)]

    def wish(self) -> Wish:
        """Return what the rules take."""
        return Wish(ASKED_MOVES[self.move], self.reason)


class RightsRequestOut(Schema):
    """What you asked, until when it must be answered, and what became of it."""

    id: str
    kind: Literal["erasure", "objection"]
    words: dict[str, str]
    rule: str
    dataset_id: str | None
    purpose: str | None
    wish: str | None
    state: DutyState
    asked_at: UtcInstant
    due_at: UtcInstant | None = Field(description="By when it must be answered (GDPR art. 12(3)).")
    answer: str | None = Field(description="The reason given with the last move that took one.")
    evidence: EvidenceOut | None
    settled_at: UtcInstant | None
    moves: list[Literal["withdraw", "dispute"]] = Field(description="What you can do now.")

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """Shape a request as the person sees it."""
        duty = seen.duty
        return cls.model_validate(
            {
                "id": duty.id,
                "kind": "erasure" if duty.action == "dh:eraseSubject" else "objection",
                "words": dict(words_of(duty.action)),
                "rule": duty.rule,
                "dataset_id": duty.dataset_id,
                "purpose": duty.purpose,
                "wish": duty.wish,
                "state": seen.state,
                "asked_at": duty.created_at,
                "due_at": duty.due_at,
                "answer": duty.answer,
                "evidence": duty.evidence,
                "settled_at": duty.settled_at,
                "moves": [name for name, move in ASKED_MOVES.items() if move in seen.moves],
            }
        )


class RightsRequestsOut(Schema):
    """Everything you asked of this organisation, newest first."""

    items: list[RightsRequestOut]


class ExportOut(Schema):
    """Everything the exchange keeps about you that it can show; entry by entry, with proofs, it stands in your report."""

    exported_at: UtcInstant
    consents: list[MyTopicOut]
    recipients: list[RecipientOut]
    requests: list[RightsRequestOut]
    report: str = Field(description="Where the entries of the access log about you are.")

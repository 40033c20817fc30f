"""REST messages about access requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints

from datahub.catalog import json_fault
from datahub.contracts.models import (
    AccessRequest,
    Agreement,
    NegotiationEvent,
    NegotiationMove,
    NegotiationState,
    Party,
    RequestComment,
    Status,
)
from datahub.contracts.rules.negotiation import possible_moves, state_at
from datahub.kernel.rest import Described, Line, Schema, SchemaIn, Text, UtcInstant

PolicyHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Answer = bool | Annotated[float, Field(allow_inf_nan=False)] | Text | None
Answers = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]*$", max_length=60)], Answer],
    Field(max_length=50),
    Described({"additionalProperties": False}),
]
AskedMove = Literal["approve", "return", "reject", "counter", "accept", "withdraw"]


def _plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
    fault = json_fault(value)
    if fault:
        raise ValueError(fault)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_plain)]


class AccessRequestIn(SchemaIn):
    """An organisation's application to use a dataset under an offer."""

    offer_id: Line
    agrees_to: PolicyHash = Field(description="The offer's policyHash: what you say yes to.")
    purpose: Line | None = Field(
        default=None,
        description="A DPV purpose: its IRI, or `dpv:Name`.",
        examples=["https://w3id.org/dpv#AcademicResearch"],
    )
    answers: Answers = Field(default_factory=dict, description="By question id.")
    wished_until: UtcInstant | None = Field(default=None, description="The latest end you ask for.")
    supersedes: Line | None = Field(default=None, description="An agreement of yours that this one replaces.")
    comment: Text | None = None


class RequestMoveIn(SchemaIn):
    """One move in a negotiation; which other fields it takes depends on the move."""

    move: AskedMove
    reason: Text | None = Field(default=None, description="Needed to reject and to return.")
    valid_until: UtcInstant | None = Field(
        default=None, description="approve, return: when the agreement ends."
    )
    template: Line | None = Field(default=None, description="return: the changed terms, from a template.")
    parameters: JsonObject | None = Field(default=None, description="return: the template's parameters.")
    policy: JsonObject | None = Field(default=None, description="return: the changed terms, in ODRL JSON-LD.")
    agrees_to: PolicyHash | None = Field(
        default=None, description="accept, counter: the policyHash you agree to."
    )
    purpose: Line | None = Field(default=None, description="counter: another purpose.")
    answers: Answers | None = Field(default=None, description="counter: other answers.")
    wished_until: UtcInstant | None = Field(default=None, description="counter: another end.")

    def carried(self) -> dict[str, Any]:
        """Return what was sent with the move; null says the same as absent."""
        sent = {name: getattr(self, name) for name in self.model_fields_set if name != "move"}
        return {name: value for name, value in sent.items() if value is not None}


class StepOut(Schema):
    """One step of a negotiation, as it was made."""

    at: UtcInstant
    move: NegotiationMove
    from_state: NegotiationState | None
    to_state: NegotiationState
    party: Party
    is_by_rule: bool = Field(
        description="Nobody did this by hand: it follows from assent on record, or from time."
    )
    by_participant_id: str | None
    by_client_id: str | None
    reason: str | None
    terms: dict[str, Any] = Field(
        description="What lay on the table: policy and its hash, purpose, end; of returned terms also `comparison`: "
        "whether they grant anything beyond the offer (same, narrower, wider, different), with an attempt that shows it."
    )

    @classmethod
    def of(cls, event: NegotiationEvent) -> Self:
        """Shape a row."""
        return cls.model_validate(event.model_dump(exclude={"id", "request_id", "number", "by_person_id"}))


class StepsOut(Schema):
    """All steps of a negotiation, first to last."""

    items: list[StepOut]


class AccessRequestOut(Schema):
    """An access request: what is asked, what lies on the table, and where it stands."""

    id: str
    dataset_id: str
    offer_id: str
    offer_version: int
    provider_id: str
    consumer_id: str
    state: NegotiationState = Field(description="State of the negotiation in the Dataspace Protocol.")
    status: Status = Field(description="What people call it.")
    is_by_rule: bool = Field(description="The last move was made by the offer's own rule.")
    purpose: str | None
    answers: dict[str, Any]
    wished_until: UtcInstant | None
    offered_until: UtcInstant | None
    policy: dict[str, Any]
    policy_hash: str = Field(description="Of the policy on the table now.")
    agrees_to: str = Field(description="Hash of the policy the consumer has said yes to.")
    supersedes: str | None
    agreement_id: str | None
    possible_moves: list[NegotiationMove] = Field(description="What both sides together can do now.")
    created_at: UtcInstant
    changed_at: UtcInstant
    due_at: UtcInstant | None = Field(description="When the side whose turn it is must have answered.")
    steps: list[StepOut] | None = None

    @classmethod
    def of(
        cls,
        request: AccessRequest,
        now: datetime,
        agreement: Agreement | None = None,
        events: Sequence[NegotiationEvent] | None = None,
    ) -> Self:
        """Shape the rows as they stand at `now`."""
        state, status = state_at(request, now)
        shown = request.model_dump(exclude={"state", "last_move", "supersedes_id", "revision"})
        moves = [move for move in possible_moves(state) if move is not NegotiationMove.EXPIRE]
        return cls.model_validate(
            {
                **shown,
                "state": state,
                "status": status,
                "supersedes": request.supersedes_id,
                "agreement_id": agreement.id if agreement else None,
                "possible_moves": moves,
                "steps": [StepOut.of(event) for event in events] if events is not None else None,
            }
        )


class CommentIn(SchemaIn):
    """Something to say to the other side."""

    text: Text


class CommentOut(Schema):
    """What one side said to the other."""

    id: str
    at: UtcInstant
    by_participant_id: str | None
    by_client_id: str | None
    text: str

    @classmethod
    def of(cls, comment: RequestComment) -> Self:
        """Shape a row."""
        return cls.model_validate(comment.model_dump(exclude={"request_id", "by_person_id"}))


class CommentsOut(Schema):
    """What both sides said, oldest first."""

    items: list[CommentOut]

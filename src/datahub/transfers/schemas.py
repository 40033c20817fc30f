"""REST messages of decisions asked for by a gateway, in the shape of the AuthZEN Authorization API 1.0 §5–6."""

from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator

from datahub.kernel.rest import Line, Schema, SchemaIn
from datahub.transfers.service.decisions import Answer, Question

_LONGEST_TOKEN = 16_384


class DecisionSubjectIn(SchemaIn):
    """Who wants to use the data: an access token that was shown to the gateway, or an organisation the gateway knows."""

    type: Literal["access-token", "participant"]
    id: SecretStr = Field(
        min_length=1, max_length=_LONGEST_TOKEN, description="The token itself, or the organisation's id."
    )


class ActionIn(SchemaIn):
    """What they want to do."""

    name: Literal["read", "query"] = Field(description="Fetch the data, or query it where it is.")


class ResourceIn(SchemaIn):
    """What they want to use."""

    type: Literal["dataset"] = "dataset"
    id: Line = Field(description="A dataset's id, or `organisation/dataset`.")


class CircumstancesIn(SchemaIn):
    """What else there is to know. A token says for itself what for and under which agreement; of several, name one."""

    purpose: Line | None = Field(default=None, description="An organisation's purpose: an IRI or `dpv:Name`.")
    agreement: Line | None = Field(default=None, description="Which of several agreements to decide under.")
    people: list[Line] = Field(
        default=[],
        max_length=1000,
        description="Where a consent rule holds: the keys of the people whose data is asked for. All must let it go; "
        "the keys are kept nowhere.",
    )
    columns: list[Line] | None = Field(
        default=None, max_length=1000, description="Which columns would be shown of them; all unless told."
    )


class DecisionQuestionIn(SchemaIn):
    """One question: may this subject do this with that dataset, now?"""

    subject: DecisionSubjectIn
    action: ActionIn
    resource: ResourceIn
    context: CircumstancesIn = CircumstancesIn()

    @field_validator("context", mode="after")
    @classmethod
    def _said_once(cls, context: CircumstancesIn, info: Any) -> CircumstancesIn:
        subject = info.data.get("subject")
        if context.purpose is not None and subject is not None and subject.type == "access-token":
            msg = "the token says its purpose; leave context.purpose out"
            raise ValueError(msg)
        return context

    def question(self) -> Question:
        """Return what the verb takes."""
        name = self.subject.id.get_secret_value()
        is_token = self.subject.type == "access-token"
        return Question(
            self.resource.id,
            self.action.name,
            name if is_token else None,
            None if is_token else name,
            self.context.purpose,
            self.context.agreement,
            self.context.people,
            None if self.context.columns is None else frozenset(self.context.columns),
        )


class WhyOut(Schema):
    """Why, for the requester's eyes, and where it is recorded; whatever does not apply is null."""

    code: str
    explanation: dict[str, str] = Field(description="In Dutch (`nl`) and English (`en`).")
    remedy: str | None = None
    would_permit: list[dict[str, str]] = Field(description="The nearest changes that would permit it.")
    needs_plan: bool = Field(
        description="Permitted for the rows, columns and masks of the policy's plan only, which this exchange applies."
    )
    decision_id: str
    entry_id: str
    consumer_id: str | None
    dataset_id: str
    dataset_version: int | None
    agreement_id: str | None
    purpose: str | None
    policy_hash: str | None


class DecisionAnswerOut(Schema):
    """The decision: true permits, false denies."""

    decision: bool
    context: WhyOut

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Shape an answer."""
        subject, found = answer.weighed.subject, answer.weighed.finding
        version, said = answer.weighed.version, found.for_requester
        why = WhyOut(
            code=found.code,
            explanation={"nl": said.get("nl", "Toegestaan."), "en": said.get("en", "Permitted.")},
            remedy=said.get("remedy"),
            would_permit=list(said.get("wouldPermit", ())),
            needs_plan=found.decision is not None and found.decision.permit_with_plan,
            decision_id=answer.decision_id,
            entry_id=answer.entry_id,
            consumer_id=subject.participant_id,
            dataset_id=answer.weighed.dataset.id,
            dataset_version=version.number if version else None,
            agreement_id=found.agreement.id if found.agreement else None,
            purpose=found.purpose,
            policy_hash=found.policy_hash,
        )
        return cls(decision=found.is_permit, context=why)

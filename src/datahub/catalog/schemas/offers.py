"""REST messages about offers and policy templates."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    RootModel,
    StrictBool,
    StringConstraints,
    model_validator,
)

from datahub.audit import Entry
from datahub.catalog.models.offers import Offer, OfferState, OfferVersion, QuestionKind
from datahub.catalog.rules.offers import OfferTerms, json_fault
from datahub.kernel.errors import Fault
from datahub.kernel.rest import Line, Schema, SchemaIn, Text, UtcInstant, Whole
from datahub.policy import Template

MAX_QUESTIONS = 50
MAX_EXAMPLES = 200


def _plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
    fault = json_fault(value)
    if fault:
        raise ValueError(fault)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_plain)]
QuestionId = Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]*$", max_length=60)]


class WordsIn(SchemaIn):
    """A text in Dutch, English or both; at least one."""

    nl: Line | None = None
    en: Line | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.nl is None and self.en is None:
            msg = "give nl, en or both"
            raise ValueError(msg)
        return self


class OfferQuestionIn(SchemaIn):
    """One question of the form that a requester fills in."""

    id: QuestionId
    label: WordsIn
    kind: QuestionKind = QuestionKind.TEXT
    required: StrictBool = False


class OfferIn(SchemaIn):
    """The terms of an offer: a template with its parameters, or a policy in ODRL JSON-LD; not both."""

    title: WordsIn
    template: Line | None = Field(default=None, description="Name of a template of /v1/policy-templates.")
    parameters: JsonObject | None = Field(default=None, description="The template's parameters.")
    policy: JsonObject | None = Field(default=None, description="An ODRL policy in JSON-LD.")
    questions: list[OfferQuestionIn] = Field(default_factory=list, max_length=MAX_QUESTIONS)
    automatic: list[JsonObject] | None = Field(
        default=None,
        max_length=MAX_QUESTIONS,
        description="ODRL constraints: a request for which all hold is approved at once. Absent: people decide.",
    )
    approval_deadline_days: Whole = Field(
        default=14, ge=1, le=365, description="Days the provider has to answer."
    )

    examples: list[JsonObject] | None = Field(
        default=None,
        max_length=MAX_EXAMPLES,
        description="Attempts, each with `expect` (`allow` or `deny`), and of `title`, `who`, `purpose`, `when`, `row`, "
        "`column` and further facts what matters. Terms that break one are refused. Absent: those kept so far.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template is None) == (self.policy is None):
            msg = "give either a template or a policy"
            raise ValueError(msg)
        if self.policy is not None and self.parameters is not None:
            msg = "parameters belong to a template, not to a policy"
            raise ValueError(msg)
        return self

    def terms(self) -> OfferTerms:
        """Return what the verbs take."""
        return OfferTerms(
            title=self.title.model_dump(exclude_none=True),
            template=self.template,
            parameters=self.parameters or {},
            policy=self.policy,
            questions=[q.model_dump(mode="json", exclude_none=True) for q in self.questions],
            automatic=self.automatic,
            deadline_days=self.approval_deadline_days,
            examples=self.examples,
        )


class OfferOut(Schema):
    """An offer with one version of its terms."""

    id: str
    dataset_id: str
    provider_id: str
    state: OfferState
    version: int
    title: dict[str, str]
    template: str | None
    parameters: dict[str, Any]
    policy: dict[str, Any] = Field(description="The policy in ODRL JSON-LD.")
    policy_hash: str = Field(description="What a request agrees to.")
    text: dict[str, str] = Field(description="The policy in plain language, by language.")
    labels: dict[str, str] = Field(
        description="What the exchange does about each term: enforced, attested, tracked or legal."
    )
    questions: list[dict[str, Any]]
    automatic: list[dict[str, Any]] | None
    approval_deadline_days: int
    upstream: str | None = Field(
        description="Of data that is shared on: `within` when the terms are proved to grant nothing beyond the agreement "
        "it was obtained under, `unknown` when that could not be settled."
    )
    created_at: UtcInstant

    @classmethod
    def of(cls, offer: Offer, version: OfferVersion) -> Self:
        """Shape the rows."""
        return cls(
            id=offer.id,
            dataset_id=offer.dataset_id,
            provider_id=offer.provider_id,
            state=OfferState(offer.state),
            version=version.number,
            title=version.title,
            template=version.template,
            parameters=version.parameters,
            policy=version.policy,
            policy_hash=version.policy_hash,
            text={"nl": version.text_nl, "en": version.text_en},
            labels=version.labels,
            questions=version.questions,
            automatic=version.automatic and version.automatic["permission"][0].get("constraint", []),
            approval_deadline_days=version.deadline_days,
            upstream=offer.upstream,
            created_at=version.created_at,
        )


class WarningOut(Schema):
    """One rule that can have no effect or that forbids more than it says, or why rules were not analysed."""

    pointer: str
    code: str
    detail: str
    remedy: str

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Shape a finding."""
        return cls(
            pointer=fault.pointer,
            code=fault.code,
            detail=fault.detail,
            remedy=str(fault.more.get("remedy", "")),
        )


class WrittenOfferOut(OfferOut):
    """An offer as it was just written, with what its provider might want to know."""

    warnings: list[WarningOut] = Field(
        description="Rules that can have no effect, or that forbid more than they say."
    )

    @classmethod
    def with_warnings(cls, offer: Offer, version: OfferVersion, warnings: Sequence[Fault]) -> Self:
        """Shape the rows and the findings."""
        shown = OfferOut.of(offer, version).model_dump()
        return cls(**shown, warnings=[WarningOut.of(each) for each in warnings])


class ExamplesOut(Schema):
    """The examples that an offer's terms keep."""

    items: list[dict[str, Any]]


class LinkedOut(RootModel[dict[str, Any]]):
    """A document in JSON-LD."""


class OfferCheckOut(Schema):
    """How an offer would read, if it were made; nothing was kept."""

    policy: dict[str, Any]
    text: dict[str, str]
    labels: dict[str, str]
    warnings: list[WarningOut]

    @classmethod
    def of(cls, version: OfferVersion, warnings: Sequence[Fault]) -> Self:
        """Shape the terms that were checked."""
        return cls(
            policy=version.policy,
            text={"nl": version.text_nl, "en": version.text_en},
            labels=version.labels,
            warnings=[WarningOut.of(each) for each in warnings],
        )


class OfferTransitionOut(Schema):
    """One change of an offer's terms, or one move of its life."""

    at: UtcInstant
    move: str
    version: int | None
    from_state: str | None
    to_state: str | None
    reason: Text | None
    by_participant_id: str | None
    by_client_id: str | None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Shape an entry of the access log."""
        return cls(
            at=entry.at,
            move=entry.action.partition(".")[2],
            version=entry.offer_version,
            from_state=entry.details.get("from"),
            to_state=entry.details.get("to"),
            reason=entry.details.get("reason"),
            by_participant_id=entry.actor_participant_id,
            by_client_id=entry.actor_client_id,
        )


class OfferHistoryOut(Schema):
    """All that happened to an offer, oldest first."""

    items: list[OfferTransitionOut]


class TemplateOut(Schema):
    """A policy with parameters, ready to be filled in."""

    name: str
    title: dict[str, str]
    description: dict[str, str]
    parameters: dict[str, Any] = Field(description="JSON Schema (2020-12) of the parameters.")
    policy: dict[str, Any] = Field(description='ODRL with {"$parameter": name} where a parameter goes.')
    examples: list[dict[str, Any]]

    @classmethod
    def of(cls, template: Template) -> Self:
        """Shape a template."""
        return cls(
            name=template.name,
            title=dict(template.title),
            description=dict(template.description),
            parameters=template.schema(),
            policy=dict(template.policy),
            examples=[dict(example) for example in template.examples],
        )


class TemplatesOut(Schema):
    """All policy templates, by name."""

    items: list[TemplateOut]

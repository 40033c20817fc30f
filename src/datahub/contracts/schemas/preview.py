"""REST messages about changes that are only looked at."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from datahub.catalog import json_fault
from datahub.contracts.rules.comparison import Verdict
from datahub.contracts.service.preview import Again, AgreementFate, Preview, Proposal
from datahub.kernel.rest import Line, Schema, SchemaIn, Whole
from datahub.policy import policy_hash, render

MOST_SHOWN = 200
Effect = Literal["gains", "loses", "stays"]


class PreviewIn(SchemaIn):
    """Terms to look at: a template with its parameters, or a policy in ODRL JSON-LD; not both."""

    template: Line | None = Field(default=None, description="Name of a template of /v1/policy-templates.")
    parameters: dict[str, Any] | None = Field(default=None, description="The template's parameters.")
    policy: dict[str, Any] | None = Field(default=None, description="An ODRL policy in JSON-LD.")
    days: Whole = Field(default=30, ge=1, le=365, description="Days of recorded reads to decide again.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.template is None) == (self.policy is None) or (
            self.policy is not None and self.parameters is not None
        ):
            msg = "give either a template with its parameters or a policy"
            raise ValueError(msg)
        fault = json_fault({"parameters": self.parameters, "policy": self.policy})
        if fault:
            raise ValueError(fault)
        return self

    def proposal(self) -> Proposal:
        """Return what the verb takes."""
        return Proposal(self.template, self.parameters or {}, self.policy, self.days)


class RelationOut(Schema):
    """How one policy relates to another, proved; with an attempt that shows the difference."""

    verdict: Verdict = Field(description="Of the new terms: whether they grant anything beyond the old ones.")
    only_new_permits: dict[str, Any] | None = None
    only_old_permits: dict[str, Any] | None = None


class CombinationOut(Schema):
    """One organisation and purpose for which something changes."""

    participant_id: str
    name: str
    purpose: str | None
    effect: Effect


class CombinationsOut(Schema):
    """Organisations of the exchange × purposes: who gains, who loses, who stays as they were."""

    gain: int
    lose: int
    stay: int
    is_complete: bool = Field(description="False when there were more combinations than are tried at once.")
    changed: list[CombinationOut] = Field(description=f"At most {MOST_SHOWN} of those that change.")


class AgreementFateOut(Schema):
    """One agreement under the offer, as it would fare if these were its terms; it keeps its own until renewed."""

    agreement_id: str
    consumer_id: str
    offer_version: int
    effect: Effect
    comparison: RelationOut

    @classmethod
    def of(cls, fate: AgreementFate) -> Self:
        """Shape a fate."""
        return cls(
            agreement_id=fate.agreement.id,
            consumer_id=fate.agreement.consumer_id,
            offer_version=fate.agreement.offer_version,
            effect=_effect(fate.effect),
            comparison=RelationOut.model_validate(fate.relation.told()),
        )


class ReadsOut(Schema):
    """Recorded reads under this offer, decided again: how many would have come out otherwise."""

    considered: int
    would_deny: int
    would_permit: int
    not_replayable: int = Field(description="Their record does not hold the facts.")
    decisions: list[str] = Field(description=f"At most {MOST_SHOWN} of those that would come out otherwise.")


class BrokenExampleOut(Schema):
    """An example that these terms would break."""

    place: int
    title: str
    code: str
    explanation: dict[str, str]


class PreviewOut(Schema):
    """What a change would do; nothing was saved."""

    policy_hash: str
    text: dict[str, str]
    comparison: RelationOut = Field(description="With the offer's current terms.")
    combinations: CombinationsOut
    agreements: list[AgreementFateOut]
    reads: ReadsOut
    broken_examples: list[BrokenExampleOut]

    @classmethod
    def of(cls, found: Preview) -> Self:
        """Shape what was found."""
        tried, reads = found.combinations, found.reads
        changed = [each for each in tried.tried if each.effect != "stays"][:MOST_SHOWN]
        return cls(
            policy_hash=policy_hash(found.policy),
            text={"nl": render(found.policy, "nl"), "en": render(found.policy, "en")},
            comparison=RelationOut.model_validate(found.relation.told()),
            combinations=CombinationsOut(
                gain=tried.count("gains"),
                lose=tried.count("loses"),
                stay=tried.count("stays"),
                is_complete=tried.is_complete,
                changed=[
                    CombinationOut(
                        participant_id=each.participant_id,
                        name=each.name,
                        purpose=each.purpose,
                        effect=_effect(each.effect),
                    )
                    for each in changed
                ],
            ),
            agreements=[AgreementFateOut.of(each) for each in found.agreements],
            reads=ReadsOut(
                considered=reads.considered,
                would_deny=len(reads.would_deny),
                would_permit=len(reads.would_permit),
                not_replayable=reads.not_replayable,
                decisions=[*reads.would_deny, *reads.would_permit][:MOST_SHOWN],
            ),
            broken_examples=[
                BrokenExampleOut(
                    place=place,
                    title=example.title,
                    code=decision.code,
                    explanation={lang: decision.explanation(lang, "provider") for lang in ("nl", "en")},
                )
                for place, example, decision in found.broken
            ],
        )


class AgainOut(Schema):
    """A decision on record, made again from the same policy and the same facts."""

    decision_id: str
    is_same: bool = Field(description="The same answer for the same reason.")
    is_permit: bool
    code: str
    explanation: dict[str, str]

    @classmethod
    def of(cls, found: Again) -> Self:
        """Shape what was found, in the requester's words: they hold nothing that only the provider may see."""
        return cls(
            decision_id=found.decision.id,
            is_same=found.is_same,
            is_permit=found.again.permit or found.again.permit_with_plan,
            code=found.again.code,
            explanation={lang: found.again.explanation(lang, "requester") for lang in ("nl", "en")},
        )


def _effect(effect: str) -> Effect:
    return "gains" if effect == "gains" else "loses" if effect == "loses" else "stays"

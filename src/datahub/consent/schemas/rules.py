"""REST messages about consent rules."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from datahub.consent.models import Basis, Choice, ConsentRule, Nobody, Several
from datahub.consent.rules.fitting import CHOICES
from datahub.consent.rules.notices import Part
from datahub.consent.rules.purposes import purpose_iri, purpose_label
from datahub.consent.service.preview import Effect, Let, RulePreview
from datahub.consent.service.rules import Difference, RuleWish
from datahub.kernel.context import Actor
from datahub.kernel.rest import Line, Schema, SchemaIn, Slug, Text, UtcInstant, Whole


def _purpose(text: str) -> str:
    found = purpose_iri(text)
    if found is None:
        msg = "is not a purpose of DPV; give its IRI, or dpv:Name"
        raise ValueError(msg)
    return found


Purpose = Annotated[str, StringConstraints(max_length=300), AfterValidator(_purpose)]
Recipient = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[!-~]+$")]
ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Duration = Annotated[
    str,
    StringConstraints(pattern=r"^P([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)$", max_length=20),
]


class NoticeText(Schema):
    """What people are told, in Dutch and in English."""

    nl: Text
    en: Text


class NoticeTitle(Schema):
    """A name in Dutch and in English."""

    nl: Line
    en: Line


class RecipientClass(Schema):
    """A class of recipients, and who is in it: members may change without asking people again, the class may not."""

    title: NoticeTitle
    members: list[Recipient] = Field(max_length=1000)


class Handling(Schema):
    """What a receipt must also tell (ISO/IEC TS 27560)."""

    address: Line = Field(description="Postal address of the controller.")
    contact: Line | None = Field(
        default=None, description="Whom to write to; else the organisation's contact."
    )
    retention: Duration = Field(description="How long rows are kept, ISO 8601.", examples=["P5Y"])
    storage_locations: list[Country] = Field(default=["NL"], min_length=1, max_length=50)
    jurisdiction: Country = "NL"
    recall_days: Annotated[Whole, Field(ge=1, le=365)] | None = Field(
        default=None,
        description="How long who received rows of somebody has to erase them after a no; else the exchange's.",
    )


class PurposeIn(SchemaIn):
    """One purpose: one decision."""

    purpose: Purpose = Field(examples=["dpv:AcademicResearch"])
    basis: Basis
    choice: Choice | None = Field(
        default=None, description="What people are asked; follows from the basis when left out."
    )
    explicit: StrictBool = Field(default=False, description="Consent must be explicit (GDPR art. 9(2)(a)).")
    recipients: list[Recipient] = Field(
        min_length=1,
        max_length=200,
        description="Ids, kvk:…, did:…; class:<name> for a class; class:participants for all.",
    )
    data: list[ColumnName] | None = Field(
        default=None, min_length=1, max_length=2000, description="Columns it is about; all when left out."
    )
    validity_days: Annotated[Whole, Field(ge=1, le=3660)] = Field(
        default=365, description="How long a consent holds at most."
    )

    def stored(self) -> dict[str, Any]:
        """Return it as a rule keeps it."""
        return {
            "purpose": self.purpose,
            "basis": str(self.basis),
            "choice": str(self.choice or CHOICES[self.basis][0]),
            "isExplicit": self.explicit,
            "recipients": sorted(set(self.recipients)),
            "data": None if self.data is None else sorted(set(self.data)),
            "validityDays": self.validity_days,
        }


class RuleIn(SchemaIn):
    """A consent rule: on which basis rows about people may leave, and the notice they are shown."""

    subjects: list[ColumnName] = Field(
        min_length=1, max_length=8, description="Columns that name the people a row is about."
    )
    key_space: Slug = Field(description="What their keys are; one person has one key in one key space.")
    several: Several = Field(default=Several.ALL, description="Rows about several people need all, or any.")
    nobody: Nobody = Field(default=Nobody.OUT, description="Rows about nobody are in, or out.")
    purposes: list[PurposeIn] = Field(min_length=1, max_length=50)
    classes: dict[Slug, RecipientClass] = Field(default_factory=dict, max_length=50)
    notice: NoticeText
    handling: Handling

    def wish(self) -> RuleWish:
        """Return what the verb takes."""
        return RuleWish(
            key_space=self.key_space,
            subjects=list(dict.fromkeys(self.subjects)),
            several=self.several,
            nobody=self.nobody,
            purposes=[each.stored() for each in self.purposes],
            classes={name: each.model_dump(mode="json") for name, each in self.classes.items()},
            notice=self.notice.model_dump(),
            handling=self.handling.model_dump(mode="json", by_alias=True),
        )


class PurposeOut(Schema):
    """One purpose of a rule, and what it is called."""

    purpose: str
    label: NoticeTitle
    basis: Basis
    choice: Choice
    explicit: bool
    recipients: list[str]
    data: list[str] | None
    validity_days: int

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """Shape a purpose as a rule keeps it."""
        label = NoticeTitle(
            nl=purpose_label(stored["purpose"], "nl"), en=purpose_label(stored["purpose"], "en")
        )
        return cls(
            purpose=stored["purpose"],
            label=label,
            basis=Basis(stored["basis"]),
            choice=Choice(stored["choice"]),
            explicit=stored["isExplicit"],
            recipients=stored["recipients"],
            data=stored["data"],
            validity_days=stored["validityDays"],
        )


class RuleOut(Schema):
    """One version of a consent rule."""

    dataset_id: str
    number: int
    subjects: list[str]
    key_space: str
    several: Several
    nobody: Nobody
    purposes: list[PurposeOut]
    classes: dict[str, RecipientClass]
    notice: NoticeText
    notice_hash: str = Field(description="SHA-256 of the notice as canonical JSON, hex.")
    handling: Handling
    offers: dict[str, int] | None = Field(
        description="The version of each offer that stood when it was written; told to its own organisation only."
    )
    rule_hash: str
    created_at: UtcInstant

    @classmethod
    def seen_by(cls, actor: Actor, rule: ConsentRule) -> Self:
        """Shape a row: an offer that is not open yet is known to its own organisation alone."""
        hidden = {} if actor.participant_id == rule.provider_id else {"offers": None}
        return cls.model_validate(_of_row(rule) | hidden)


class PartOut(Schema):
    """What of a notice is new: these recipients and columns of one purpose. No columns: all of them."""

    purpose: str
    recipients: list[str]
    data: list[str]

    @classmethod
    def of(cls, part: Part) -> Self:
        """Shape a part."""
        return cls(purpose=part.purpose, recipients=list(part.recipients), data=list(part.data))


class WrittenRuleOut(RuleOut):
    """A version just written, and what people who said yes to the one before must be asked anew."""

    to_ask: list[PartOut]
    proof: dict[str, Any] | None = Field(
        description="What the policy engine says: `holds` when nothing is new, else a case that is."
    )

    @classmethod
    def with_difference(cls, rule: ConsentRule, found: Difference) -> Self:
        """Shape a row and what is new in it."""
        more = {"to_ask": [PartOut.of(each) for each in found.parts], "proof": found.proof}
        return cls.model_validate(_of_row(rule) | more)


def _of_row(rule: ConsentRule) -> dict[str, Any]:
    return rule.model_dump(exclude={"id", "provider_id", "by_client_id"}) | {
        "purposes": [PurposeOut.of(each) for each in rule.purposes]
    }


class LetOut(Schema):
    """People and rows."""

    subjects: int
    rows: int

    @classmethod
    def of(cls, let: Let) -> Self:
        """Shape a count."""
        return cls(subjects=let.people, rows=let.rows)


class EffectOut(Schema):
    """What a rule does to one agreement."""

    agreement_id: str
    consumer_id: str
    purpose: str | None
    before: LetOut
    after: LetOut

    @classmethod
    def of(cls, effect: Effect) -> Self:
        """Shape an effect."""
        return cls(
            agreement_id=effect.reader.agreement_id,
            consumer_id=effect.reader.consumer_id,
            purpose=effect.reader.purpose,
            before=LetOut.of(effect.before),
            after=LetOut.of(effect.after),
        )


class RulePreviewOut(Schema):
    """What a rule would let through, with the consents of now; nothing was saved."""

    version: int | None = Field(
        description="The version it was tried on; null when there is no table to try it on."
    )
    total: LetOut | None
    agreements: Sequence[EffectOut]

    @classmethod
    def of(cls, found: RulePreview | None) -> Self:
        """Shape a preview."""
        if found is None:
            return cls(version=None, total=None, agreements=[])
        agreements = [EffectOut.of(each) for each in found.effects]
        return cls(version=found.version, total=LetOut.of(found.total), agreements=agreements)

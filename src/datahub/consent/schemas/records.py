"""REST messages about consents, for publishers and for the person."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StringConstraints

from datahub.consent.models import Channel, Choice, Collector, ConsentState, Move
from datahub.consent.rules.lives import Guardian, Wish
from datahub.consent.rules.logins import Login
from datahub.consent.rules.purposes import purpose_label
from datahub.consent.schemas.rules import NoticeText, NoticeTitle, PartOut, Purpose
from datahub.consent.service.logins import Begun
from datahub.consent.service.mine import MyTopic, NewLink, NewSession
from datahub.consent.service.records import Consent, Manner
from datahub.kernel.rest import Line, Schema, SchemaIn, Text, UtcInstant, Whole
from datahub.oauth import Returned

SubjectKey = Annotated[str, StringConstraints(min_length=1, max_length=200)] | StrictInt
Language = Literal["nl", "en"]
Number = Annotated[Whole, Field(ge=1, lt=2**31)]
# What a publisher can say of how a decision reached it; the exchange's own channels are not among these.
Reported = Literal["web-form", "paper", "phone", "in-person", "email", "other"]


class GuardianIn(SchemaIn):
    """Who decided for a minor."""

    relation: Annotated[Line, StringConstraints(max_length=100)] = Field(examples=["parent"])
    majority_at: UtcInstant = Field(
        description="When the minor is of age: from then on this decision no longer counts."
    )

    def guardian(self) -> Guardian:
        """Return what the rules take."""
        return Guardian(self.majority_at, self.relation)


class MoveIn(SchemaIn):
    """A move on a consent, as a publisher reports it."""

    move: Move
    at: UtcInstant | None = Field(default=None, description="When it was expressed; now when left out.")
    valid_until: UtcInstant | None = Field(default=None, description="Needed for a consent: its end.")
    explicit: StrictBool = False
    rule_number: Number | None = Field(
        default=None,
        description="The version of the rule whose notice was shown; the present one when left out.",
    )
    language: Language = "nl"
    channel: Reported
    evidence: Annotated[Text, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="Where the proof of it is kept; shown to the person."
    )
    conditional: StrictBool = Field(
        default=False, description="A service was made to depend on it (art. 7(4))."
    )
    guardian: GuardianIn | None = None

    def wish(self, now: datetime, newest: int) -> Wish:
        """Return what the rules take."""
        return Wish(
            move=self.move,
            at=self.at or now,
            collector=Collector.PUBLISHER,
            channel=Channel(self.channel),
            rule_number=self.rule_number or newest,
            until=self.valid_until,
            is_explicit=self.explicit,
            guardian=self.guardian.guardian() if self.guardian else None,
        )

    def manner(self) -> Manner:
        """Return how it was expressed."""
        return Manner(self.language, self.evidence, self.conditional)


class DecisionIn(MoveIn):
    """One person's decision for one purpose, as a publisher reports it."""

    subject: SubjectKey = Field(description="The person's key; it is stored unreadable and never shown.")
    purpose: Purpose


class SubjectIn(SchemaIn):
    """A person, by key. In a body, because an address is kept in places where no key belongs."""

    subject: SubjectKey


class EventOut(Schema):
    """One event in the life of a consent."""

    number: int
    move: Move
    state: ConsentState
    at: UtcInstant
    recorded_at: UtcInstant
    valid_until: UtcInstant | None
    explicit: bool
    rule_number: int
    language: str
    collector: Collector = Field(
        description="Who brought it: the person, a guardian, the publisher, the exchange."
    )
    channel: Channel
    conditional: bool
    evidence: str | None
    relation: str | None
    digest: str


class ConsentOut(Schema):
    """Where a consent stands, and how it came to stand there."""

    id: str
    dataset_id: str
    purpose: str
    state: ConsentState
    valid_until: UtcInstant | None
    explicit: bool
    rule_number: int
    is_persons_own: bool = Field(description="The decision is the person's own, not one that was reported.")
    is_cut_loose: bool = Field(description="Nobody can tell any more whose it was.")
    events: list[EventOut]

    @classmethod
    def of(cls, consent: Consent) -> Self:
        """Shape a consent."""
        record = consent.record
        return cls(
            id=record.id,
            dataset_id=consent.topic.dataset_id,
            purpose=consent.topic.purpose,
            state=ConsentState(record.state),
            valid_until=_instant(record.until_s),
            explicit=record.is_explicit,
            rule_number=record.rule_number,
            is_persons_own=record.is_persons_own,
            is_cut_loose=record.subject is None,
            events=_events(consent),
        )


class ConsentLineOut(Schema):
    """A consent in a list."""

    id: str
    purpose: str
    state: ConsentState
    valid_until: UtcInstant | None
    explicit: bool
    rule_number: int
    is_persons_own: bool


class ConsentsOut(Schema):
    """The consents of one person."""

    items: list[ConsentOut]


class EventsOut(Schema):
    """All events of a consent, oldest first."""

    items: list[EventOut]

    @classmethod
    def of(cls, consent: Consent) -> Self:
        """Shape the events."""
        return cls(items=_events(consent))


class CutLooseOut(Schema):
    """How many consents no longer lead to the person."""

    consents: int


class GuardianLinkIn(GuardianIn):
    """A guardian who is to decide for a minor, with a key of their own."""

    key: SubjectKey


class LinkIn(SchemaIn):
    """A link to be made for one person."""

    subject: SubjectKey
    valid_hours: Annotated[Whole, Field(ge=1, le=720)] = 72
    delivery: Reported = Field(default="email", description="How you will bring it to the person.")
    guardian: GuardianLinkIn | None = None


class LinkOut(Schema):
    """A link just made. It is shown this once; whoever holds it can use it, once."""

    id: str
    url: str = Field(description="The token is behind the #, which no server logs.")
    expires_at: UtcInstant

    @classmethod
    def of(cls, made: NewLink, base_url: str) -> Self:
        """Shape a new link."""
        url = f"{base_url}/consents#{made.text}"
        return cls(id=made.link.id, url=url, expires_at=made.link.expires_at)


class SessionIn(SchemaIn):
    """The token of a link; or that of a login, with what the provider sent back."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    code: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = None
    state: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    iss: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, description="RFC 9207: where the provider sent it, send it too."
    )

    def returned(self) -> Returned:
        """Return what the provider sent back; what it did not send fits no login."""
        return Returned(self.code or "", self.state or "", self.iss)


class LoginIn(SchemaIn):
    """A login to be begun."""

    dataset_id: Line
    login: Line = Field(description="By name, as the dataset's consent-logins tell.")


class LoginOut(Schema):
    """A login that was begun."""

    authorization_url: str = Field(
        description="Where the person goes; the provider sends them back to /consents with code and state."
    )
    token: str = Field(
        description="Keep it where the person's browser alone has it: it ends this login, once."
    )
    expires_at: UtcInstant

    @classmethod
    def of(cls, begun: Begun) -> Self:
        """Shape a login that was begun."""
        return cls(authorization_url=begun.url, token=begun.text, expires_at=begun.until)


class LoginChoiceOut(Schema):
    """A login there is."""

    name: str
    title: NoticeTitle

    @classmethod
    def of(cls, login: Login) -> Self:
        """Shape a login."""
        return cls(name=login.name, title=NoticeTitle.model_validate(login.title))


class LoginChoicesOut(Schema):
    """The logins by which people reach their own consents."""

    items: list[LoginChoiceOut]


class SessionOut(Schema):
    """What a link turned into."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 — the name of a kind
    expires_at: UtcInstant

    @classmethod
    def of(cls, made: NewSession) -> Self:
        """Shape a new session."""
        return cls(access_token=made.text, expires_at=made.until)


class MyTopicOut(Schema):
    """One purpose of one dataset, as the person sees it."""

    dataset_id: str
    dataset_title: str
    provider: str
    purpose: str
    label: NoticeTitle
    basis: str
    choice: Choice
    explicit: bool
    recipients: list[str]
    data: list[str] | None
    notice: NoticeText
    rule_number: int
    validity_days: int
    is_in_force: bool = Field(description="Rows about you may leave for this purpose now.")
    moves: list[Move] = Field(description="What you can do.")
    to_ask: list[PartOut] = Field(
        description="What your consent does not cover, or everything when there is none."
    )
    consent: ConsentOut | None

    @classmethod
    def of(cls, topic: MyTopic) -> Self:
        """Shape what the person sees."""
        return cls(
            dataset_id=topic.dataset.id,
            dataset_title=topic.dataset.title_nl or topic.dataset.title_en or topic.dataset.slug,
            provider=topic.provider.name,
            purpose=topic.entry.purpose,
            label=NoticeTitle(
                nl=purpose_label(topic.entry.purpose, "nl"), en=purpose_label(topic.entry.purpose, "en")
            ),
            basis=topic.entry.basis,
            choice=topic.entry.choice,
            explicit=topic.entry.is_explicit,
            recipients=sorted(topic.entry.recipients),
            data=None if topic.entry.data is None else sorted(topic.entry.data),
            notice=NoticeText.model_validate(topic.rule.notice),
            rule_number=topic.rule.number,
            validity_days=topic.entry.validity_days,
            is_in_force=topic.is_in_force,
            moves=list(topic.moves),
            to_ask=[PartOut.of(each) for each in topic.to_ask],
            consent=ConsentOut.of(topic.consent) if topic.consent else None,
        )


class MyTopicsOut(Schema):
    """Everything the person is, or could be, asked by one organisation."""

    items: list[MyTopicOut]


class MyDecisionIn(SchemaIn):
    """One decision of one's own, for one purpose. A no takes what a yes takes: this one call."""

    dataset_id: Line
    purpose: Purpose
    move: Literal["give", "renew", "withdraw", "refuse"]
    explicit: StrictBool = Field(default=False, description="Said in so many words; some purposes need it.")
    rule_number: Number | None = Field(default=None, description="The notice you were shown.")
    valid_until: UtcInstant | None = Field(
        default=None, description="Earlier than the notice says, if you want."
    )
    language: Language = "nl"


def _instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _events(consent: Consent) -> list[EventOut]:
    return [
        EventOut(
            number=each.number,
            move=Move(each.move),
            state=ConsentState(each.state),
            at=each.at,
            recorded_at=each.recorded_at,
            valid_until=each.until,
            explicit=each.is_explicit,
            rule_number=each.rule_number,
            language=each.language,
            collector=Collector(each.collector),
            channel=Channel(each.channel),
            conditional=each.is_conditional,
            evidence=detail.evidence if (detail := consent.details.get(each.number)) else None,
            relation=detail.relation if detail else None,
            digest=each.digest.hex(),
        )
        for each in consent.events
    ]

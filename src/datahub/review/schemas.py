"""REST messages of reviewing."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints

from datahub.audit import Entry, Report, Use
from datahub.kernel.rest import Line, PageOut, Schema, SchemaIn, Slug, Text, UtcInstant, Whole
from datahub.participants import Person
from datahub.review.models import Finding, Review
from datahub.review.rules.states import Move, State, Verdict
from datahub.review.service import forwarding
from datahub.review.service.reviews import Wish


class FindingOut(Schema):
    """Something unusual, with the figures and entries that a reader can check it by."""

    id: str
    at: UtcInstant
    rule: str
    provider_id: str
    consumer_id: str
    dataset_id: str
    seen: dict[str, Any]
    expected: dict[str, Any]
    entries: list[str] = Field(description="Ids of the entries it rests on, at most 100.")
    explanation: dict[str, str] = Field(description="In a sentence, by language.")

    @classmethod
    def of(cls, row: Finding) -> Self:
        """Shape a row."""
        shown = row.model_dump(exclude={"key", "text_nl", "text_en"})
        return cls.model_validate({**shown, "explanation": {"nl": row.text_nl, "en": row.text_en}})


class ReviewOut(Schema):
    """A review; the organisation that is asked does not see who handles it."""

    id: str
    state: State
    owner_id: str = Field(description="The organisation that reviews.")
    asked_id: str | None = Field(default=None, description="The organisation that acted.")
    finding_id: str | None = None
    entry_id: str | None = None
    assignee: str | None = None
    question: str | None = None
    answer: str | None = None
    verdict: Verdict | None = None
    created_at: UtcInstant

    @classmethod
    def of(cls, row: Review, *, is_reviewer: bool) -> Self:
        """Shape a row."""
        hidden = {"revision", "is_asked"} | (set() if is_reviewer else {"assignee"})
        return cls.model_validate(row.model_dump(exclude=hidden))


class SampleIn(SchemaIn):
    """How many random attempts to review, and of when."""

    size: Whole = Field(ge=1, le=200)
    since: UtcInstant | None = Field(default=None, alias="from")
    until: UtcInstant | None = Field(default=None, alias="to")


class ReviewsOut(Schema):
    """Reviews that were just made."""

    items: Sequence[ReviewOut]


class ReviewMoveIn(SchemaIn):
    """A move: assign (assignee), ask (reason: the question), answer (reason), close (verdict), reopen."""

    move: Move
    reason: Text | None = None
    assignee: Line | None = None
    verdict: Verdict | None = None

    def wish(self) -> Wish:
        """Return the move."""
        return Wish(self.move, self.reason, self.assignee, self.verdict)


class ReviewMoveOut(Schema):
    """One move that was made."""

    at: UtcInstant
    move: str
    from_state: str
    to_state: str
    reason: str | None = None
    actor_participant_id: str | None = None

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Shape an entry of the log."""
        told = entry.details
        return cls(
            at=entry.at,
            move=told["move"],
            from_state=told["from"],
            to_state=told["to"],
            reason=told.get("reason"),
            actor_participant_id=entry.actor_participant_id,
        )


class ReviewMovesOut(Schema):
    """The moves of one review, oldest first."""

    items: Sequence[ReviewMoveOut]


class SubjectReportIn(SchemaIn):
    """Whom a report is about: their key in a key space of a provider. It is neither stored nor logged."""

    provider: Line | None = Field(default=None, description="Whose key space; your own unless named.")
    key_space: Slug
    subject: Line = Field(description="The person's key.")
    since: UtcInstant | None = Field(default=None, alias="from")
    until: UtcInstant | None = Field(default=None, alias="to")
    reason: Text = Field(description="Why the report is made, e.g. a request under GDPR art. 15.")


class UseOut(Schema):
    """One entry about the person: which organisation, which data, when, for which purpose. No person is named."""

    entry_id: str
    at: UtcInstant
    action: str
    outcome: str
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str | None = None
    dataset_version: int | None = None
    columns: list[str] | None = None
    agreement_id: str | None = None
    purpose: str | None = None
    log: str | None = Field(default=None, description="The origin of the log it is in.")
    leaf_index: int | None = None
    receipt: str | None = Field(default=None, description="The receipt (C2SP tlog-proof), to be kept.")
    disclosures: list[tuple[str, str, Any]] = Field(description="[salt, name, value] of what is shown.")
    digests: list[str] = Field(description="Digests of the fields that are not.")

    @classmethod
    def of(cls, use: Use) -> Self:
        """Shape an entry with its proof."""
        entry = use.entry
        names = set(cls.model_fields) & set(Entry.model_fields)
        return cls(
            entry_id=entry.id,
            log=use.log,
            leaf_index=use.leaf_index,
            receipt=use.receipt,
            disclosures=list(use.disclosures),
            digests=list(use.digests),
            **{name: getattr(entry, name) for name in names},
        )


class SubjectReportOut(PageOut[UseOut]):
    """Who used data about one person. With the key they find every leaf about them, without asking anybody."""

    subject_key: str = Field(
        description="Base64url; whoever holds it can tell which leaves are about the person."
    )
    reference: str = Field(description="How the log refers to the person, for /v1/log-subject-erasures.")

    @classmethod
    def of(cls, report: Report) -> Self:
        """Shape a report."""
        page = report.uses
        return cls(
            items=[UseOut.of(use) for use in page.items],
            next_cursor=page.next_cursor,
            prev_cursor=page.prev_cursor,
            subject_key=report.key,
            reference=report.reference,
        )


class NamingIn(SchemaIn):
    """Why a person is named."""

    reason: Text


class NamedOut(Schema):
    """The person who acted."""

    person_id: str
    participant_id: str
    name: str

    @classmethod
    def of(cls, person: Person) -> Self:
        """Shape a row."""
        return cls(person_id=person.id, participant_id=person.participant_id, name=person.name)


class ForwardIn(SchemaIn):
    """Where the log is to be forwarded to, and from which entry on."""

    url: Annotated[
        str,
        StringConstraints(
            pattern=r"^(https?|syslog\+(tls|tcp))://[^\s\x00-\x1f\x7f-\x9f]+$", max_length=2000
        ),
        Field(
            description="`https://…` (OCSF, a line each), or `syslog+tls://host[:6514]` (RFC 5424 over RFC 5425)."
        ),
    ]
    start: Literal["now", "beginning"] = Field(default="now", description="Which entry is the first.")


class ForwardMoveIn(SchemaIn):
    """A move: pause, or resume at once where it ended."""

    move: forwarding.Move


class ForwardOut(Schema):
    """One receiver of the log, and the last entry it has."""

    id: str
    url: str
    is_active: bool
    log: int = Field(
        description="Which of the exchange's logs the last entry it has is in; 0 before the first."
    )
    leaf_index: int = Field(description="The leaf of that entry; -1 before the first.")
    sent_at: UtcInstant | None
    failure: str | None = Field(description="Why the last batch was not taken.")
    created_at: UtcInstant

    @classmethod
    def of(cls, found: forwarding.Forwarding) -> Self:
        """Shape a row."""
        row = found.row.model_dump(exclude={"queued_at", "revision"})
        return cls.model_validate({**row, "log": found.place.log, "leaf_index": found.place.leaf_index})


class ForwardsOut(Schema):
    """All receivers of the log."""

    items: Sequence[ForwardOut]

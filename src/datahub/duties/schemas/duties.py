"""REST messages about duties, for both sides."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from datahub.audit import Entry
from datahub.duties.models import Consequence, DutyMove, DutyState, DutySubject, Ground, Known
from datahub.duties.rules.arising import words_of
from datahub.duties.rules.lives import Evidence, Wish
from datahub.duties.service.ledger import Seen
from datahub.kernel.rest import Schema, SchemaIn, Text, UtcInstant

AskedMove = Literal["fulfil", "retract", "return", "waive", "restore", "extend", "decline"]
Url = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f\x7f]+$", min_length=9, max_length=2000)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EvidenceIn(SchemaIn):
    """What shows that a duty was done; at least one of these. An address is kept as text and never called."""

    text: Annotated[Text, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="An attestation in words."
    )
    url: Url | None = Field(default=None, description="Where it can be read; the exchange does not call it.")
    sha256: Sha256 | None = Field(default=None, description="Digest of a document, lower case hex.")


class DutyMoveIn(SchemaIn):
    """One move of a duty's life, asked for."""

    move: AskedMove
    reason: Text | None = Field(
        default=None, description="Needed for every move but fulfil; the other side reads it."
    )
    evidence: EvidenceIn | None = Field(default=None, description="Needed to fulfil.")
    due_at: UtcInstant | None = Field(
        default=None, description="Needed to extend; may go with return and restore."
    )

    def wish(self) -> Wish:
        """Return what the rules take."""
        said = self.evidence
        evidence = Evidence(said.text, said.url, said.sha256) if said else Evidence()
        return Wish(DutyMove(self.move), self.reason, evidence, self.due_at)


class EvidenceOut(Schema):
    """What was stated to show that a duty was done."""

    text: str | None
    url: str | None
    sha256: str | None
    at: UtcInstant
    by_client_id: str | None


class DutyOut(Schema):
    """What an organisation owes, to whom, from what rule, until when, and where it stands."""

    id: str
    ground: Ground = Field(
        description="What it comes from: an agreement's policy, a recall, a person's right."
    )
    action: str = Field(description="The ODRL action of the duty.")
    words: dict[str, str] = Field(description="What is to be done, by language.")
    timing: Literal["pre", "during", "post"] = Field(description="Relative to the use of the data.")
    rule: str = Field(description="The rule it comes from: the duty's key in the policy, or an article.")
    debtor_id: str
    creditor_id: str | None = Field(description="Empty when it is owed to a person.")
    agreement_id: str | None
    dataset_id: str | None
    purpose: str | None
    state: DutyState = Field(description="By the clock of this moment.")
    starts_at: UtcInstant | None = Field(description="Empty: it waits for the end of the agreement.")
    due_at: UtcInstant | None = Field(description="Not included itself.")
    term_seconds: int | None = Field(description="What there is for it, from its start on.")
    needs: str = Field(description="What settles it.")
    evidence: EvidenceOut | None
    answer: str | None = Field(description="The reason given with the last move that took one.")
    wish: str | None = Field(description="What the person wrote with it.")
    subjects: int = Field(description="How many people it is about.")
    consequence: Consequence
    holds: list[str] = Field(description="Agreements that stand still until it is settled.")
    moves: list[DutyMove] = Field(description="What you can do now.")
    created_at: UtcInstant
    settled_at: UtcInstant | None

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """Shape a duty as somebody sees it."""
        apart = {"state", "origin", "remind_at", "first_due_at", "term_s", "key_space", "revision"}
        return cls.model_validate(
            {
                **seen.duty.model_dump(exclude=apart),
                "state": seen.state,
                "term_seconds": seen.duty.term_s,
                "words": words_of(seen.duty.action),
                "holds": list(seen.holds),
                "moves": list(seen.moves),
            }
        )


class DutySubjectOut(Schema):
    """A person a duty is about, as who owes it knows them."""

    number: int
    known: Known = Field(
        description="How you know the person: by the key, by a code of it, or by nothing that is shown here."
    )
    name: str | None = Field(
        description="The key or the code; empty when hidden, and once the duty is settled."
    )
    match: dict[str, str] = Field(description="What to look for, in words, by language.")
    link_id: str | None = Field(description="The one-time link of yours by which the person came.")
    at: UtcInstant


class DutyMoveOut(Schema):
    """One move of a duty's life, as it was made."""

    at: UtcInstant
    move: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    due_at: UtcInstant | None
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
            due_at=entry.details.get("dueAt"),
            by_participant_id=entry.actor_participant_id,
            by_client_id=entry.actor_client_id,
        )


class DutyHistoryOut(Schema):
    """All moves of a duty's life, oldest first."""

    items: list[DutyMoveOut]


def subject_out(row: DutySubject, name: str | None) -> DutySubjectOut:
    """Shape a person of a duty, under the name that was opened."""
    return DutySubjectOut(
        number=row.number,
        known=Known(row.known),
        name=name,
        match=dict(MATCH[Known(row.known)]),
        link_id=row.link_id,
        at=row.at,
    )


MATCH: dict[Known, dict[str, str]] = {
    Known.KEY: {
        "en": "Rows that carry this key in the column that names people.",
        "nl": "Rijen met deze sleutel in de kolom die personen noemt.",
    },
    Known.PSEUDONYM: {
        "en": "Rows that carry this code, made for you alone, in the column that names people.",
        "nl": "Rijen met deze code, die alleen voor u is gemaakt, in de kolom die personen noemt.",
    },
    Known.HASH: {
        "en": "Rows that carry this SHA-256 in the column that names people.",
        "nl": "Rijen met deze SHA-256 in de kolom die personen noemt.",
    },
    Known.HIDDEN: {
        "en": "The column that names people was not among what you received, so no row can be told to be this "
        "person's: replace what you hold of this dataset by a fresh read, in which the person is left out.",
        "nl": "De kolom die personen noemt heeft u niet ontvangen, dus van geen rij is te zeggen dat die van deze "
        "persoon is: vervang wat u van deze dataset heeft door een nieuwe lezing, waarin de persoon ontbreekt.",
    },
}

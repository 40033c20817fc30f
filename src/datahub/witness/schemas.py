"""REST messages of witnessing."""

from dataclasses import asdict
from typing import Annotated, Self

from pydantic import Field, StringConstraints

from datahub.audit import LogStatus
from datahub.kernel.rest import Schema, SchemaIn, Slug, UtcInstant
from datahub.witness.models import AskedWitness, ForkEvidence, WitnessedLog

VKey = Annotated[str, StringConstraints(min_length=12, max_length=2400, pattern=r"^[^\x00-\x20]+$")]
VKeys = Annotated[
    list[VKey],
    Field(min_length=1, max_length=4, description="Verifier keys (C2SP signed-note): name+id+base64."),
]
Origin = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(description="First line of the log's checkpoints.", examples=["exchange.example/log"]),
]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\x00-\x1f\x7f-\x9f]+$", max_length=2000)]


class LogStatusOut(Schema):
    """How the log is doing; what cannot be measured yet is absent."""

    state: str = Field(description="ok, empty, late, unwitnessed, broken or forked")
    says: str = Field(description="The state in a sentence.")
    origin: str | None = Field(default=None, description="The log's name, as its signed heads bear it.")
    size: int = Field(description="Entries in the tree.")
    signed_size: int = Field(description="Entries under the newest signed head.")
    pruned_below: int = Field(description="Leaves before this index are no longer kept.")
    checkpoint_at: UtcInstant | None = None
    checkpoint_age_s: float | None = None
    sequencer_lag_s: float = Field(description="How long the oldest durable entry waits for the tree.")
    witnesses: int = Field(description="Witnesses that cosigned the newest checkpoint that has any.")
    quorum: int = Field(
        description="How many the trust policy asks for: most of those that are asked; 0: nobody is."
    )
    is_quorum_met: bool = Field(description="Whether enough of them cosigned the head that is shown.")
    self_audit_at: UtcInstant | None = Field(default=None, description="When the last full self-audit ended.")
    self_audit_size: int = Field(description="How many entries it read.")
    self_audit_fault: str | None = Field(default=None, description="What it found wrong, if anything.")
    clock_skew_s: float = Field(description="Clock of the database minus that of the server.")
    missing_outcomes: int = Field(description="Permits of the last week whose delivery has no recorded end.")

    @classmethod
    def of(cls, status: LogStatus) -> Self:
        """Shape the figures."""
        return cls.model_validate(asdict(status))


class WitnessedLogIn(SchemaIn):
    """A log of others that the exchange is to witness."""

    origin: Origin
    vkeys: VKeys


class WitnessedLogOut(Schema):
    """A log that the exchange witnesses, and the newest head that it cosigned."""

    id: str
    origin: str
    vkeys: list[str]
    size: int
    root: str
    checkpoint: str | None
    cosigned_at: UtcInstant | None
    created_at: UtcInstant

    @classmethod
    def of(cls, row: WitnessedLog) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class ForkEvidenceOut(Schema):
    """Two heads that one log signed and that do not go together."""

    id: str
    at: UtcInstant
    verdict: str = Field(
        description="`fork`: two roots of one size; `not-consistent`: no proof that it goes on."
    )
    held: str | None = Field(description="The checkpoint cosigned before, as it came.")
    sent: str = Field(description="The request that was refused, as it came.")

    @classmethod
    def of(cls, row: ForkEvidence) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class AskedWitnessIn(SchemaIn):
    """A witness that the exchange is to ask."""

    name: Slug
    vkeys: VKeys
    url: Url = Field(description="Submission prefix: `add-checkpoint` is below it.")


class AskedWitnessOut(Schema):
    """A witness that the exchange asks, and how far that went."""

    id: str
    name: str
    vkeys: list[str]
    url: str
    size: int = Field(description="The size of our log that it has seen, as far as we know.")
    cosigned_at: UtcInstant | None
    asked_at: UtcInstant | None
    failure: str | None = Field(description="Why there is no newer cosignature.")
    created_at: UtcInstant

    @classmethod
    def of(cls, row: AskedWitness) -> Self:
        """Show a row."""
        return cls.model_validate(row)


class WitnessedLogsOut(Schema):
    """All logs that the exchange witnesses, and the keys that it cosigns with."""

    items: list[WitnessedLogOut]
    vkeys: list[str] = Field(description="The exchange's own keys as a witness.")


class ForkEvidencesOut(Schema):
    """All that is held against one log."""

    items: list[ForkEvidenceOut]


class AskedWitnessesOut(Schema):
    """All witnesses that the exchange asks."""

    items: list[AskedWitnessOut]

"""The verbs on reads: authorise one, ask whether it may go on, record how it ended.

`authorise_read` writes decision and entry in the caller's transaction; the door commits it before the first byte, for
a denial too. That is why a denial is returned and not raised: a raise would take its own record with it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Engine

from datahub.audit import About, Decision, Outcome, own_transaction, record, record_decision
from datahub.catalog import Dataset, DatasetState, DatasetVersion, dataset_by_id, find_dataset, version_of
from datahub.consent import Admission, Need, Shut
from datahub.consent import settle as settle_left
from datahub.contracts import Agreement, Standing, agreement_by_id, standing_of
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import Refusal
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.participants import Role
from datahub.transfers import errors
from datahub.transfers.rules import Release
from datahub.transfers.rules.words import Code
from datahub.transfers.service.findings import Finding, about_columns
from datahub.transfers.service.quotas import Quota, charge, settle
from datahub.transfers.service.weighing import Doing, is_admitted, weigh

ACTION = "data.read"
DELIVERY = "data.deliver"

REFUSALS: Mapping[str, type[Refusal]] = {
    Code.WITHDRAWN: errors.DataWithdrawn,
    Code.TOKEN_REQUIRED: errors.TokenRequired,
    Code.SCOPE_MISSING: errors.DataScopeMissing,
    Code.AGREEMENT_REQUIRED: errors.AgreementRequired,
    Code.PURPOSE_NOT_AGREED: errors.PurposeNotAgreed,
    Code.QUOTA_EXHAUSTED: errors.QuotaExhausted,
    Code.NEEDS_PLAN: errors.PolicyNeedsPlan,
    Code.NOTHING_LEFT: errors.NothingPermitted,
    Code.RESULTS_ONLY: errors.ResultsOnly,
    Code.ROWS_ONLY: errors.RowsOnly,
    Shut.NO_RULE: errors.ConsentRuleNeeded,
    Shut.NO_COLUMN: errors.ConsentColumnMissing,
    Shut.NOT_COVERED: errors.ConsentNotCovered,
    Shut.COLUMNS: errors.ConsentColumnsNotCovered,
    Standing.NOT_YET: errors.AgreementNotYetValid,
    Standing.SUSPENDED: errors.AgreementSuspended,
    Standing.ENDED: errors.AgreementEnded,
    Standing.REVOKED: errors.AgreementRevoked,
    Standing.EXPIRED: errors.AgreementExpired,
    Standing.PROVIDER_INACTIVE: errors.ProviderNotActive,
    Standing.CONSUMER_INACTIVE: errors.ConsumerNotActive,
    Standing.UPSTREAM: errors.UpstreamAgreementNotInForce,
}


class Plan(Protocol):
    """What a door makes of a version once the actor may read it; its own refusals come after permission."""

    @property
    def columns(self) -> Sequence[str] | None:
        """Return the columns that go out, in order; None for files."""

    @property
    def touched(self) -> Collection[str]:
        """Return the columns that leave or that rows are chosen by: what people must have been told of."""

    @property
    def details(self) -> Mapping[str, Any]:
        """Return what the log keeps about the shape of the delivery: no values of the data, no tokens."""


PlanT = TypeVar("PlanT", bound=Plan)


@dataclass(frozen=True)
class ReadRequest(Generic[PlanT]):
    """One attempt: which dataset (id or `organisation/dataset`) and version, under which agreement, in which shape.

    `plan` must send data through the release it is given, if any, and no other way.
    """

    dataset: str
    plan: Callable[[DatasetVersion, Release | None], PlanT]
    version: int | None = None
    agreement_id: str | None = None
    retry: str | None = None


@dataclass(frozen=True)
class ReadPermit(Generic[PlanT]):
    """Permission for one delivery, already in the log; worth nothing before the transaction is committed."""

    entry_id: str
    decision_id: str
    actor: Actor
    trace_id: str
    dataset: Dataset
    version: DatasetVersion
    agreement: Agreement | None
    plan: PlanT
    about: About
    quotas: Sequence[Quota] = ()
    need: Need | None = None


@dataclass(frozen=True)
class ReadDenial:
    """A denial, already in the log; the door commits, then raises the refusal."""

    entry_id: str
    decision_id: str
    refusal: Refusal
    quotas: Sequence[Quota] = ()


def authorise_read(ctx: Context, request: ReadRequest[PlanT]) -> ReadPermit[PlanT] | ReadDenial:
    """Decide one attempt to read and write decision and entry, permit or deny.

    Raises DataNotFound, and whatever the plan refuses once the read is permitted; then nothing is written here.
    """
    dataset, version, finding = look(ctx, request)
    if not finding.is_permit:
        return _denied(ctx, request, dataset, version, finding)
    if version is None:
        raise errors.DataNotFound("This dataset has no such version.")
    plan = request.plan(version, finding.release)
    narrowed = about_columns(finding, plan.touched)
    if not narrowed.is_permit:
        return _denied(ctx, request, dataset, version, narrowed)
    decision = decision_on(ctx, dataset, finding)
    about = about_use(ctx.actor, dataset, version.number, finding, decision.id)
    about = replace(about, columns=plan.columns, details=with_consent(plan.details, finding))
    record_decision(ctx, decision)
    entry = record(ctx, ACTION, about, outcome=Outcome.PERMIT, code=finding.code)
    if finding.agreement is not None:
        charge(ctx, entry.id, finding.agreement, finding.quotas, version=version, retry=request.retry)
    return ReadPermit(
        entry.id,
        decision.id,
        ctx.actor,
        ctx.trace_id,
        dataset,
        version,
        finding.agreement,
        plan,
        about,
        finding.quotas,
        finding.need,
    )


def _denied(
    ctx: Context,
    request: ReadRequest[Any],
    dataset: Dataset,
    version: DatasetVersion | None,
    finding: Finding,
) -> ReadDenial:
    decision = record_decision(ctx, decision_on(ctx, dataset, finding))
    number = version.number if version else request.version
    about = about_use(ctx.actor, dataset, number, finding, decision.id)
    entry = record(ctx, ACTION, about, outcome=Outcome.DENY, code=finding.code)
    return ReadDenial(entry.id, decision.id, refusal_of(finding, entry.id, decision.id), finding.quotas)


def look(ctx: Context, request: ReadRequest[Any]) -> tuple[Dataset, DatasetVersion | None, Finding]:
    """Return what an attempt is about and what its weighing finds; writes nothing. Raises DataNotFound."""
    dataset = find_dataset(ctx.session, request.dataset)
    if dataset is None or not may_see(ctx.actor, dataset):
        raise errors.DataNotFound("No dataset with this id.")
    version = version_of(ctx.session, dataset.id, request.version)
    return dataset, version, weigh(ctx, dataset, version, request.agreement_id, Doing(retry=request.retry))


def with_consent(details: Mapping[str, Any], finding: Finding) -> Mapping[str, Any]:
    """Return what the log keeps of an attempt, with the state of the consents it was decided by."""
    return details if finding.need is None else {**details, "consent": finding.need.stamp}


def about_use(
    actor: Actor, dataset: Dataset, number: int | None, finding: Finding, decision_id: str
) -> About:
    """Return what the entry of an attempt says; the caller adds in which shape."""
    return About(
        thing_id=dataset.id,
        provider_id=dataset.provider_id,
        consumer_id=actor.participant_id,
        dataset_id=dataset.id,
        dataset_version=number,
        agreement_id=finding.agreement.id if finding.agreement else None,
        offer_id=finding.offer_id,
        offer_version=finding.offer_version,
        policy_hash=finding.policy_hash,
        purpose=finding.purpose,
        decision_id=decision_id,
    )


def may_go_on(ctx: Context, permit: ReadPermit[Any]) -> bool:
    """Tell whether a running delivery may continue: the agreement still in force, the data not withdrawn."""
    dataset = dataset_by_id(ctx.session, permit.dataset.id)
    if dataset is None or dataset.state == DatasetState.WITHDRAWN:
        return False
    if permit.agreement is not None:
        agreement = agreement_by_id(ctx.session, permit.agreement.id)
        return agreement is not None and standing_of(ctx.session, agreement, ctx.now) is Standing.IN_FORCE
    parties = {dataset.provider_id, permit.actor.participant_id or dataset.provider_id}
    return all(is_admitted(ctx, each) for each in parties)


def record_outcome(
    engine: Engine,
    settings: Settings,
    now: datetime,
    permit: ReadPermit[Any],
    *,
    is_finished: bool,
    rows: int | None,
    size: int,
    code: str = "ok",
    admission: Admission | None = None,
) -> None:
    """Write how a delivery ended, in a transaction of its own: rows (None for files) and bytes handed to the network.

    `admission`: the gate it went through; whose rows left is then settled. Raises LogUnavailable.
    """
    about = replace(
        permit.about, of_entry_id=permit.entry_id, rows=rows, bytes=size, columns=permit.plan.columns
    )
    if admission is not None:
        first, last = admission.allowed.stamp, admission.last.stamp
        moved = {} if first == last else {"consentAtEnd": last}
        about = replace(about, details={**about.details, "consent": first, **moved})
    outcome = Outcome.FINISHED if is_finished else Outcome.ABORTED
    with own_transaction(engine, settings, permit.actor, now, permit.trace_id) as ctx:
        record(ctx, DELIVERY, about, outcome=outcome, code=code)
        if admission is not None:
            settle_left(ctx, permit.entry_id, admission.left)
        if permit.quotas:
            settle(ctx, permit.entry_id, rows=rows, size=size, is_finished=is_finished)


def may_see(actor: Actor, dataset: Dataset) -> bool:
    """Tell whether the actor may know that the dataset exists."""
    is_own = actor.participant_id is not None and actor.participant_id == dataset.provider_id
    return dataset.state != DatasetState.DRAFT or is_own or actor.oversees(Role.ADMIN, Role.AUDITOR)


def decision_on(ctx: Context, dataset: Dataset, finding: Finding) -> Decision:
    """Return the decision that keeps what the weighing found."""
    return Decision(
        id=new_id(),
        at=ctx.now,
        is_permit=finding.is_permit,
        code=finding.code,
        provider_id=dataset.provider_id,
        consumer_id=ctx.actor.participant_id,
        dataset_id=dataset.id,
        agreement_id=finding.agreement.id if finding.agreement else None,
        policy_hash=finding.policy_hash,
        facts=dict(finding.facts),
        for_requester={"code": finding.code, **finding.for_requester},
        for_provider={"code": finding.code, **finding.for_provider},
    )


def refusal_of(finding: Finding, entry_id: str, decision_id: str) -> Refusal:
    """Return the refusal that says what the weighing found, naming its decision and entry."""
    refusal = REFUSALS.get(finding.code, errors.NotPermittedByPolicy)
    said = dict(finding.for_requester)
    remedy = said.pop("remedy", None) or f"See /v1/decisions/{decision_id} for what would permit it."
    explanation = {"nl": said.pop("nl"), "en": said.pop("en")}
    return refusal(
        explanation["en"],
        remedy=remedy,
        decisionCode=finding.code,
        decisionId=decision_id,
        entryId=entry_id,
        agreementId=finding.agreement.id if finding.agreement else None,
        explanation=explanation,
        **said,
    )

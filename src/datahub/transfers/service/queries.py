"""The verb that authorises one query: the same weighing as a read, with what may be asked instead of what may leave.

Decision and entry are written in the caller's transaction, which the door commits before anything is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from datahub.audit import About, Outcome, record, record_decision
from datahub.catalog import Dataset, DatasetVersion, find_dataset, version_of
from datahub.consent import Need
from datahub.contracts import Agreement
from datahub.kernel.context import Context
from datahub.transfers import errors
from datahub.transfers.rules import QUERY, Release, Room
from datahub.transfers.service.findings import about_columns
from datahub.transfers.service.reads import ReadDenial, decision_on, may_see, refusal_of, with_consent
from datahub.transfers.service.weighing import Doing, weigh

ASKING = "data.query"
ANSWER = "data.answer"


@dataclass(frozen=True)
class Question:
    """One attempt to ask: which dataset (id or `organisation/dataset`) and version, under which agreement.

    `joined_with` names the other datasets of the query; `touched` the columns it is about, None: all. `details` is what the log keeps: no values of the data.
    """

    dataset: str
    version: int | None = None
    agreement_id: str | None = None
    action: str = QUERY
    joined_with: frozenset[str] = frozenset()
    touched: frozenset[str] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class QueryPermit:
    """Permission to compute one answer, already in the log; worth nothing before the transaction is committed.

    Rows flow through `release` (None: all); for questions, `room` says in which groups.
    """

    entry_id: str
    decision_id: str
    dataset: Dataset
    version: DatasetVersion
    agreement: Agreement | None
    release: Release | None
    room: Room
    about: About
    need: Need | None = None
    touched: frozenset[str] = frozenset()


def authorise_query(ctx: Context, question: Question) -> QueryPermit | ReadDenial:
    """Decide one attempt to ask and write decision and entry, permit or deny. Raises DataNotFound."""
    dataset = find_dataset(ctx.session, question.dataset)
    if dataset is None or not may_see(ctx.actor, dataset):
        raise errors.DataNotFound("No dataset with this id.")
    version = version_of(ctx.session, dataset.id, question.version)
    joined = question.joined_with if question.action == QUERY else None
    finding = weigh(ctx, dataset, version, question.agreement_id, Doing(question.action, joined))
    if finding.is_permit and (version is None or version.object_key is None):
        raise errors.DataNotFound("This dataset has no such version, or it is files and not a table.")
    release = finding.release if question.action != QUERY else finding.room.release
    stored = frozenset(each["name"] for each in (version.columns if version else None) or ())
    shown = stored if release is None else frozenset(release.columns)
    touched = shown if question.touched is None else question.touched
    if finding.is_permit:
        finding = about_columns(finding, touched)
    decision = record_decision(ctx, decision_on(ctx, dataset, finding))
    about = About(
        thing_id=dataset.id,
        provider_id=dataset.provider_id,
        consumer_id=ctx.actor.participant_id,
        dataset_id=dataset.id,
        dataset_version=version.number if version else question.version,
        agreement_id=finding.agreement.id if finding.agreement else None,
        offer_id=finding.offer_id,
        offer_version=finding.offer_version,
        policy_hash=finding.policy_hash,
        purpose=finding.purpose,
        decision_id=decision.id,
        details=with_consent(question.details, finding),
    )
    outcome = Outcome.PERMIT if finding.is_permit else Outcome.DENY
    entry = record(ctx, ASKING, about, outcome=outcome, code=finding.code)
    if not finding.is_permit or version is None:
        return ReadDenial(entry.id, decision.id, refusal_of(finding, entry.id, decision.id))
    return QueryPermit(
        entry.id,
        decision.id,
        dataset,
        version,
        finding.agreement,
        release,
        finding.room,
        about,
        finding.need,
        touched,
    )

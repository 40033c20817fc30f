"""The verb behind an external gateway's question: may this consumer use that dataset now? Decided and recorded as a read is.

The shape of question and answer follows the AuthZEN Authorization API 1.0; a denial is an answer, not a refusal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from datahub.audit import About, Outcome, record, record_decision
from datahub.catalog import Dataset, DatasetVersion, find_dataset, version_of
from datahub.consent import all_let, digests_in
from datahub.contracts import Standing, agreements_in_force
from datahub.kernel.context import ANONYMOUS, Actor, Context
from datahub.kernel.errors import Unauthenticated
from datahub.oauth import holder_of
from datahub.transfers import errors, rules
from datahub.transfers.rules.words import DATA_SCOPE, Code
from datahub.transfers.service.findings import Finding, about_columns, denied
from datahub.transfers.service.gates import note_leaving
from datahub.transfers.service.quotas import charge
from datahub.transfers.service.reads import about_use, decision_on, may_see
from datahub.transfers.service.weighing import Doing, is_admitted, weigh

DECIDE = "data.decide"


@dataclass(frozen=True)
class Question:
    """Who wants to do what with which dataset: `unverified_token` speaks for the consumer, or the caller names it.

    `people`: the keys of those whom the data asked for is about; `columns`: what of them would be shown, None: all.
    """

    dataset: str
    action: str
    unverified_token: str | None = None
    consumer_id: str | None = None
    purpose: str | None = None
    agreement_id: str | None = None
    people: Sequence[str] = field(default=(), repr=False)
    columns: frozenset[str] | None = None


@dataclass(frozen=True)
class Weighed:
    """What a question came to, before it is recorded."""

    subject: Actor
    dataset: Dataset
    version: DatasetVersion | None
    finding: Finding


@dataclass(frozen=True)
class Answer:
    """The decision on a question, already in the log; worth nothing before the transaction is committed."""

    entry_id: str
    decision_id: str
    weighed: Weighed


def answer_question(ctx: Context, question: Question) -> Answer:
    """Decide for a gateway and write decision and entry. Raises DataNotFound, NotYours."""
    weighed = weigh_question(ctx, question)
    subject, finding = weighed.subject, weighed.finding
    decision = decision_on(replace(ctx, actor=subject), weighed.dataset, finding)
    about = about_question(question.action, weighed, decision.id)
    record_decision(ctx, decision)
    outcome = Outcome.PERMIT if finding.is_permit else Outcome.DENY
    entry = record(ctx, DECIDE, about, outcome=outcome, code=finding.code)
    if finding.is_permit and finding.agreement is not None:
        charge(ctx, entry.id, finding.agreement, finding.quotas, version=weighed.version, retry=None)
        if finding.need is not None:
            people = digests_in(ctx, finding.need, question.people)
            note_leaving(ctx, entry.id, finding.agreement, finding.need, people)
    return Answer(entry.id, decision.id, weighed)


def weigh_question(ctx: Context, question: Question) -> Weighed:
    """Return what a question comes to; writes nothing. Raises DataNotFound, NotYours."""
    dataset = find_dataset(ctx.session, question.dataset)
    if dataset is None or not may_see(ctx.actor, dataset):
        raise errors.DataNotFound("No dataset with this id.")
    if not rules.may_ask(ctx.actor, dataset.provider_id):
        detail = "Only a gateway of the dataset's provider, or of the exchange, may ask for decisions on it."
        raise errors.NotYours(detail, datasetId=dataset.id, providerId=dataset.provider_id)
    version = version_of(ctx.session, dataset.id, None)
    subject, fault = _subject(ctx, question, dataset)
    if fault is None and not may_see(subject, dataset):
        fault = Code.NOT_PUBLISHED
    if fault is not None:
        return Weighed(subject, dataset, version, denied(fault))
    asked = replace(ctx, actor=subject)
    finding = weigh(asked, dataset, version, question.agreement_id, Doing(question.action))
    if finding.is_permit and finding.need is not None:
        finding = _by_people(ctx, question, version, finding)
    return Weighed(subject, dataset, version, finding)


def _by_people(ctx: Context, question: Question, version: DatasetVersion | None, found: Finding) -> Finding:
    """Ask the people who are named: this exchange cannot leave rows out of what a gateway gives, so it must be told whom.

    Raises InvalidConsent for a key that names nobody.
    """
    assert found.need is not None  # noqa: S101 — the caller looked
    stored = frozenset(each["name"] for each in (version.columns if version else None) or ())
    columns = stored if question.columns is None else question.columns
    found = about_columns(found, columns)
    if not found.is_permit or found.need is None:
        return found
    if not question.people:
        return denied(Code.CONSENT_OF_WHOM, found.agreement, found.purpose, found.facts)
    if not all_let(ctx, found.need, question.people, columns):
        return denied(Code.CONSENT_NOT_GIVEN, found.agreement, found.purpose, found.facts)
    return found


def about_question(action: str, weighed: Weighed, decision_id: str) -> About:
    """Return what the entry of a question says; which client and token spoke for the consumer too."""
    subject, number = weighed.subject, weighed.version.number if weighed.version else None
    details = {"action": action, "subjectClientId": subject.client_id, "subjectTokenId": subject.token_id}
    about = about_use(subject, weighed.dataset, number, weighed.finding, decision_id)
    return replace(about, details={name: value for name, value in details.items() if value is not None})


def _subject(ctx: Context, question: Question, dataset: Dataset) -> tuple[Actor, str | None]:
    if question.unverified_token is not None:
        try:
            return holder_of(ctx, question.unverified_token), None
        except Unauthenticated:
            return ANONYMOUS, Code.TOKEN_NOT_GOOD
    return _named(ctx, question, dataset)


def _named(ctx: Context, question: Question, dataset: Dataset) -> tuple[Actor, str | None]:
    """Return an actor for a consumer the gateway vouches for, with all that its agreements in force give it."""
    consumer_id = question.consumer_id or ""
    detail = {"type": rules.DETAIL_TYPE, "identifier": dataset.id, "actions": [question.action]}
    if question.purpose:
        detail["purpose"] = question.purpose
    in_force = agreements_in_force(ctx.session, consumer_id, dataset.id, ctx.now)
    subject = Actor(
        client_id=ctx.actor.client_id,
        participant_id=consumer_id,
        scopes=frozenset({DATA_SCOPE}),
        authorization_details=tuple(detail | {"agreement": each.id} for each in in_force),
    )
    if not is_admitted(ctx, consumer_id):
        return replace(subject, participant_id=None), Standing.CONSUMER_INACTIVE
    return subject, None

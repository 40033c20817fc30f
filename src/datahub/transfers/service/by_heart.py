"""Permits known by heart: worked out once by the plain path, and good again as long as nothing they rest on has moved.

All that the weighing reads from the database is covered by the authority epoch, which is read again in the transaction
that makes each decision durable. What is left is the clock: token, agreement and policy are asked at every use.
Denials are never known by heart: who is refused deserves the plain path's full explanation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from datahub import contracts
from datahub.audit import NOW, About, Decision, Form, Line, Outcome, entry_values, form_of
from datahub.contracts import Agreement, AgreementState, is_in_force
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import JsonValue
from datahub.kernel.ids import new_id
from datahub.kernel.paging import PageRequest
from datahub.oauth import GrantByHeart
from datahub.policy import Facts, Policy, decide
from datahub.transfers import rules
from datahub.transfers.rules.words import Code
from datahub.transfers.service.decisions import DECIDE, Question, Weighed, about_question, weigh_question
from datahub.transfers.service.findings import Finding
from datahub.transfers.service.grants import weigh_detail
from datahub.transfers.service.reads import (
    ACTION,
    DELIVERY,
    PlanT,
    ReadPermit,
    ReadRequest,
    about_use,
    decision_on,
    look,
)

Clocked = tuple[Agreement | None, Policy | None, Facts | None]
"""What of a permit the clock can change: agreement, and policy with the facts it judges."""

_FACTS: Final = tuple(Facts.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class ByHeart:
    """One permit: when it still holds, and what the lines of its uses have in common."""

    at: datetime
    expires_at: datetime | None
    agreement: Agreement | None
    policy: Policy | None
    facts: Facts | None
    permitted: Form
    delivered: Form | None = None

    def holds(self, now: datetime) -> bool:
        """Tell whether token, agreement and policy still permit at this instant."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        return _holds((self.agreement, self.policy, self.facts), now)

    def give(self, now: datetime, trace_id: str) -> Line:
        """Return the line of the log, decision included, for one use."""
        return Line(self.permitted, new_id(), now, trace_id, new_id())

    def ending(self, given: Line, now: datetime) -> Line | None:
        """Return the line that says that all of it was delivered; None where nothing is delivered here."""
        if self.delivered is None:
            return None
        return Line(self.delivered, new_id(), now, given.trace_id, given.decision_id, given.id)


def learn_read(ctx: Context, request: ReadRequest[PlanT]) -> tuple[ByHeart, ReadPermit[PlanT]] | None:
    """Return a permit to know by heart, and one use of it without ids; None: take the plain path each time.

    Raises what the plain path raises.
    """
    dataset, version, finding = look(ctx, request)
    claims = rules.claims_on(ctx.actor, dataset.id, request.agreement_id)
    if version is None or not _is_settled(finding, len(claims)):
        return None
    plan = request.plan(version, None)
    decision = decision_on(ctx, dataset, finding)
    about = about_use(ctx.actor, dataset, version.number, finding, "")
    about = replace(about, columns=plan.columns, details=plan.details)
    permit = ReadPermit("", "", ctx.actor, ctx.trace_id, dataset, version, finding.agreement, plan, about)
    return _by_heart(ctx.actor, [ctx.actor], finding, decision, about, action=ACTION), permit


def with_delivery(by_heart: ByHeart, permit: ReadPermit[PlanT], *, rows: int | None, size: int) -> ByHeart:
    """Return the permit with the line that ends each of its uses: all of it delivered."""
    whole = replace(permit.about, rows=rows, bytes=size)
    ending = entry_values(permit.actor, by_heart.at, "", DELIVERY, whole, outcome=Outcome.FINISHED)
    return replace(by_heart, delivered=form_of(ending))


def learn_question(ctx: Context, question: Question) -> tuple[ByHeart, Weighed] | None:
    """Return a permit that answers a gateway's question, to know by heart; None: take the plain path each time.

    Raises what the plain path raises.
    """
    weighed = weigh_question(ctx, question)
    subject, finding = weighed.subject, weighed.finding
    if question.unverified_token is None:
        claims = _active_agreements(replace(ctx, actor=subject), weighed)
    else:
        claims = len(rules.claims_on(subject, weighed.dataset.id, question.agreement_id, question.action))
    if not _is_settled(finding, claims):
        return None
    decision = decision_on(replace(ctx, actor=subject), weighed.dataset, finding)
    about = about_question(question.action, weighed, "")
    return _by_heart(ctx.actor, [ctx.actor, subject], finding, decision, about, action=DECIDE), weighed


def learn_grant(ctx: Context, participant_id: str, detail: Mapping[str, JsonValue]) -> GrantByHeart | None:
    """Return a detail of a token as granted (RFC 9396), to know by heart; None: take the plain path each time.

    Raises what the plain path raises.
    """
    granted, findings = weigh_detail(ctx, participant_id, detail)
    if not findings:
        return GrantByHeart(granted, lambda _: True)
    claims = 1 if "agreement" in detail else _held_on(ctx, participant_id, str(granted["identifier"]))
    if not all(_is_settled(finding, claims) for finding in findings):
        return None
    clocked = [_clocked(finding) for finding in findings]
    return GrantByHeart(granted, lambda now: all(_holds(each, now) for each in clocked))


def _held_on(ctx: Context, participant_id: str, dataset_id: str) -> int:
    consumer = replace(ctx, actor=replace(ctx.actor, participant_id=participant_id))
    wanted = contracts.Filters(dataset_id=dataset_id, role="consumer")
    found = contracts.list_agreements(consumer, PageRequest(size=50), wanted).items
    return sum(agreement.state == AgreementState.ACTIVE for agreement in found)


def _is_settled(finding: Finding, claims: int) -> bool:
    """Tell whether only the clock can change what the weighing found: no plan, and no other claim that time could raise."""
    if not finding.is_permit or finding.release is not None or finding.need is not None or finding.quotas:
        return False
    if finding.code == Code.OWN_DATA:
        return True
    by_policy = finding.decision is not None and finding.decision.permit
    return by_policy and claims == (1 if finding.agreement is not None else 0)


def _active_agreements(ctx: Context, weighed: Weighed) -> int:
    return _held_on(ctx, ctx.actor.participant_id or "", weighed.dataset.id)


def _by_heart(
    actor: Actor, tokens: list[Actor], finding: Finding, decision: Decision, about: About, *, action: str
) -> ByHeart:
    ends = [each.token_expires_at for each in tokens if each.token_expires_at is not None]
    if "now" in decision.facts:
        decision.facts = {**decision.facts, "now": NOW}
    entry = entry_values(actor, decision.at, "", action, about, outcome=Outcome.PERMIT, code=finding.code)
    return ByHeart(decision.at, min(ends, default=None), *_clocked(finding), form_of(entry, decision))


def _clocked(finding: Finding) -> Clocked:
    asked = finding.decision
    if asked is None or decide(asked.policy, _at(asked.facts, None)).permit:
        # It permits without knowing the time, so it permits at any time
        return finding.agreement, None, None
    return finding.agreement, asked.policy, asked.facts


def _holds(clocked: Clocked, now: datetime) -> bool:
    agreement, policy, facts = clocked
    if agreement is not None and not is_in_force(agreement, now):
        return False
    return policy is None or facts is None or decide(policy, _at(facts, now)).permit


def _at(facts: Facts, now: datetime | None) -> Facts:
    """Return the facts at another instant; `dataclasses.replace` would check all of them again, at thrice the price."""
    moved = object.__new__(Facts)
    for name in _FACTS:
        object.__setattr__(moved, name, getattr(facts, name))
    object.__setattr__(moved, "now", now)
    return moved

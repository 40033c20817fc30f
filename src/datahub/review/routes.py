"""REST routes of reviewing: findings, reviews, reports for persons."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.rest import Line, PageOut, Paging, Replies, UtcInstant, allow, page_out
from datahub.review.models import Review
from datahub.review.rules.states import State, is_reviewer
from datahub.review.schemas import (
    FindingOut,
    ForwardIn,
    ForwardMoveIn,
    ForwardOut,
    ForwardsOut,
    NamedOut,
    NamingIn,
    ReviewMoveIn,
    ReviewMoveOut,
    ReviewMovesOut,
    ReviewOut,
    ReviewsOut,
    SampleIn,
    SubjectReportIn,
    SubjectReportOut,
)
from datahub.review.service import forwarding, persons, reviews

router = APIRouter(prefix="/v1", tags=["log"])

Reader = Annotated[Context, allow("log:review", is_logged=True)]
Reviewer = Annotated[Context, allow("log:review")]
Person = Annotated[Context, allow("consents:own", is_logged=True)]


def _out(ctx: Context, review: Review) -> ReviewOut:
    return ReviewOut.of(review, is_reviewer=is_reviewer(ctx.actor, review.owner_id))


@router.get("/log-findings", response_model=PageOut[FindingOut])
def list_log_findings(
    *,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    rule: Annotated[Line | None, Query(description="E.g. volume or deny-burst.")] = None,
) -> Response:
    """List what the rules found unusual in the use of your organisation's data."""
    found = reviews.list_findings(ctx, paging.request({"rule": rule}), rule)
    return reply.read(page_out(found, FindingOut.of))


@router.get("/log-findings/{findingId}", response_model=FindingOut)
def get_log_finding(findingId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one finding: the rule, what was seen, what was expected, the entries."""
    return reply.read(FindingOut.of(reviews.get_finding(ctx, findingId)))


@router.get("/log-reviews", response_model=PageOut[ReviewOut])
def list_log_reviews(
    *,
    ctx: Reader,
    reply: Replies,
    paging: Paging,
    state: Annotated[State | None, Query()] = None,
) -> Response:
    """List the reviews that you do, and those that your organisation is asked about."""
    found = reviews.list_reviews(ctx, paging.request({"state": state}), state)
    return reply.read(page_out(found, lambda review: _out(ctx, review)))


@router.post("/log-reviews", status_code=201, response_model=ReviewsOut)
def sample_log_reviews(body: SampleIn, ctx: Reviewer, reply: Replies) -> Response:
    """Review a random sample of the attempts on your organisation's data."""
    reply.once(ctx)
    made = reviews.sample(ctx, body.size, body.since, body.until)
    message = ReviewsOut(items=[_out(ctx, review) for review in made])
    return reply.created(ctx, message, "/v1/log-reviews")


@router.get("/log-reviews/{reviewId}", response_model=ReviewOut)
def get_log_review(reviewId: str, ctx: Reviewer, reply: Replies) -> Response:
    """Read one review."""
    review = reviews.get_review(ctx, reviewId)
    return reply.read(_out(ctx, review), review.revision)


@router.post("/log-reviews/{reviewId}/transitions", status_code=201, response_model=ReviewOut)
def move_log_review(reviewId: str, body: ReviewMoveIn, ctx: Reviewer, reply: Replies) -> Response:
    """Assign a review, ask the organisation that acted for a reason, answer, close with a verdict, reopen."""
    reply.once(ctx)
    review = reviews.move_review(ctx, reviewId, body.wish())
    return reply.created(ctx, _out(ctx, review), f"/v1/log-reviews/{review.id}", review.revision)


@router.get("/log-reviews/{reviewId}/transitions", response_model=ReviewMovesOut)
def list_log_review_moves(reviewId: str, ctx: Reviewer, reply: Replies) -> Response:
    """Read what was done to a review, oldest first."""
    return reply.read(ReviewMovesOut(items=[ReviewMoveOut.of(e) for e in reviews.moves_of(ctx, reviewId)]))


@router.post("/log-subject-reports", response_model=SubjectReportOut)
def report_on_log_subject(body: SubjectReportIn, ctx: Reviewer, reply: Replies, paging: Paging) -> Response:
    """Report who used data about a person, with proofs and the key that shows that nothing is left out."""
    asked = paging.request({"subject": f"{body.provider} {body.key_space} {body.since} {body.until}"})
    found = persons.report(
        ctx,
        body.provider,
        body.key_space,
        body.subject,
        asked,
        since=body.since,
        until=body.until,
        reason=body.reason,
    )
    return reply.read(SubjectReportOut.of(found))


@router.get("/me/report", response_model=SubjectReportOut, tags=["my consents"])
def get_my_report(
    *,
    ctx: Person,
    reply: Replies,
    paging: Paging,
    since: UtcInstant | None = None,
    until: UtcInstant | None = None,
) -> Response:
    """See who used data about you, entry by entry, with proofs and the key that shows that nothing is left out."""
    asked = paging.request({"since": since and since.isoformat(), "until": until and until.isoformat()})
    return reply.read(SubjectReportOut.of(persons.own_report(ctx, asked, since=since, until=until)))


@router.post("/log-entries/{entryId}/person-disclosures", status_code=201, response_model=NamedOut)
def name_person_in_log(entryId: str, body: NamingIn, ctx: Reviewer, reply: Replies) -> Response:
    """Name the person who acted in an entry: a decision of the exchange's administrator, which is logged."""
    reply.once(ctx)
    named = NamedOut.of(persons.name_person(ctx, entryId, body.reason))
    return reply.created(ctx, named, f"/v1/log-entries/{entryId}")


@router.get("/log-forwards")
def list_log_forwards(ctx: Reader) -> ForwardsOut:
    """List where the log is forwarded to, and how far that went."""
    return ForwardsOut(items=[ForwardOut.of(each) for each in forwarding.list_forwards(ctx)])


@router.post("/log-forwards", status_code=201, response_model=ForwardOut)
def add_log_forward(body: ForwardIn, ctx: Reviewer, reply: Replies) -> Response:
    """Forward the log to a syslog receiver or an https address: OCSF events, at least once, in the order of the tree."""
    reply.once(ctx)
    made = forwarding.add_forward(ctx, body.url, is_from_start=body.start == "beginning")
    return reply.created(ctx, ForwardOut.of(made), f"/v1/log-forwards/{made.row.id}", made.row.revision)


@router.get("/log-forwards/{forwardId}", response_model=ForwardOut)
def get_log_forward(forwardId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one forwarding of the log."""
    found = forwarding.get_forward(ctx, forwardId)
    return reply.read(ForwardOut.of(found), found.row.revision)


@router.post("/log-forwards/{forwardId}/transitions", status_code=201, response_model=ForwardOut)
def move_log_forward(forwardId: str, body: ForwardMoveIn, ctx: Reviewer, reply: Replies) -> Response:
    """Pause a forwarding, or resume it where it ended, at once."""
    reply.once(ctx)
    moved = forwarding.move_forward(ctx, forwardId, body.move)
    return reply.created(ctx, ForwardOut.of(moved), f"/v1/log-forwards/{forwardId}", moved.row.revision)


@router.delete("/log-forwards/{forwardId}", status_code=204)
def remove_log_forward(forwardId: str, ctx: Reviewer, reply: Replies) -> Response:
    """Forward the log there no longer. Needs If-Match."""
    reply.changing(forwarding.get_forward(ctx, forwardId).row.revision)
    forwarding.remove_forward(ctx, forwardId)
    return Response(status_code=204)

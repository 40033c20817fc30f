"""Judging: reviews are sampled, assigned, asked about, answered and closed; every step is an entry of the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from datahub.audit import About, Entry, history, record
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.paging import Page, PageRequest
from datahub.review import store
from datahub.review.errors import (
    FindingNotFound,
    InvalidReviewMove,
    ReviewNotFound,
    ReviewNotMovable,
    ReviewNotYours,
)
from datahub.review.models import REVIEWERS, Finding, Review
from datahub.review.rules import states
from datahub.review.rules.states import MOVES, NEEDS, OF_ASKED, Move, State

# What the organisation that is asked may read of a review's history.
_SHARED = ("review.ask", "review.answer")


@dataclass(frozen=True)
class Wish:
    """One move that somebody asks for."""

    move: Move
    reason: str | None = None
    assignee: str | None = None
    verdict: str | None = None


def list_findings(ctx: Context, request: PageRequest, rule: str | None) -> Page[Finding]:
    """Return the findings about data of the actor's organisation; the reading is logged."""
    page = store.findings_page(ctx, request, rule)
    record(ctx, "review.list", About(details={"rule": rule, "findings": len(page.items)}))
    return page


def get_finding(ctx: Context, finding_id: str) -> Finding:
    """Return one finding; the reading is logged. Raises FindingNotFound."""
    finding = ctx.session.get(Finding, finding_id)
    if finding is None or not states.may_see_finding(ctx.actor, finding):
        raise FindingNotFound("No finding with this id is about data of your organisation.")
    record(ctx, "review.read", About(thing_id=finding_id))
    return finding


def list_reviews(ctx: Context, request: PageRequest, state: State | None) -> Page[Review]:
    """Return the reviews that concern the actor; the reading is logged."""
    page = store.reviews_page(ctx, request, state)
    record(ctx, "review.list", About(details={"state": state, "reviews": len(page.items)}))
    return page


def get_review(ctx: Context, review_id: str) -> Review:
    """Return one review. Raises ReviewNotFound."""
    review = ctx.session.get(Review, review_id)
    if review is None or not states.may_see(ctx.actor, review):
        raise ReviewNotFound("No review with this id concerns your organisation.")
    return review


def sample(ctx: Context, size: int, since: datetime | None, until: datetime | None) -> Sequence[Review]:
    """Make reviews of random attempts on data of the actor's organisation. Raises ReviewNotYours."""
    owner = ctx.actor.participant_id or ""
    if not states.is_reviewer(ctx.actor, owner):
        raise ReviewNotYours("Only an auditor or administrator takes samples.")
    made = [
        Review(id=new_id(), owner_id=owner, entry_id=entry.id, asked_id=entry.consumer_id, created_at=ctx.now)
        for entry in store.some_entries(ctx.session, owner, size, since, until)
    ]
    ctx.session.add_all(made)
    record(ctx, "review.sample", About(provider_id=owner, details={"asked": size, "taken": len(made)}))
    return made


def move_review(ctx: Context, review_id: str, wish: Wish) -> Review:
    """Do one move. Raises ReviewNotFound, ReviewNotYours, ReviewNotMovable, InvalidReviewMove."""
    review = get_review(ctx, review_id)
    is_theirs = (
        states.is_asked(ctx.actor, review) and ctx.actor.has_role(*REVIEWERS)
        if wish.move in OF_ASKED
        else states.is_reviewer(ctx.actor, review.owner_id)
    )
    if not is_theirs:
        who = "the organisation that was asked" if wish.move in OF_ASKED else "a reviewer"
        raise ReviewNotYours(f"To {wish.move} is for {who}, with the role auditor or admin.")
    before = State(review.state)
    after = MOVES.get((before, wish.move))
    if after is None or (wish.move is Move.ASK and review.asked_id is None):
        raise ReviewNotMovable(f"A review that is {before} cannot be moved by {wish.move}.", state=before)
    needed = NEEDS.get(wish.move)
    if needed is not None and getattr(wish, needed) is None:
        fault = Fault(f"/{needed}", f"needed to {wish.move}", "required")
        raise InvalidReviewMove(f"To {wish.move}, give {needed}.", faults=[fault])
    review.state = after
    if wish.move is Move.ASSIGN:
        review.assignee = wish.assignee
    elif wish.move is Move.ASK:
        review.question, review.answer, review.is_asked = wish.reason, None, True
    elif wish.move is Move.ANSWER:
        review.answer = wish.reason
    review.verdict = wish.verdict if after is State.CLOSED else None
    review.revision += 1
    ctx.session.add(review)
    details = {"move": wish.move, "from": before, "to": after, "reason": wish.reason}
    details |= {"assignee": wish.assignee} if wish.assignee else {}
    details |= {"verdict": wish.verdict} if wish.verdict else {}
    action = f"review.{wish.move}"
    asked = review.asked_id if action in _SHARED else None
    record(
        ctx,
        action,
        About(thing_id=review.id, provider_id=review.owner_id, consumer_id=asked, details=details),
    )
    return review


def moves_of(ctx: Context, review_id: str) -> Sequence[Entry]:
    """Return what was done to a review, oldest first, as far as the actor may know. Raises ReviewNotFound."""
    review = get_review(ctx, review_id)
    is_reviewer = states.is_reviewer(ctx.actor, review.owner_id)
    return history(ctx, review.id, [f"review.{move}" for move in Move] if is_reviewer else _SHARED)

"""Which moves an access request allows, to whom, and through which states of the protocol they lead. Pure.

Dataspace Protocol 2025-1, contract negotiation: state machine. A person makes one move; the hub walks every state of
the protocol that the move implies, because the assent of both parties is on record: the consumer names the hash of
the policy it agrees to, when it asks and when it accepts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from datahub.contracts.errors import RequestMoveNotAllowed, RequestMoveNotPossible
from datahub.contracts.models import AccessRequest, NegotiationMove, NegotiationState, Party, Status
from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault
from datahub.participants import Role

S = NegotiationState
C, P = Party.CONSUMER, Party.PROVIDER

# (from, to) → who may take this step: the protocol's own figure. None: before there is a negotiation.
PROTOCOL: Mapping[tuple[S | None, S], frozenset[Party]] = {
    (None, S.REQUESTED): frozenset({C}),
    (None, S.OFFERED): frozenset({P}),
    (S.REQUESTED, S.OFFERED): frozenset({P}),
    (S.REQUESTED, S.AGREED): frozenset({P}),
    (S.REQUESTED, S.TERMINATED): frozenset({C, P}),
    (S.OFFERED, S.REQUESTED): frozenset({C}),
    (S.OFFERED, S.ACCEPTED): frozenset({C}),
    (S.OFFERED, S.TERMINATED): frozenset({C, P}),
    (S.ACCEPTED, S.AGREED): frozenset({P}),
    (S.ACCEPTED, S.TERMINATED): frozenset({P}),
    (S.AGREED, S.VERIFIED): frozenset({C}),
    (S.AGREED, S.TERMINATED): frozenset({C}),
    (S.VERIFIED, S.FINALIZED): frozenset({P}),
    (S.VERIFIED, S.TERMINATED): frozenset({P}),
}


@dataclass(frozen=True)
class Step:
    """One step of the protocol: the state it leads to, and on whose behalf it is taken."""

    to: S
    party: Party


@dataclass(frozen=True)
class Walk:
    """What one move of a person, a rule or the clock does: who makes it, and all steps it takes."""

    party: Party
    steps: tuple[Step, ...]

    @property
    def end(self) -> S:
        """Return the state the negotiation is left in."""
        return self.steps[-1].to


_CLOSING = (Step(S.VERIFIED, C), Step(S.FINALIZED, P))
_STOP_BY_CONSUMER = Walk(C, (Step(S.TERMINATED, C),))
_STOP_BY_PROVIDER = Walk(P, (Step(S.TERMINATED, P),))
# Time runs out on the side whose turn it was; the protocol lets both sides terminate in these states.
_STOP_BY_CLOCK = Walk(Party.CLOCK, (Step(S.TERMINATED, P),))

# (state, move) → what it does. What is not here cannot be done.
MOVES: Mapping[tuple[S | None, NegotiationMove], Walk] = {
    (None, NegotiationMove.REQUEST): Walk(C, (Step(S.REQUESTED, C),)),
    (S.REQUESTED, NegotiationMove.APPROVE): Walk(P, (Step(S.AGREED, P), *_CLOSING)),
    (S.REQUESTED, NegotiationMove.RETURN): Walk(P, (Step(S.OFFERED, P),)),
    (S.REQUESTED, NegotiationMove.REJECT): _STOP_BY_PROVIDER,
    (S.REQUESTED, NegotiationMove.WITHDRAW): _STOP_BY_CONSUMER,
    (S.REQUESTED, NegotiationMove.EXPIRE): _STOP_BY_CLOCK,
    (S.OFFERED, NegotiationMove.COUNTER): Walk(C, (Step(S.REQUESTED, C),)),
    (S.OFFERED, NegotiationMove.ACCEPT): Walk(C, (Step(S.ACCEPTED, C), Step(S.AGREED, P), *_CLOSING)),
    (S.OFFERED, NegotiationMove.REJECT): _STOP_BY_PROVIDER,
    (S.OFFERED, NegotiationMove.WITHDRAW): _STOP_BY_CONSUMER,
    (S.OFFERED, NegotiationMove.EXPIRE): _STOP_BY_CLOCK,
}
# Which role makes a party's moves.
ROLES: Mapping[Party, frozenset[Role]] = {
    C: frozenset({Role.REQUESTER}),
    P: frozenset({Role.APPROVER}),
    Party.CLOCK: frozenset(),
}
# The last move → what people call the state it left.
STATUS: Mapping[NegotiationMove, Status] = {
    NegotiationMove.REQUEST: Status.SUBMITTED,
    NegotiationMove.COUNTER: Status.SUBMITTED,
    NegotiationMove.RETURN: Status.RETURNED,
    NegotiationMove.APPROVE: Status.APPROVED,
    NegotiationMove.ACCEPT: Status.APPROVED,
    NegotiationMove.REJECT: Status.REJECTED,
    NegotiationMove.WITHDRAW: Status.WITHDRAWN,
    NegotiationMove.EXPIRE: Status.EXPIRED,
}


@dataclass(frozen=True)
class Carried:
    """Which fields a move must and may carry; all others do not belong to it."""

    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


_TERMS = frozenset({"template", "parameters", "policy", "valid_until"})
_WISHES = frozenset({"purpose", "answers", "wished_until"})
CARRIES: Mapping[NegotiationMove, Carried] = {
    NegotiationMove.APPROVE: Carried(may=frozenset({"reason", "valid_until"})),
    NegotiationMove.RETURN: Carried(must=frozenset({"reason"}), may=_TERMS),
    NegotiationMove.REJECT: Carried(must=frozenset({"reason"})),
    NegotiationMove.COUNTER: Carried(must=frozenset({"agrees_to"}), may=_WISHES | {"reason"}),
    NegotiationMove.ACCEPT: Carried(must=frozenset({"agrees_to"}), may=frozenset({"reason"})),
    NegotiationMove.WITHDRAW: Carried(may=frozenset({"reason"})),
}
# Moves anybody can ask for; `request` is the making of the request, `expire` is the clock's.
ASKED_MOVES: tuple[NegotiationMove, ...] = tuple(CARRIES)
OPEN_STATES = frozenset({S.REQUESTED, S.OFFERED})


def party_of(actor: Actor, request: AccessRequest) -> Party | None:
    """Tell which side of a request the actor belongs to, if any."""
    sides = {request.consumer_id: C, request.provider_id: P}
    return sides.get(actor.participant_id or "")


def may_see(actor: Actor, request: AccessRequest) -> bool:
    """Tell whether the actor may see a request: both sides may, and those who oversee the exchange."""
    return party_of(actor, request) is not None or actor.oversees(Role.ADMIN, Role.AUDITOR)


def possible_moves(state: S | None, party: Party | None = None) -> tuple[NegotiationMove, ...]:
    """Return the moves a state allows, to one party or to all."""
    return tuple(m for (s, m), walk in MOVES.items() if s == state and party in (None, walk.party))


def decide_move(actor: Actor, request: AccessRequest, move: NegotiationMove, now: datetime) -> Walk:
    """Return what a move does. Raises RequestMoveNotAllowed (first), RequestMoveNotPossible."""
    party = party_of(actor, request)
    makers = {walk.party for (_, m), walk in MOVES.items() if m is move}
    if party not in makers or not actor.has_role(*ROLES[party]):
        maker = next(iter(makers))
        roles = ", ".join(sorted(ROLES[maker])) or "nobody"
        raise RequestMoveNotAllowed(
            f"Only the {maker} may {move} an access request, by somebody with the role {roles}.",
            party=maker.value,
            roles=sorted(ROLES[maker]),
        )
    if is_overdue(request, now):
        detail = "This request was not answered in time."
        raise RequestMoveNotPossible(
            detail, remedy="Make a new request.", state=S.TERMINATED.value, possible=[]
        )
    walk = MOVES.get((S(request.state), move))
    if walk is None:
        possible = possible_moves(S(request.state), party)
        raise RequestMoveNotPossible(
            f"A request in state {request.state} ({STATUS[NegotiationMove(request.last_move)]}) allows no {move}.",
            remedy=f"Possible for you now: {', '.join(possible) or 'nothing'}.",
            state=request.state,
            possible=[*possible],
        )
    return walk


def steps_from(state: S | None, walk: Walk) -> Iterator[tuple[S | None, Step]]:
    """Yield each step of a walk with the state it leaves."""
    for step in walk.steps:
        yield state, step
        state = step.to


def is_overdue(request: AccessRequest, now: datetime) -> bool:
    """Tell whether an open request's deadline has passed."""
    is_open = S(request.state) in OPEN_STATES
    return is_open and request.due_at is not None and request.due_at <= now


def state_at(request: AccessRequest, now: datetime) -> tuple[S, Status]:
    """Return the state of a request now, and what people call it, whether or not the worker has been there."""
    if is_overdue(request, now):
        return S.TERMINATED, Status.EXPIRED
    return S(request.state), STATUS[NegotiationMove(request.last_move)]


def due_after(now: datetime, deadline_days: int) -> datetime:
    """Return when an answer is due that is asked for now."""
    return now + timedelta(days=deadline_days)


def carried_faults(move: NegotiationMove, present: frozenset[str], names: Mapping[str, str]) -> list[Fault]:
    """Return what a move lacks and what does not belong to it; `names` maps fields to their JSON names."""
    carries = CARRIES[move]
    missing = [Fault(f"/{names[f]}", f"{move} needs this", "missing") for f in sorted(carries.must - present)]
    extra = sorted(present - carries.must - carries.may)
    return missing + [Fault(f"/{names[f]}", f"does not belong to {move}", "not-expected") for f in extra]


def end_faults(until: datetime | None, latest: datetime | None, now: datetime, pointer: str) -> list[Fault]:
    """Return what is wrong with an end of validity: it must lie ahead, and not after what was asked for."""
    if until is None:
        return []
    if until <= now:
        return [Fault(pointer, "must lie in the future", "not-future")]
    if latest is not None and until > latest:
        return [Fault(pointer, "lies after the end that was asked for", "after-wished-end")]
    return []


def must_end_later(request: AccessRequest, now: datetime) -> None:
    """Stop an agreement that would be over before it begins. Raises RequestMoveNotPossible."""
    if request.offered_until is not None and request.offered_until <= now:
        raise RequestMoveNotPossible(
            "The end that lies on the table has passed.",
            remedy="Put a later end on the table: the consumer counters, or asks anew.",
            state=request.state,
        )

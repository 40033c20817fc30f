"""Looking before asking: what is allowed now, and whether a question would be. Decided and logged; nothing is counted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from datahub.audit import Outcome, record
from datahub.kernel.context import Context
from datahub.queries.rules.questions import Asked, Function
from datahub.queries.service import running, tickets
from datahub.queries.service.running import Desk
from datahub.queries.service.tickets import Budget, Order, Ticket
from datahub.transfers import ANSWER, ReadDenial, Room

NOTHING_ASKED = Asked()
_NOISY = (Function.COUNT, Function.SUM, Function.AVG)


@dataclass(frozen=True)
class Looked:
    """What may be asked, and what is left of it."""

    ticket: Ticket
    budget: Budget


def look(ctx: Context, order: Order) -> Looked | ReadDenial:
    """Decide on a question that is not asked, and record both the decision and that nothing was given.

    Raises DataNotFound, InvalidQuestion.
    """
    permits = tickets.authorise(ctx, order, {"isPreview": True})
    if isinstance(permits, ReadDenial):
        return permits
    for permit in permits:
        about = replace(permit.about, of_entry_id=permit.entry_id, rows=0, bytes=0)
        record(ctx, ANSWER, about, outcome=Outcome.FINISHED, code="preview")
    ticket = Ticket("", ctx.actor, ctx.trace_id, permits, [None] * len(permits))
    return Looked(ticket, tickets.budget(ctx, permits[0]))


def checked(desk: Desk, order: Order, ticket: Ticket) -> Mapping[str, str]:
    """Return the columns that may be asked about. Raises InvalidQuestion with all that is wrong with the question."""
    return running.checked(desk, order, ticket)


def functions_of(room: Room) -> list[Function]:
    """Return the functions that may be asked for."""
    known = _NOISY if room.epsilon is not None else tuple(Function)
    return [each for each in known if not room.functions or each.value in room.functions]


def notes_on(room: Room) -> list[str]:
    """Return what an asker should know, in words."""
    if not room.is_results_only:
        return ["You may have the rows themselves: groups of any size leave."]
    counts = f"different values of {room.entity_key}" if room.entity_key else "rows"
    notes = [f"A group leaves when it holds at least {room.minimum} {counts}."]
    if room.epsilon is not None:
        return [*notes, "Results leave with noise; say epsilon, maxRowsEach and, for sum and avg, bounds."]
    return [
        *notes,
        "A group that differs from earlier answers by fewer is left out too.",
        "min and max give the least or greatest value that so many share.",
        "A query that is asked counts, whatever comes of it.",
    ]

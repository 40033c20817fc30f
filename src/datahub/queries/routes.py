"""REST routes of queries: questions of a fixed form, SQL over what one may have, and the history of both."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Security
from starlette.responses import Response

from datahub.audit import About, own_transaction, record_refused_call
from datahub.kernel.context import ANONYMOUS, Context, Credential
from datahub.kernel.errors import Refusal
from datahub.kernel.rest import Door, PageOut, Paging, Replies, allow, page_out
from datahub.kernel.rest.accept import choose
from datahub.kernel.rest.access import ANYONE, bearer_token, name_entry, prove
from datahub.queries.answers import MEDIA_TYPES, AnswerForm, written
from datahub.queries.models import QueryKind, QueryState
from datahub.queries.schemas import AllowedOut, AnswerOut, QueryOut, QuestionIn, SqlIn
from datahub.queries.service import history, looking
from datahub.queries.service.running import Answer, Desk, answer
from datahub.queries.service.tickets import Order, Ticket, open_query
from datahub.queries.store import Filters
from datahub.transfers import ASKING, ReadDenial

router = APIRouter(prefix="/v1", tags=["queries"])

Token = Annotated[Credential | None, Security(bearer_token, scopes=[ANYONE])]
Reader = Annotated[Context, allow("log:read")]
Form = Annotated[AnswerForm | None, Query(alias="format", description="Wins over Accept. JSON unless told.")]
OneId = Annotated[str | None, Query(pattern="^[0-9a-f-]{36}$")]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer. `Datahub-Log-Entry` names its line in the access log.",
        "model": AnswerOut,
        "content": {name: _BINARY for name in MEDIA_TYPES if name != "application/json"},
    },
    403: {"description": "Not permitted, withheld, over budget or too heavy; the code says which."},
}


@router.post("/datasets/{datasetId}/queries", response_class=Response, responses=_ANSWERS)
def ask_question(
    datasetId: str, body: QuestionIn, request: Request, token: Token, form: Form = None
) -> Response:
    """Ask one question of a dataset: measures of groups. Where only results leave, only of groups large enough."""
    order = Order(datasetId, _kept(body), body.version, body.agreement, body.question())
    return _answered(request, token, order, form)


@router.post("/datasets/{datasetId}/sql", response_class=Response, responses=_ANSWERS)
def run_sql(datasetId: str, body: SqlIn, request: Request, token: Token, form: Form = None) -> Response:
    """Send one SELECT over the rows that your agreement gives; they are the table `data`."""
    return _answered(request, token, Order(datasetId, _kept(body), body.version, body.agreement), form)


@router.post("/datasets/{datasetId}/queries/preview", response_model=AllowedOut)
def preview_question(
    datasetId: str, body: QuestionIn, request: Request, token: Token, reply: Replies
) -> Response:
    """Check a question without asking it: nothing is computed and nothing is counted."""
    order = Order(datasetId, _kept(body), body.version, body.agreement, body.question())
    return reply.read(_looked(request, token, order))


@router.get("/datasets/{datasetId}/queries/allowed", response_model=AllowedOut)
def allowed_questions(
    datasetId: str, request: Request, token: Token, reply: Replies, agreement: OneId = None
) -> Response:
    """Read what may be asked of a dataset: columns, functions, the smallest group, and what is left of budgets."""
    return reply.read(_looked(request, token, Order(datasetId, {}, None, agreement, looking.NOTHING_ASKED)))


@router.get("/queries")
def list_queries(
    *,
    ctx: Reader,
    paging: Paging,
    dataset: OneId = None,
    agreement: OneId = None,
    state: QueryState | None = None,
    kind: QueryKind | None = None,
) -> PageOut[QueryOut]:
    """List the queries by your organisation and on its data, newest first, each as it was asked."""
    wanted = {"dataset": dataset, "agreement": agreement, "state": state, "kind": kind}
    page = history.list_queries(ctx, paging.request(wanted), Filters(dataset, agreement, state, kind))
    return page_out(page, QueryOut.of)


@router.get("/queries/{queryId}", response_model=QueryOut)
def get_query(queryId: str, ctx: Reader, reply: Replies) -> Response:
    """Read one query as it was asked, and how it ended; never its answer."""
    return reply.read(QueryOut.of(history.get_query(ctx, queryId)))


def _kept(body: QuestionIn | SqlIn) -> dict[str, Any]:
    return body.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _answered(request: Request, token: Credential | None, order: Order, form: AnswerForm | None) -> Response:
    door: Door = request.app.state.door
    wanted = form or MEDIA_TYPES[choose(request.headers.get("accept"), tuple(MEDIA_TYPES))]
    ticket = _opened(request, door, token, order)
    found = answer(Desk(door.engine, door.settings, door.clock), ticket, order)
    about = {
        "queryId": ticket.query_id,
        "entryId": ticket.main.entry_id,
        "decisionId": ticket.main.decision_id,
        "datasetVersion": ticket.main.version.number,
        "minimumGroup": ticket.minimum,
        "isCut": found.is_cut,
    }
    media_type = next(name for name, each in MEDIA_TYPES.items() if each is wanted)
    return Response(written(wanted, found.table, about), 200, _headers(found), media_type)


def _headers(found: Answer) -> dict[str, str]:
    return {
        "Datahub-Log-Entry": found.ticket.main.entry_id,
        "Datahub-Decision": found.ticket.main.decision_id,
        "Datahub-Query": found.ticket.query_id,
        "Cache-Control": "no-store",
        "Vary": "Accept, Authorization",
    }


def _opened(request: Request, door: Door, token: Credential | None, order: Order) -> Ticket:
    """Authenticate, decide, count and log in one transaction, committed when this returns."""
    trace_id = request.scope["trace_id"]
    proven = prove(request, token)
    try:
        with own_transaction(door.engine, door.settings, ANONYMOUS, door.clock(), trace_id) as unproven:
            ctx = unproven
            if proven is not None:
                ctx = replace(unproven, actor=door.authenticate(unproven, proven))
                request.state.actor = ctx.actor
            ticket = open_query(ctx, order)
    except Refusal as refusal:
        _record_refused(request, door, refusal)
        raise
    if isinstance(ticket, ReadDenial):
        raise ticket.refusal
    return ticket


def _record_refused(request: Request, door: Door, refusal: Refusal) -> None:
    if not hasattr(request.state, "actor"):
        return
    details = {"path": request.url.path, "faults": [fault.code for fault in refusal.faults]}
    about = About(
        dataset_id=_text(refusal, "datasetId"), agreement_id=_text(refusal, "agreementId"), details=details
    )
    actor, trace_id = request.state.actor, request.scope["trace_id"]
    entry_id = record_refused_call(
        door.engine, door.settings, actor, door.clock(), trace_id, action=ASKING, refusal=refusal, about=about
    )
    name_entry(request, entry_id)


def _text(refusal: Refusal, fact: str) -> str | None:
    value = refusal.facts.get(fact)
    return value if isinstance(value, str) else None


def _looked(request: Request, token: Credential | None, order: Order) -> AllowedOut:
    door: Door = request.app.state.door
    trace_id = request.scope["trace_id"]
    proven = prove(request, token)
    with own_transaction(door.engine, door.settings, ANONYMOUS, door.clock(), trace_id) as unproven:
        ctx = unproven
        if proven is not None:
            ctx = replace(unproven, actor=door.authenticate(unproven, proven))
            request.state.actor = ctx.actor
        found = looking.look(ctx, order)
    if isinstance(found, ReadDenial):
        raise found.refusal
    name_entry(request, found.ticket.main.entry_id)
    types = looking.checked(Desk(door.engine, door.settings, door.clock), order, found.ticket)
    return AllowedOut.model_validate(_shown(found, types))


def _shown(found: looking.Looked, types: Mapping[str, str]) -> dict[str, Any]:
    main, room = found.ticket.main, found.ticket.main.room
    left = found.budget.epsilon
    return {
        "dataset_id": main.dataset.id,
        "version": main.version.number,
        "agreement_id": main.agreement.id if main.agreement else None,
        "is_results_only": room.is_results_only,
        "columns": [{"name": name, "type": kind} for name, kind in types.items()],
        "functions": looking.functions_of(room),
        "minimum_group": found.ticket.minimum,
        "entity_key": room.entity_key,
        "queries_left": found.budget.queries if room.is_results_only else None,
        "epsilon_left": None if left is None else format(left.normalize() if left else Decimal(0), "f"),
        "notes": looking.notes_on(room),
    }

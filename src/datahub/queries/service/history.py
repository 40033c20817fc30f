"""Looking back at queries, and closing those whose process died."""

from datetime import timedelta

from datahub.audit import About, Outcome, record
from datahub.kernel.context import Context
from datahub.kernel.paging import Page, PageRequest
from datahub.participants import Role
from datahub.queries import store
from datahub.queries.errors import QueryNotFound
from datahub.queries.models import Query, QueryState
from datahub.queries.store import Filters
from datahub.transfers import ANSWER

LONGEST = timedelta(hours=1)
BATCH = 100


def list_queries(ctx: Context, request: PageRequest, filters: Filters) -> Page[Query]:
    """Return the queries by, or on data of, the actor's organisation, newest first."""
    return store.queries_page(ctx, ctx.actor, request, filters)


def get_query(ctx: Context, query_id: str) -> Query:
    """Return one query as it was asked. Raises QueryNotFound."""
    query = store.query_by_id(ctx.session, query_id)
    mine = ctx.actor.participant_id
    sides = set() if query is None else {query.consumer_id, query.provider_id, query.joined_provider_id}
    if query is None or not (mine in sides - {None} or ctx.actor.oversees(Role.ADMIN, Role.AUDITOR)):
        raise QueryNotFound("No query with this id concerns your organisation.")
    return query


def close_left_running(ctx: Context) -> int:
    """Close queries whose process died while computing: nothing of theirs was given. Running it again changes nothing."""
    due = store.left_running(ctx.session, ctx.now - LONGEST, BATCH)
    for query in due:
        query.state, query.code, query.ended_at = QueryState.FAILED.value, "outcome-unknown", ctx.now
        ctx.session.add(query)
        about = About(
            thing_id=query.dataset_id,
            provider_id=query.provider_id,
            consumer_id=query.consumer_id,
            dataset_id=query.dataset_id,
            dataset_version=query.dataset_version,
            agreement_id=query.agreement_id,
            purpose=query.purpose,
            decision_id=query.decision_id,
            of_entry_id=query.entry_id,
            rows=0,
            bytes=0,
            details={"query": query.id, "kind": query.kind},
        )
        record(ctx, ANSWER, about, outcome=Outcome.ABORTED, code="outcome-unknown")
    return len(due)

"""Saved searches: every reviewer of an organisation finds what another one looked for. Keeping one is logged."""

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from datahub.audit import service
from datahub.audit.errors import SearchExists, SearchNotFound
from datahub.audit.models import About, Entry, Search
from datahub.audit.store import EntryFilter
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page

_INSTANTS = ("since", "until")


def save_search(ctx: Context, name: str, wanted: EntryFilter) -> Search:
    """Keep a search for the actor's organisation. Raises SearchExists."""
    search = Search(
        id=new_id(),
        participant_id=ctx.actor.participant_id or "",
        name=name,
        filters=_kept(wanted),
        created_at=ctx.now,
    )
    _put(ctx, search, "log-search.create")
    return search


def change_search(ctx: Context, search: Search, name: str | None, wanted: EntryFilter | None) -> Search:
    """Give a search another name or other filters; None keeps what there is. Raises SearchExists."""
    search.name = name if name is not None else search.name
    search.filters = _kept(wanted) if wanted is not None else search.filters
    search.revision += 1
    _put(ctx, search, "log-search.change")
    return search


def remove_search(ctx: Context, search: Search) -> None:
    """Forget a search."""
    ctx.session.delete(search)
    service.record(ctx, "log-search.remove", About(thing_id=search.id))


def get_search(ctx: Context, search_id: str) -> Search:
    """Return a search of the actor's organisation. Raises SearchNotFound."""
    search = ctx.session.get(Search, search_id)
    if search is None or search.participant_id != ctx.actor.participant_id:
        raise SearchNotFound("Your organisation has no saved search with this id.")
    return search


def list_searches(ctx: Context, request: PageRequest) -> Page[Search]:
    """Return the searches of the actor's organisation, by name."""
    own = select(Search).where(Search.participant_id == (ctx.actor.participant_id or ""))
    return read_page(ctx, own, [SortKey(col(Search.name), "name")], request)


def entries_found(
    ctx: Context, search: Search, request: PageRequest, *, is_oldest_first: bool, reason: str | None
) -> Page[Entry]:
    """Return the entries that a saved search finds now; the reading is logged as every other."""
    return service.list_entries(
        ctx, wanted_of(search), request, is_oldest_first=is_oldest_first, reason=reason
    )


def wanted_of(search: Search) -> EntryFilter:
    """Return the filters of a search."""
    found: dict[str, Any] = dict(search.filters)
    found |= {name: datetime.fromisoformat(found[name]) for name in _INSTANTS if name in found}
    return EntryFilter(**found)


def _kept(wanted: EntryFilter) -> dict[str, str]:
    return wanted.in_words()


def _put(ctx: Context, search: Search, action: str) -> None:
    ctx.session.add(search)
    try:
        ctx.session.flush()
    except IntegrityError as fault:
        raise SearchExists("Your organisation has a saved search with this name.") from fault
    service.record(ctx, action, About(thing_id=search.id, details={"name": search.name}))

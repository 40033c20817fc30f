"""Answers that come as JSON or as JSON-LD, with the ETags and cache rules of open metadata (RFC 9110 §8.8, §12)."""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from datahub.catalog.models import Dataset
from datahub.catalog.rules.datasets import is_open_metadata
from datahub.catalog.schemas.dcat import catalog_document, dataset_document
from datahub.catalog.service.descriptions import describe, operator
from datahub.kernel.context import Context
from datahub.kernel.paging import Page
from datahub.kernel.rest import PageOut, Reply
from datahub.kernel.rest.accept import choose

JSON, JSON_LD = "application/json", "application/ld+json"
LINKED: dict[int | str, dict[str, Any]] = {
    200: {"content": {JSON_LD: {"schema": {"type": "object"}}}},
    304: {"description": "You have this state already."},
    406: {"description": "Only application/json and application/ld+json can be given."},
}
# A cursor inside a cached page must not outlive its day, so a page is never held unchanged for longer than this.
_PAGE_LIFE_H = 6


class LinkedResponse(Response):
    """An answer in JSON-LD, for the API's description."""

    media_type = JSON_LD


def chosen(reply: Reply, offered: Sequence[str] = (JSON, JSON_LD)) -> str:
    """Return the media type that the caller prefers; the first one in a tie. Raises NotAcceptable."""
    return choose(reply.request.headers.get("accept"), offered)


def dataset_answer(ctx: Context, reply: Reply, dataset: Dataset) -> Response:
    """Answer with one dataset in DCAT."""
    [described] = describe(ctx, [dataset])
    body = orjson.dumps(dataset_document(ctx.settings.base_url, described))
    return _answer(reply, body, _tag(body), is_public=is_open_metadata(dataset))


def catalog_answer(ctx: Context, reply: Reply, page: Page[Dataset], media_type: str = JSON_LD) -> Response:
    """Answer with a page of the catalogue in DCAT; its neighbours are in `hydra:view` and in `Link` (RFC 8288)."""
    request = reply.request
    here = f"{ctx.settings.base_url}{request.url.path}"
    asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    cursors = {"next": page.next_cursor, "previous": page.prev_cursor}
    around = {name: f"{here}?{urlencode([*asked, ('cursor', c)])}" for name, c in cursors.items() if c}
    own = request.query_params.multi_items()
    around["id"] = f"{here}?{urlencode(own)}" if own else here
    document = catalog_document(ctx.settings.base_url, describe(ctx, page.items), operator(ctx), around)
    parts = {name: part for name, part in document.items() if name != "hydra:view"}
    tag = _tag(orjson.dumps([parts, *_moment(ctx, page)]))
    answer = _answer(
        reply, orjson.dumps(document), tag, is_public=ctx.actor.is_anonymous, media_type=media_type
    )
    links = [
        f'<{around[name]}>; rel="{rel}"'
        for name, rel in (("next", "next"), ("previous", "prev"))
        if name in around
    ]
    if links:
        answer.headers["Link"] = ", ".join(links)
    return answer


def plain_page(ctx: Context, reply: Reply, page: Page[Dataset], message: PageOut[Any]) -> Response:
    """Answer with a page of the catalogue in JSON."""
    rows = [(dataset.id, dataset.revision) for dataset in page.items]
    return varied(
        reply.read(message, _tag(orjson.dumps([rows, *_moment(ctx, page)])), is_public=ctx.actor.is_anonymous)
    )


def varied(answer: Response) -> Response:
    """Tell caches what the answer depends on."""
    answer.headers["Vary"] = "Accept, Authorization"
    return answer


def _moment(ctx: Context, page: Page[Dataset]) -> Sequence[Any]:
    """Return what makes a page another one though its datasets are the same: its neighbours, the part of the day."""
    has_neighbours = [page.next_cursor is not None, page.prev_cursor is not None]
    return [has_neighbours, ctx.now.date(), ctx.now.hour // _PAGE_LIFE_H]


def _answer(reply: Reply, body: bytes, tag: str, *, is_public: bool, media_type: str = JSON_LD) -> Response:
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache" if is_public else "no-store"}
    sent = {
        each.strip().removeprefix("W/") for each in reply.request.headers.get("if-none-match", "").split(",")
    }
    if headers["ETag"] in sent:
        return varied(Response(status_code=304, headers=headers))
    return varied(Response(body, 200, headers, media_type))


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]

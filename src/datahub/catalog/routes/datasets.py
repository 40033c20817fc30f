"""REST routes of datasets and of the catalogue they make up."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints
from starlette.responses import Response

from datahub.catalog.models import AccessRights, Dataset, DatasetKind, DatasetState, Language, TagField
from datahub.catalog.routes import linked
from datahub.catalog.routes.checks import Fitting, Upstream
from datahub.catalog.routes.linked import JSON, JSON_LD, LINKED, LinkedResponse
from datahub.catalog.rules import datasets as rules
from datahub.catalog.schemas.datasets import (
    DatasetHistoryOut,
    DatasetIn,
    DatasetOut,
    DatasetPatch,
    DatasetTransitionOut,
)
from datahub.catalog.schemas.parts import Keyword, ThemeCode
from datahub.catalog.service import datasets as service
from datahub.catalog.store.datasets import Filters, Sort
from datahub.kernel.context import Context
from datahub.kernel.rest import (
    Line,
    PageOut,
    Paging,
    Replies,
    Slug,
    TransitionIn,
    UtcInstant,
    allow,
    allow_anyone,
    page_out,
)

router = APIRouter(tags=["datasets"])

Anyone = Annotated[Context, allow_anyone()]
Publisher = Annotated[Context, allow("catalog:write")]
Ref = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,80}(/[a-z0-9-]{1,80})?$")]

DATASETS = "/v1/datasets"


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """What the list is to be narrowed to; everything given must hold."""

    q: Annotated[
        Line | None,
        Query(description="Words, or parts of them, that all stand in titles, descriptions or keywords."),
    ] = None
    keyword: Annotated[list[Keyword], Query(default_factory=list, max_length=10, description="All of these.")]
    theme: Annotated[list[ThemeCode], Query(default_factory=list, max_length=10, description="All of these.")]
    language: Annotated[
        list[Language], Query(default_factory=list, max_length=10, description="All of these.")
    ]
    publisher: Annotated[Slug | None, Query(description="Id or short name of the organisation.")] = None
    ref: Annotated[Ref | None, Query(description="Id, or organisation/dataset by their short names.")] = None
    state: Annotated[DatasetState | None, Query(description="Drafts are seen by their own organisation.")] = (
        None
    )
    kind: Annotated[DatasetKind | None, Query(description="A table, or files.")] = None
    access_rights: Annotated[AccessRights | None, Query(alias="accessRights", description="EU code.")] = None
    updated_since: Annotated[
        UtcInstant | None, Query(alias="updatedSince", description="Changed at or after this instant.")
    ] = None
    sort: Annotated[Sort, Query(description="Newest first, or by title.")] = Sort.NEWEST

    def filters(self) -> Filters:
        """Return the filters as queries take them."""
        many: Mapping[TagField, Sequence[str]] = {
            TagField.KEYWORD: self.keyword,
            TagField.THEME: self.theme,
            TagField.LANGUAGE: self.language,
        }
        return Filters(
            words=rules.words_of(self.q or ""),
            tags=[rules.tag(name, value) for name, values in many.items() for value in values],
            publisher=self.publisher,
            ref=self.ref,
            state=self.state,
            kind=self.kind,
            access_rights=self.access_rights,
            updated_since=self.updated_since,
            sort=self.sort,
        )


Narrowed = Annotated[Narrowing, Depends()]


@router.post(DATASETS, status_code=201, response_model=DatasetOut)
def create_dataset(body: DatasetIn, ctx: Publisher, reply: Replies, upstream: Upstream) -> Response:
    """Describe a dataset of your organisation. It starts as a draft that only your organisation sees."""
    reply.once(ctx)
    dataset = service.create_dataset(ctx, body.slug, body.kind, body.values(), upstream)
    [out] = _shaped(ctx, [dataset])
    return reply.created(ctx, out, f"{DATASETS}/{dataset.id}", dataset.revision)


@router.get(DATASETS, response_model=PageOut[DatasetOut], responses=LINKED)
def list_datasets(ctx: Anyone, paging: Paging, narrowed: Narrowed, reply: Replies) -> Response:
    """Search the catalogue. No token needed: published and deprecated datasets, and all of your own with one.

    As application/ld+json it is a `dcat:Catalog` with its neighbouring pages in `hydra:view`.
    """
    is_linked = linked.chosen(reply) == JSON_LD
    page = service.list_datasets(ctx, paging.request(asdict(narrowed)), narrowed.filters())
    if is_linked:
        return linked.catalog_answer(ctx, reply, page)
    slugs = service.publisher_slugs(ctx, page.items)
    return linked.plain_page(
        ctx, reply, page, page_out(page, lambda d: DatasetOut.of(d, slugs[d.provider_id]))
    )


@router.get("/v1/catalog", response_class=LinkedResponse, responses=LINKED)
def get_catalog(ctx: Anyone, paging: Paging, narrowed: Narrowed, reply: Replies) -> Response:
    """Harvest the catalogue as DCAT 3: a `dcat:Catalog` in JSON-LD, page by page, with the filters of the list."""
    media_type = linked.chosen(reply, (JSON_LD, JSON))
    page = service.list_datasets(ctx, paging.request(asdict(narrowed)), narrowed.filters())
    return linked.catalog_answer(ctx, reply, page, media_type)


@router.get(DATASETS + "/{datasetId}", response_model=DatasetOut, responses=LINKED)
def get_dataset(datasetId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read one dataset's description; as application/ld+json a `dcat:Dataset`."""
    is_linked = linked.chosen(reply) == JSON_LD
    dataset = service.get_dataset(ctx, datasetId)
    if is_linked:
        return linked.dataset_answer(ctx, reply, dataset)
    [out] = _shaped(ctx, [dataset])
    return linked.varied(reply.read(out, dataset.revision, is_public=rules.is_open_metadata(dataset)))


@router.patch(DATASETS + "/{datasetId}", response_model=DatasetOut)
def change_dataset(
    datasetId: str,
    body: DatasetPatch,
    ctx: Publisher,
    reply: Replies,
    *,
    upstream: Upstream,
    must_fit: Fitting,
) -> Response:
    """Change a dataset's description. Needs If-Match."""
    reply.changing(service.dataset_to_change(ctx, datasetId).revision)
    dataset = service.change_dataset(ctx, datasetId, body.values(), upstream, must_fit)
    [out] = _shaped(ctx, [dataset])
    return reply.read(out, dataset.revision)


@router.delete(DATASETS + "/{datasetId}", status_code=204)
def delete_dataset(datasetId: str, ctx: Publisher, reply: Replies) -> None:
    """Delete a draft with its versions. What was published is withdrawn instead. Needs If-Match."""
    reply.changing(service.dataset_to_change(ctx, datasetId).revision)
    service.delete_dataset(ctx, datasetId)


@router.post(DATASETS + "/{datasetId}/transitions", status_code=201, response_model=DatasetOut)
def move_dataset(
    datasetId: str, body: TransitionIn, ctx: Publisher, reply: Replies, must_fit: Fitting
) -> Response:
    """Publish, deprecate, restore or withdraw a dataset."""
    reply.once(ctx)
    dataset = service.move_dataset(ctx, datasetId, body.move, body.reason, must_fit)
    [out] = _shaped(ctx, [dataset])
    return reply.created(ctx, out, f"{DATASETS}/{datasetId}", dataset.revision)


@router.get(DATASETS + "/{datasetId}/transitions")
def dataset_history(datasetId: str, ctx: Publisher) -> DatasetHistoryOut:
    """Read the moves of a dataset's life."""
    return DatasetHistoryOut(
        items=[DatasetTransitionOut.of(e) for e in service.dataset_history(ctx, datasetId)]
    )


def _shaped(ctx: Context, datasets: list[Dataset]) -> list[DatasetOut]:
    slugs = service.publisher_slugs(ctx, datasets)
    return [DatasetOut.of(dataset, slugs[dataset.provider_id]) for dataset in datasets]

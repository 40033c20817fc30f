"""REST routes of offers and policy templates."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from datahub.catalog.models.offers import Offer, OfferState, OfferVersion
from datahub.catalog.routes.checks import FittingTerms, Upstream
from datahub.catalog.routes.linked import JSON, JSON_LD, LINKED, chosen, varied
from datahub.catalog.schemas.offers import (
    ExamplesOut,
    LinkedOut,
    OfferCheckOut,
    OfferHistoryOut,
    OfferIn,
    OfferOut,
    OfferTransitionOut,
    TemplateOut,
    TemplatesOut,
    WrittenOfferOut,
)
from datahub.catalog.service import offers as service
from datahub.catalog.service.terms import warnings_on
from datahub.kernel.context import Context
from datahub.kernel.rest import (
    PageOut,
    Paging,
    Replies,
    Reply,
    TransitionIn,
    allow,
    allow_anyone,
    page_out,
)
from datahub.policy import templates

router = APIRouter(tags=["offers"])

Anyone = Annotated[Context, allow_anyone()]
Publisher = Annotated[Context, allow("catalog:write")]

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]

OFFERS = "/v1/datasets/{datasetId}/offers"


@router.get("/v1/policy-templates")
def list_policy_templates(ctx: Anyone) -> TemplatesOut:
    """List the policy templates, with the schema of their parameters and their wording."""
    del ctx
    return TemplatesOut(items=[TemplateOut.of(each) for each in templates()])


@router.post(OFFERS, status_code=201, response_model=WrittenOfferOut)
def make_offer(
    datasetId: str,
    body: OfferIn,
    ctx: Publisher,
    reply: Replies,
    *,
    upstream: Upstream,
    is_check: Annotated[
        bool, Query(alias="validateOnly", description="Check and answer 200; keep nothing.")
    ] = False,
) -> Response:
    """Make a draft offer: a policy on a dataset, from a template or in ODRL. All faults are named at once."""
    reply.once(ctx)
    offer, version = service.make_offer(ctx, datasetId, body.terms(), upstream, is_check=is_check)
    if is_check:
        return reply.read(OfferCheckOut.of(version, warnings_on(version)))
    made = WrittenOfferOut.with_warnings(offer, version, warnings_on(version))
    return reply.created(ctx, made, _where(offer), offer.revision)


@router.get(OFFERS)
def list_offers(
    datasetId: str, ctx: Anyone, paging: Paging, state: OfferState | None = None
) -> PageOut[OfferOut]:
    """List the offers of a dataset: open ones for everybody, all of them for its provider."""
    page, versions = service.list_offers(
        ctx, datasetId, paging.request({"of": datasetId, "state": state}), state
    )
    return page_out(page, lambda offer: OfferOut.of(offer, versions[offer.id]))


@router.get(OFFERS + "/{offerId}", response_model=OfferOut, responses=LINKED)
def get_offer(datasetId: str, offerId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read an offer with its current terms; as application/ld+json the ODRL Offer alone."""
    offer, version = service.get_offer(ctx, datasetId, offerId)
    return _answer(reply, offer, version, offer.revision)


@router.get(OFFERS + "/{offerId}/versions/{version}", response_model=OfferOut, responses=LINKED)
def get_offer_version(datasetId: str, offerId: str, version: Number, ctx: Anyone, reply: Replies) -> Response:
    """Read an offer with an earlier version of its terms."""
    offer, terms = service.get_offer(ctx, datasetId, offerId, version)
    return _answer(reply, offer, terms, f"{offer.revision}.{terms.number}")


@router.get(OFFERS + "/{offerId}/examples")
def list_offer_examples(datasetId: str, offerId: str, ctx: Publisher) -> ExamplesOut:
    """Read the examples of your own offer: attempts, each with the answer its terms must give."""
    return ExamplesOut(items=[dict(each) for each in service.examples_of(ctx, datasetId, offerId)])


@router.put(OFFERS + "/{offerId}", response_model=WrittenOfferOut)
def change_offer(
    datasetId: str,
    offerId: str,
    body: OfferIn,
    ctx: Publisher,
    reply: Replies,
    *,
    upstream: Upstream,
    must_fit: FittingTerms,
) -> Response:
    """Write the next version of an offer's terms; earlier versions stay as they are. Needs If-Match.

    Terms that break an example are refused, unless the examples are changed with them.
    """
    reply.changing(service.offer_to_change(ctx, datasetId, offerId).revision)
    offer, version = service.change_offer(ctx, datasetId, offerId, body.terms(), upstream, must_fit=must_fit)
    return reply.read(WrittenOfferOut.with_warnings(offer, version, warnings_on(version)), offer.revision)


@router.post(OFFERS + "/{offerId}/transitions", status_code=201, response_model=OfferOut)
def move_offer(
    datasetId: str,
    offerId: str,
    body: TransitionIn,
    ctx: Publisher,
    reply: Replies,
    *,
    upstream: Upstream,
    must_fit: FittingTerms,
) -> Response:
    """Open, close or reopen an offer."""
    reply.once(ctx)
    offer, version = service.move_offer(
        ctx, datasetId, offerId, body.move, body.reason, upstream=upstream, must_fit=must_fit
    )
    return reply.created(ctx, OfferOut.of(offer, version), _where(offer), offer.revision)


@router.get(OFFERS + "/{offerId}/transitions")
def offer_history(datasetId: str, offerId: str, ctx: Publisher) -> OfferHistoryOut:
    """Read all that happened to an offer."""
    entries = service.offer_history(ctx, datasetId, offerId)
    return OfferHistoryOut(items=[OfferTransitionOut.of(entry) for entry in entries])


def _where(offer: Offer) -> str:
    return f"/v1/datasets/{offer.dataset_id}/offers/{offer.id}"


def _answer(reply: Reply, offer: Offer, version: OfferVersion, etag: str | int) -> Response:
    is_public = offer.state == OfferState.OPEN
    if chosen(reply) == JSON:
        return varied(reply.read(OfferOut.of(offer, version), etag, is_public=is_public))
    answer = reply.read(LinkedOut(service.linked(version)), f"{etag}.ld", is_public=is_public)
    answer.headers["Content-Type"] = JSON_LD
    return varied(answer)

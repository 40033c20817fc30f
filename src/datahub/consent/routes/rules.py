"""REST routes of consent rules."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from datahub.consent.schemas.rules import RuleIn, RuleOut, RulePreviewOut, WrittenRuleOut
from datahub.consent.service import preview
from datahub.consent.service import rules as service
from datahub.kernel.context import Context
from datahub.kernel.rest import PageOut, Paging, Replies, allow, allow_anyone, page_out

router = APIRouter(tags=["consent"])

Anyone = Annotated[Context, allow_anyone()]
Publisher = Annotated[Context, allow("catalog:write")]
Number = Annotated[int, Path(ge=1, lt=2**31, description="1 is the first version.")]
RULES = "/v1/datasets/{datasetId}/consent-rules"


@router.post(
    RULES,
    status_code=201,
    response_model=WrittenRuleOut,
    responses={200: {"model": WrittenRuleOut, "description": "With validateOnly=true: what it would be."}},
)
def write_consent_rule(
    datasetId: str,
    body: RuleIn,
    ctx: Publisher,
    reply: Replies,
    *,
    based_on: Annotated[
        int | None, Query(alias="basedOn", ge=0, description="The version you changed; 0 for none.")
    ] = None,
    is_check: Annotated[
        bool, Query(alias="validateOnly", description="Check and answer 200; keep nothing.")
    ] = False,
) -> Response:
    """Write the next version of a dataset's consent rule and notice. It holds from the next read on."""
    reply.once(ctx)
    rule, found = service.write_rule(ctx, datasetId, body.wish(), based_on=based_on, is_check=is_check)
    written = WrittenRuleOut.with_difference(rule, found)
    if is_check:
        return reply.read(written)
    return reply.created(ctx, written, f"/v1/datasets/{rule.dataset_id}/consent-rules/{rule.number}")


@router.post("/v1/datasets/{datasetId}/consent-rule-preview", response_model=RulePreviewOut)
def preview_consent_rule(datasetId: str, body: RuleIn, ctx: Publisher, reply: Replies) -> Response:
    """See how many people and rows a rule would let through, for which agreements. Nothing is saved."""
    readers_of: preview.ReadersOf = reply.request.app.state.readers_of
    found = preview.preview_rule(ctx, datasetId, body.wish(), readers_of)
    return reply.read(RulePreviewOut.of(found))


@router.get(RULES)
def list_consent_rules(datasetId: str, ctx: Anyone, paging: Paging) -> PageOut[RuleOut]:
    """List the versions of a dataset's consent rule, newest first."""
    return page_out(
        service.list_rules(ctx, datasetId, paging.request({"of": datasetId})),
        partial(RuleOut.seen_by, ctx.actor),
    )


@router.get("/v1/datasets/{datasetId}/consent-rule", response_model=RuleOut)
def get_current_consent_rule(datasetId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read a dataset's consent rule as it is now, with the notice people are shown."""
    rule = service.get_rule(ctx, datasetId)
    return reply.read(RuleOut.seen_by(ctx.actor, rule), rule.number)


@router.get(RULES + "/{number}", response_model=RuleOut)
def get_consent_rule(datasetId: str, number: Number, ctx: Anyone, reply: Replies) -> Response:
    """Read one version of a dataset's consent rule."""
    rule = service.get_rule(ctx, datasetId, number)
    return reply.read(RuleOut.seen_by(ctx.actor, rule), rule.number)

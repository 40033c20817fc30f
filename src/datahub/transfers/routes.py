"""REST route of decisions for external gateways: the plain path, which the door in front of the app is held equal to."""

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow
from datahub.transfers.schemas import DecisionAnswerOut, DecisionQuestionIn
from datahub.transfers.service.decisions import answer_question

router = APIRouter(prefix="/v1", tags=["data"])


@router.post("/decisions", status_code=200, response_model=DecisionAnswerOut)
def ask_decision(
    body: DecisionQuestionIn, ctx: Annotated[Context, allow("decisions:write")], reply: Replies
) -> Response:
    """Decide for a gateway of the provider whether somebody may use a dataset now; decision and log entry are durable.

    A denial is an answer too: 200 with `decision: false`. `Datahub-Log-Entry` names the line in the access log.
    """
    answer = answer_question(ctx, body.question())
    response = reply.read(DecisionAnswerOut.of(answer))
    response.headers["Datahub-Log-Entry"] = answer.entry_id
    response.headers["Datahub-Decision"] = answer.decision_id
    return response

"""Routes of witnessing: the C2SP address for logs, and REST for those who run the exchange."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, Response

from datahub.audit.tlog.add_checkpoint import PATH
from datahub.kernel.context import Context
from datahub.kernel.rest import Replies, allow, allow_anyone
from datahub.witness import service
from datahub.witness.schemas import (
    AskedWitnessesOut,
    AskedWitnessIn,
    AskedWitnessOut,
    ForkEvidenceOut,
    ForkEvidencesOut,
    LogStatusOut,
    WitnessedLogIn,
    WitnessedLogOut,
    WitnessedLogsOut,
)

router = APIRouter()
_v1 = APIRouter(prefix="/v1/witness", tags=["log"])
_witness = APIRouter(prefix="/witness", include_in_schema=False)

Anyone = Annotated[Context, allow_anyone()]
Writer = Annotated[Context, allow("witness:write")]


async def _body(request: Request) -> bytes:
    return await request.body()


@_witness.post(f"/{PATH}")
def add_checkpoint(body: Annotated[bytes, Depends(_body)], ctx: Anyone) -> Response:
    """Cosign a log's new head (C2SP tlog-witness)."""
    answer = service.add_checkpoint(ctx, body)
    return Response(answer.body, answer.status, {"Cache-Control": "no-store", "Content-Type": answer.type})


@router.get("/log/trust-policy", include_in_schema=False)
def trust_policy(ctx: Anyone) -> Response:
    """Give the exchange's trust policy: the keys of its log, the witnesses it asks, and most of them (C2SP tlog-policy)."""
    return Response(
        service.own_trust_policy(ctx),
        headers={"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache"},
    )


@router.get("/metrics", include_in_schema=False)
def metrics(ctx: Anyone) -> Response:
    """Give the log's figures in the Prometheus text format."""
    return Response(service.metrics(ctx), 200, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/v1/log/status", response_model=LogStatusOut, tags=["log"])
def get_log_status(ctx: Anyone, reply: Replies) -> Response:
    """Read how the log is doing: age of its signed head, lag, witnesses and quorum, the last self-audit, clock skew."""
    return reply.read(LogStatusOut.of(service.status_of_log(ctx)))


@_witness.get("/vkeys")
def own_keys(ctx: Anyone) -> Response:
    """Give the exchange's keys as a witness, one a line."""
    return PlainTextResponse("".join(f"{key.vkey}\n" for key in service.own_keys(ctx.settings)))


@_v1.post("/logs", status_code=201, response_model=WitnessedLogOut)
def add_witnessed_log(body: WitnessedLogIn, ctx: Writer, reply: Replies) -> Response:
    """Witness a log from now on: its heads are cosigned at `/witness/add-checkpoint`."""
    reply.once(ctx)
    row = service.add_log(ctx, body.origin, body.vkeys)
    return reply.created(ctx, WitnessedLogOut.of(row), f"/v1/witness/logs/{row.id}", row.revision)


@_v1.get("/logs")
def list_witnessed_logs(ctx: Anyone) -> WitnessedLogsOut:
    """List the logs that the exchange witnesses, with the newest head it cosigned of each."""
    items = [WitnessedLogOut.of(row) for row in service.list_logs(ctx)]
    return WitnessedLogsOut(items=items, vkeys=[key.vkey for key in service.own_keys(ctx.settings)])


@_v1.get("/logs/{logId}", response_model=WitnessedLogOut)
def get_witnessed_log(logId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read one log that the exchange witnesses."""
    row = service.get_log(ctx, logId)
    return reply.read(WitnessedLogOut.of(row), row.revision)


@_v1.delete("/logs/{logId}", status_code=204)
def remove_witnessed_log(logId: str, ctx: Writer, reply: Replies) -> Response:
    """Stop witnessing a log; what was cosigned of it stays known. Needs If-Match."""
    reply.changing(service.get_log(ctx, logId).revision)
    service.remove_log(ctx, logId)
    return Response(status_code=204)


@_v1.get("/logs/{logId}/evidence")
def list_fork_evidence(logId: str, ctx: Anyone) -> ForkEvidencesOut:
    """Read what shows that a log has forked."""
    return ForkEvidencesOut(items=[ForkEvidenceOut.of(row) for row in service.evidence_of(ctx, logId)])


@_v1.post("/witnesses", status_code=201, response_model=AskedWitnessOut)
def add_asked_witness(body: AskedWitnessIn, ctx: Writer, reply: Replies) -> Response:
    """Ask a witness from now on to cosign the exchange's own log."""
    reply.once(ctx)
    row = service.add_witness(ctx, body.name, body.vkeys, body.url)
    return reply.created(ctx, AskedWitnessOut.of(row), f"/v1/witness/witnesses/{row.id}", row.revision)


@_v1.get("/witnesses")
def list_asked_witnesses(ctx: Anyone) -> AskedWitnessesOut:
    """List the witnesses that the exchange asks, and how far that went."""
    return AskedWitnessesOut(items=[AskedWitnessOut.of(row) for row in service.list_witnesses(ctx)])


@_v1.get("/witnesses/{witnessId}", response_model=AskedWitnessOut)
def get_asked_witness(witnessId: str, ctx: Anyone, reply: Replies) -> Response:
    """Read one witness that the exchange asks."""
    row = service.get_witness(ctx, witnessId)
    return reply.read(AskedWitnessOut.of(row), row.revision)


@_v1.delete("/witnesses/{witnessId}", status_code=204)
def remove_asked_witness(witnessId: str, ctx: Writer, reply: Replies) -> Response:
    """Ask a witness no longer. Needs If-Match."""
    reply.changing(service.get_witness(ctx, witnessId).revision)
    service.remove_witness(ctx, witnessId)
    return Response(status_code=204)


router.include_router(_v1)
router.include_router(_witness)

"""The exchange as a witness of others' logs.

C2SP tlog-witness v1.0 §add-checkpoint: what was cosigned is stored in the transaction that decides, under a lock on
the log's row, and is committed before the answer leaves. A fork or rollback is never cosigned.
"""

from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from datahub.audit import About, record
from datahub.audit.tlog.add_checkpoint import (
    EVIDENCE,
    SIZE_TYPE,
    STATUS,
    AddCheckpoint,
    KnownLog,
    Verdict,
    judge,
)
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import KeyType, Signer, VerifierKey
from datahub.audit.tlog.notes import cosign
from datahub.audit.tlog.text import encode_base64, parse_hash
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.settings import Settings
from datahub.witness import store
from datahub.witness.models import ForkEvidence, WitnessedLog

MAX_EVIDENCE = 1000  # of one log; the first ones say all there is to say
_TEXT = "text/plain; charset=utf-8"
_BAD_REQUEST = 400
_SENTENCES = {
    Verdict.UNKNOWN_LOG: "unknown log",
    Verdict.NOT_SIGNED: "invalid signature: no key of this log has signed the checkpoint",
    Verdict.NOT_CONSISTENT: "the consistency proof does not verify",
}


@dataclass(frozen=True)
class Answer:
    """A status, a body and its type."""

    status: int
    body: str
    type: str = _TEXT


def add_checkpoint(ctx: Context, body: bytes) -> Answer:
    """Cosign a log's new head when it goes on from the last one; keep what shows that a log has forked."""
    try:
        request = AddCheckpoint.parse(body)
    except TlogFault as fault:
        return Answer(_BAD_REQUEST, f"{fault}\n")
    row = store.log_of_origin(ctx.session, request.head.origin, is_locked=True)
    verdict = judge(request, _known(row) if row else None)
    if row is None or verdict in (Verdict.UNKNOWN_LOG, Verdict.NOT_SIGNED):
        return Answer(STATUS[verdict], f"{_SENTENCES[verdict]}\n")
    if verdict in EVIDENCE:
        _keep_evidence(ctx, row, request, verdict)
    if verdict is Verdict.COSIGN:
        return Answer(STATUS[verdict], _cosigned(ctx, row, request))
    if STATUS[verdict] == STATUS[Verdict.OTHER_SIZE]:
        return Answer(STATUS[verdict], f"{row.size}\n", SIZE_TYPE)
    return Answer(STATUS[verdict], f"{_SENTENCES[verdict]}\n")


def own_keys(settings: Settings) -> list[VerifierKey]:
    """Return the keys that the exchange cosigns with; logs and their readers put them in trust policies."""
    return [signer.key for signer in _signers(settings)]


def _signers(settings: Settings) -> list[Signer]:
    address = urlsplit(settings.base_url)
    name = f"{address.netloc}{address.path}/witness"
    return [
        Signer(name, KeyType.ED25519_COSIGNATURE, settings.derive_key("witness-ed25519")),
        Signer(name, KeyType.ML_DSA_44, settings.derive_key("witness-ml-dsa-44")),
    ]


def _known(row: WitnessedLog) -> KnownLog:
    return KnownLog(
        row.origin, [VerifierKey.parse(each) for each in row.vkeys], row.size, parse_hash(row.root)
    )


def _cosigned(ctx: Context, row: WitnessedLog, request: AddCheckpoint) -> str:
    head, at = request.head, int(ctx.now.timestamp())
    made = [cosign(head.text, signer, at) for signer in _signers(ctx.settings)]
    row.size, row.root = head.size, encode_base64(head.root)
    row.checkpoint = request.checkpoint.with_signatures(made).encode().decode()
    row.cosigned_at = ctx.now
    ctx.session.flush()
    return "".join(each.line for each in made)


def _keep_evidence(ctx: Context, row: WitnessedLog, request: AddCheckpoint, verdict: Verdict) -> None:
    digest = sha256(request.checkpoint.text.encode()).hexdigest()
    if store.is_evidence_known(ctx.session, row.id, digest):
        return
    if store.count_evidence(ctx.session, row.id) >= MAX_EVIDENCE:
        return
    evidence = ForkEvidence(
        id=new_id(),
        log_id=row.id,
        digest=digest,
        at=ctx.now,
        verdict=verdict.value,
        held=row.checkpoint,
        sent=request.encode().decode(),
    )
    ctx.session.add(evidence)
    details = {
        "origin": row.origin,
        "verdict": verdict.value,
        "size": request.head.size,
        "heldSize": row.size,
    }
    record(ctx, "witness.fork-seen", About(thing_id=row.id, details=details))

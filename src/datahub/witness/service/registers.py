"""Which logs the exchange witnesses, and which witnesses it asks; its administrators say so."""

from collections.abc import Sequence

from datahub.audit import About, record
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.keys import KeyType, VerifierKey
from datahub.kernel import http
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.witness import store
from datahub.witness.errors import (
    InvalidVerifierKey,
    WitnessedLogExists,
    WitnessedLogNotFound,
    WitnessExists,
    WitnessingNotAllowed,
    WitnessNotFound,
)
from datahub.witness.models import AskedWitness, ForkEvidence, WitnessedLog

_LOG_TYPES = (KeyType.ED25519, KeyType.ML_DSA_44)
_WITNESS_TYPES = (KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44)


def add_log(ctx: Context, origin: str, vkeys: Sequence[str]) -> WitnessedLog:
    """Witness a log from now on. Raises WitnessingNotAllowed, InvalidVerifierKey, WitnessedLogExists."""
    _check_admin(ctx)
    _check_keys(vkeys, _LOG_TYPES)
    row = store.log_of_origin(ctx.session, origin, is_locked=True)
    if row is None:
        row = WitnessedLog(id=new_id(), origin=origin, vkeys=list(vkeys), created_at=ctx.now)
        ctx.session.add(row)
    elif row.vkeys:
        raise WitnessedLogExists("A log of this origin is witnessed already.", origin=origin)
    else:  # witnessed before: it goes on from the head that was cosigned then
        row.vkeys = list(vkeys)
        row.revision += 1
    record(ctx, "witness.log-add", About(thing_id=row.id, details={"origin": origin, "vkeys": list(vkeys)}))
    return row


def list_logs(ctx: Context) -> Sequence[WitnessedLog]:
    """Return the logs that the exchange witnesses; everybody may know."""
    return store.logs(ctx.session)


def get_log(ctx: Context, log_id: str) -> WitnessedLog:
    """Return one. Raises WitnessedLogNotFound."""
    row = ctx.session.get(WitnessedLog, log_id)
    if row is None:
        raise WitnessedLogNotFound("The exchange witnesses no log of this id.")
    return row


def remove_log(ctx: Context, log_id: str) -> None:
    """Stop witnessing a log. Raises WitnessingNotAllowed, WitnessedLogNotFound.

    Its keys go, the head that was cosigned stays: a log that is witnessed again cannot start over unseen.
    """
    _check_admin(ctx)
    row = get_log(ctx, log_id)
    row.vkeys = []
    row.revision += 1
    record(ctx, "witness.log-remove", About(thing_id=log_id, details={"origin": row.origin}))


def evidence_of(ctx: Context, log_id: str) -> Sequence[ForkEvidence]:
    """Return what is held against a log; everybody may know. Raises WitnessedLogNotFound."""
    get_log(ctx, log_id)
    return store.evidence_of(ctx.session, log_id)


def add_witness(ctx: Context, name: str, vkeys: Sequence[str], url: str) -> AskedWitness:
    """Ask a witness from now on. Raises WitnessingNotAllowed, InvalidVerifierKey, AddressNotAllowed, WitnessExists."""
    _check_admin(ctx)
    _check_keys(vkeys, _WITNESS_TYPES)
    http.check_url(url, ctx.settings)
    if store.witness_of_name(ctx.session, name) is not None:
        raise WitnessExists("A witness of this name is asked already.", name=name)
    row = AskedWitness(id=new_id(), name=name, vkeys=list(vkeys), url=url.rstrip("/"), created_at=ctx.now)
    ctx.session.add(row)
    record(
        ctx, "witness.add", About(thing_id=row.id, details={"name": name, "url": url, "vkeys": list(vkeys)})
    )
    return row


def list_witnesses(ctx: Context) -> Sequence[AskedWitness]:
    """Return the witnesses that the exchange asks; everybody may know."""
    return store.witnesses(ctx.session)


def get_witness(ctx: Context, witness_id: str) -> AskedWitness:
    """Return one. Raises WitnessNotFound."""
    row = ctx.session.get(AskedWitness, witness_id)
    if row is None:
        raise WitnessNotFound("The exchange asks no witness of this id.")
    return row


def remove_witness(ctx: Context, witness_id: str) -> None:
    """Ask a witness no longer. Raises WitnessingNotAllowed, WitnessNotFound."""
    _check_admin(ctx)
    row = get_witness(ctx, witness_id)
    ctx.session.delete(row)
    record(ctx, "witness.remove", About(thing_id=witness_id, details={"name": row.name}))


def _check_admin(ctx: Context) -> None:
    if not ctx.actor.oversees("admin"):
        raise WitnessingNotAllowed("Only an administrator of the exchange may do this.")


def _check_keys(vkeys: Sequence[str], types: Sequence[KeyType]) -> None:
    faults = []
    for index, vkey in enumerate(vkeys):
        try:
            if VerifierKey.parse(vkey).type not in types:
                faults.append(Fault(f"/vkeys/{index}", "a key of this type signs something else", "key-type"))
        except TlogFault as fault:
            faults.append(Fault(f"/vkeys/{index}", str(fault), "vkey"))
    if faults:
        raise InvalidVerifierKey("A key is not usable here.", faults=faults)

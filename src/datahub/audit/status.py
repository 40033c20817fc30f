"""How the log is doing: what everybody who relies on it may ask, as figures and as a sentence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from datahub.audit import sequencer, tree_store
from datahub.audit.service import permits_without_outcome
from datahub.audit.tlog.faults import TlogFault
from datahub.kernel.context import Context

# A head older than this, or entries that wait longer, mean that no sequencer works.
LATE = timedelta(minutes=2)
# A delivery without a recorded end is looked for among permits of this age.
OUTCOME_AFTER, OUTCOME_WITHIN = timedelta(hours=1), timedelta(days=7)
MANY = 1000


@dataclass(frozen=True)
class LogStatus:
    """The integrity of the log in figures; None where there is nothing to measure yet."""

    state: str
    says: str
    origin: str | None = None
    size: int = 0
    signed_size: int = 0
    pruned_below: int = 0
    checkpoint_at: datetime | None = None
    checkpoint_age_s: float | None = None
    sequencer_lag_s: float = 0.0
    witnesses: int = 0
    # Known a tier above: how many must cosign, by the trust policy, and whether they did.
    quorum: int = 0
    is_quorum_met: bool = True
    self_audit_at: datetime | None = None
    self_audit_size: int = 0
    self_audit_fault: str | None = None
    clock_skew_s: float = 0.0
    missing_outcomes: int = 0


def log_status(ctx: Context) -> LogStatus:
    """Return how the log is doing now."""
    log = tree_store.newest_log(ctx.session)
    lag_s = sequencer_lag_s(tree_store.oldest_pending(ctx.session), ctx.now)
    if log is None:
        return LogStatus("empty", "Nothing is in the tree yet.", sequencer_lag_s=lag_s)
    signed = tree_store.last_signed(ctx.session, log.number)
    age_s = None if signed is None else (ctx.now - signed.at).total_seconds()
    since, until = ctx.now - OUTCOME_WITHIN, ctx.now - OUTCOME_AFTER
    missing = len(permits_without_outcome(ctx, "data.read", since, until, MANY))
    shown = tree_store.published_head(ctx.session, log.number)
    state, says = _judge(ctx, lag_s, age_s, log.audit_fault)
    return LogStatus(
        state,
        says,
        origin=log.origin,
        size=log.size,
        signed_size=signed.size if signed else 0,
        pruned_below=log.pruned_below,
        checkpoint_at=signed.at if signed else None,
        checkpoint_age_s=age_s,
        sequencer_lag_s=lag_s,
        witnesses=shown.witnesses if shown else 0,
        self_audit_at=log.audited_at,
        self_audit_size=log.audited_size,
        self_audit_fault=log.audit_fault,
        clock_skew_s=_clock_skew_s(ctx),
        missing_outcomes=missing,
    )


def _judge(ctx: Context, lag_s: float, age_s: float | None, audit_fault: str | None) -> tuple[str, str]:
    log = tree_store.newest_log(ctx.session)
    assert log is not None  # noqa: S101 — the caller has it
    engine = ctx.session.get_bind().engine
    try:
        sequencer.check_kept_head(engine, ctx.settings, log.number)
    except (sequencer.LogForked, TlogFault) as fault:
        return "forked", str(fault)
    if audit_fault is not None:
        return "broken", f"The last self-audit found: {audit_fault}"
    if lag_s > LATE.total_seconds() or (age_s is not None and age_s > LATE.total_seconds()):
        return "late", "No sequencer works: entries are durable but not in the tree, or no head is signed."
    return "ok", "Every entry is in the tree within seconds, and its head is signed."


def sequencer_lag_s(oldest_pending: str | None, now: datetime) -> float:
    """Return how long the oldest batch has waited for the tree: the time is in its id (RFC 9562 §5.7)."""
    if oldest_pending is None:
        return 0.0
    made = datetime.fromtimestamp(int(oldest_pending.replace("-", "")[:12], 16) / 1000, UTC)
    return max(0.0, (now - made).total_seconds())


def _clock_skew_s(ctx: Context) -> float:
    """Return by how much the database server's clock is ahead of this one; SQLite has none of its own."""
    if ctx.session.get_bind().dialect.name != "postgresql":
        return 0.0
    theirs: datetime = ctx.session.execute(text("select clock_timestamp()")).scalar_one()
    return (theirs - ctx.now).total_seconds()


_METRICS: Mapping[str, tuple[str, str]] = {
    "size": ("datahub_log_size", "Entries in the tree."),
    "signed_size": ("datahub_log_signed_size", "Entries under the newest checkpoint."),
    "checkpoint_age_s": ("datahub_log_checkpoint_age_seconds", "Age of the newest checkpoint."),
    "sequencer_lag_s": ("datahub_log_sequencer_lag_seconds", "How long the oldest entry waits for the tree."),
    "witnesses": ("datahub_log_witnesses", "Witnesses that cosigned the newest checkpoint."),
    "quorum": ("datahub_log_quorum", "Witnesses that the trust policy asks for."),
    "self_audit_size": ("datahub_log_self_audit_size", "Entries that the last full self-audit read."),
    "clock_skew_s": ("datahub_log_clock_skew_seconds", "Database clock minus server clock."),
    "missing_outcomes": (
        "datahub_log_missing_outcomes",
        "Permits of the last week without a recorded outcome.",
    ),
}


def as_metrics(status: LogStatus) -> str:
    """Return the figures in the Prometheus text format 0.0.4."""
    return "".join(_metric_lines(status))


def _metric_lines(status: LogStatus) -> Iterator[str]:
    figures: dict[str, Any] = {name: getattr(status, name) for name in _METRICS}
    for name, (metric, words) in _METRICS.items():
        if figures[name] is not None:
            yield f"# HELP {metric} {words}\n# TYPE {metric} gauge\n{metric} {figures[name]}\n"
    metric = "datahub_log_ok"
    yield f"# HELP {metric} 1 when the log is in order.\n# TYPE {metric} gauge\n"
    yield f"{metric} {int(status.state in {'ok', 'empty'})}\n"
    if status.self_audit_at is not None:
        metric = "datahub_log_self_audit_timestamp_seconds"
        yield f"# HELP {metric} When the last full self-audit ended.\n# TYPE {metric} gauge\n"
        yield f"{metric} {status.self_audit_at.timestamp()}\n"

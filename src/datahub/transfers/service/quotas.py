"""Quotas: how much an agreement lets be used, counted exactly over all processes.

What is used is a fact of the decision, read under a lock that holds until the decision is committed: two reads at once
cannot both be the last. A permit is charged all it could take before its first byte, and settled to what it took when
it ends; one whose process died stays charged in full.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from datahub.catalog import DatasetVersion
from datahub.contracts import Agreement
from datahub.kernel.context import Context
from datahub.policy import Counter, Policy, counters
from datahub.transfers import store
from datahub.transfers.models import Charge

# How long a delivery that broke off may be asked for again without being counted twice.
RETRY_LIFE = timedelta(days=1)
CHARGE_LIFE = timedelta(days=2)


@dataclass(frozen=True)
class Quota:
    """One counter as a decision found it, and what this use may add to it."""

    counter: Counter
    starts_at: int
    used: int
    amount: int
    now_s: int

    @property
    def left(self) -> int | None:
        """Return what is left once this use is counted; None where the policy states no plain bound."""
        return self._after(self.amount)

    @property
    def untouched(self) -> int | None:
        """Return what is left when this use is refused."""
        return self._after(0)

    def _after(self, amount: int) -> int | None:
        most = self.counter.most
        return None if most is None else max(0, most - self.used - amount)

    @property
    def resets_at(self) -> datetime | None:
        """Return when the counter starts anew, if it does."""
        window = self.counter.window_s
        return None if window is None else datetime.fromtimestamp(self.starts_at + window, UTC)

    def said(self) -> dict[str, Any]:
        """Return the quota as a refusal tells it."""
        ends = self.resets_at
        return {
            "name": self.counter.name,
            "limit": self.counter.most,
            "used": self.used,
            "asked": self.amount,
            "resetsAt": ends.isoformat().replace("+00:00", "Z") if ends else None,
        }


def quotas_of(
    ctx: Context, agreement: Agreement, policy: Policy, version: DatasetVersion | None, retry: str | None
) -> Sequence[Quota]:
    """Return the counters that a policy looks at, locked, with what a read of this version could take at most."""
    stated = counters(policy)
    if not stated:
        return ()
    since = ctx.now - RETRY_LIFE
    is_again = retry is not None and store.broken_off(
        ctx.session, agreement.id, _key(ctx, version, retry), since
    )
    most = {
        "reads": 0 if is_again else 1,
        "rows": (version.row_count if version else None) or 1,
        "bytes": version.bytes if version else 1,
    }
    now_s = int(ctx.now.timestamp())
    found = []
    for counter in stated:
        if counter.unit not in most:
            continue  # not counted here, so unknown to the policy, and what is unknown permits nothing
        starts_at = now_s - now_s % counter.window_s if counter.window_s else 0
        used = store.locked_use(ctx.session, agreement.id, counter.name, starts_at)
        found.append(Quota(counter, starts_at, used, most[counter.unit], now_s))
    return found


def counts_before(quotas: Sequence[Quota]) -> Mapping[str, int]:
    """Return the facts of the policy: what was counted before this attempt, which the policy itself counts as one."""
    return {quota.counter.name: quota.used + quota.amount - 1 for quota in quotas}


def charge(
    ctx: Context,
    entry_id: str,
    agreement: Agreement,
    quotas: Sequence[Quota],
    *,
    version: DatasetVersion | None,
    retry: str | None,
) -> None:
    """Charge a permit all it could take, in the transaction of its decision."""
    if not quotas:
        return
    amounts: list[list[str | int]] = []
    for quota in quotas:
        store.add_use(ctx.session, agreement.id, quota.counter.name, quota.starts_at, quota.amount)
        amounts.append([quota.counter.name, quota.counter.unit, quota.starts_at, quota.amount])
    key = _key(ctx, version, retry or "")
    ctx.session.add(
        Charge(entry_id=entry_id, agreement_id=agreement.id, at=ctx.now, amounts=amounts, retry_key=key)
    )


def settle(ctx: Context, entry_id: str, *, rows: int | None, size: int, is_finished: bool) -> None:
    """Settle a permit to what it took: nothing sent counts for nothing. Doing it twice changes nothing."""
    charged = store.charge_of(ctx.session, entry_id)
    if charged is None or charged.is_finished is not None:
        return
    charged.is_finished = is_finished
    for name, unit, starts_at, amount in charged.amounts:
        real = {"rows": rows, "bytes": size}.get(str(unit))
        took = 0 if size == 0 else int(amount) if real is None else real
        if took != amount:
            store.add_use(ctx.session, charged.agreement_id, str(name), int(starts_at), took - int(amount))


def rate_limit_fields(quotas: Sequence[Quota], *, is_refused: bool = False) -> dict[str, str]:
    """Return RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers §3, §4) after this use, or its refusal."""
    policies, limits = [], []
    for quota in quotas:
        if quota.counter.most is None:
            continue
        name, window = f'"{quota.counter.name}"', quota.counter.window_s
        policies.append(f"{name};q={quota.counter.most}" + (f";w={window}" if window else ""))
        until = f";t={quota.starts_at + window - quota.now_s}" if window else ""
        limits.append(f"{name};r={quota.untouched if is_refused else quota.left}{until}")
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(limits)} if policies else {}


def _key(ctx: Context, version: DatasetVersion | None, retry: str) -> str:
    parts = [ctx.actor.client_id or "", version.id if version else "", retry]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()

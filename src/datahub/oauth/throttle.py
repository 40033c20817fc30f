"""How often a client, or somebody who names one, may call OAuth's endpoints: token buckets, kept in each process.

A failure is charged to the address and the client it names, and to the address alone; a success to the client that proved
itself. So strangers who try keys on a client's id use up their own bucket, not the owner's, and whoever proves a client is
served even from the address of an attack. What failed after its bucket was empty is answered 429 and no longer recorded.
Several processes allow as many times more; the figures are against floods, secrets have 256 bits. RateLimit fields:
draft-ietf-httpapi-ratelimit-headers §3 and §4.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from threading import Lock
from typing import NamedTuple

WINDOW_S = 60
MAX_BUCKETS = 20_000


class Rule(NamedTuple):
    """One kind of bucket: its name on the wire, and how much it holds, which comes back within a minute."""

    name: str
    size: int


FAILURES = Rule("failures", 100)
FAILURES_OF_ADDRESS = Rule("address", 1000)


@dataclass
class _Bucket:
    left: float
    at: float


class Left(NamedTuple):
    """What is left of a bucket; `wait_s` until there is something again, zero when there is."""

    rule: Rule
    left: int
    wait_s: int

    def headers(self) -> Mapping[str, str]:
        """Return the fields that tell."""
        retry = {"Retry-After": str(self.wait_s)} if self.wait_s else {}
        policy = f'"{self.rule.name}";q={self.rule.size};w={WINDOW_S}'
        reset = self.wait_s or WINDOW_S
        return {
            "RateLimit-Policy": policy,
            "RateLimit": f'"{self.rule.name}";r={self.left};t={reset}',
            **retry,
        }


@dataclass
class Throttle:
    """The buckets of one process; full ones are forgotten, and never more than a bounded number kept."""

    client_size: int
    _buckets: OrderedDict[Hashable, _Bucket] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def charge_client(self, client_id: str, now: datetime) -> Left:
        """Charge a client that proved itself."""
        return self._charge(Rule("client", self.client_size), client_id, now)

    def is_used_up(self, client_id: str, now: datetime) -> Left | None:
        """Return what is left for a client when that is nothing, without charging it: who names it has not proved it."""
        left = self._charge(Rule("client", self.client_size), client_id, now, amount=0)
        return left if left.wait_s else None

    def charge_failure(self, address: str, claimed: str | None, now: datetime) -> Left:
        """Charge a failed authentication, and return the bucket that has least left."""
        where = network_of(address)
        both = (
            self._charge(FAILURES, (where, claimed), now),
            self._charge(FAILURES_OF_ADDRESS, where, now),
        )
        return max(both, key=lambda each: (each.wait_s, -each.left))

    def _charge(self, rule: Rule, who: Hashable, now: datetime, amount: int = 1) -> Left:
        instant, key = now.timestamp(), (rule.name, who)
        per_s = rule.size / WINDOW_S
        with self._lock:
            bucket = self._buckets.pop(key, None) or _Bucket(rule.size, instant)
            left = min(float(rule.size), bucket.left + max(0.0, instant - bucket.at) * per_s)
            is_empty = left < 1
            self._buckets[key] = _Bucket(left if is_empty else left - amount, instant)
            while len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        return Left(rule, 0 if is_empty else int(left - amount), ceil((1 - left) / per_s) if is_empty else 0)


def network_of(address: str) -> str:
    """Return what one caller has for itself: an IPv4 address, a /64 of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))  # noqa: PLR2004

"""Nonces that DPoP proofs must carry: made by the exchange, so that a proof cannot be made long before its use.

RFC 9449 §8 and §9. A nonce is a mark of a span of time, made with a key derived from the master key: every worker makes
and knows the same ones, nothing is stored, and a restart changes nothing. Good are the present one, the one before (grace
for who just got it), and the next (a worker whose clock runs ahead). One space serves tokens and data alike, because
clients keep nonces by origin.
"""

import base64
import hashlib
import hmac
from datetime import datetime

from datahub.kernel.settings import Settings

PERIOD_S = 300


def nonce_now(settings: Settings, now: datetime) -> str:
    """Return the nonce to be used from now on."""
    return _window(settings, int(now.timestamp()) // PERIOD_S)[0]


def is_nonce(settings: Settings, unverified_nonce: str, now: datetime) -> bool:
    """Tell whether a nonce is one of those that are good now. They are no secrets: everybody gets them for asking."""
    return unverified_nonce in _window(settings, int(now.timestamp()) // PERIOD_S)


Window = tuple[str, str, str]
# The one in use: asked at every call, by one exchange in this process
_latest: tuple[Settings, int, Window] | None = None


def _window(settings: Settings, span: int) -> Window:
    """Return the nonces that are good in a span of time, its own first."""
    global _latest  # noqa: PLW0603 — a cache of one
    known = _latest
    if known is None or known[0] is not settings or known[1] != span:
        key = settings.derive_key("dpop-nonce")
        known = (settings, span, (_nonce(key, span), _nonce(key, span - 1), _nonce(key, span + 1)))
        _latest = known
    return known[2]


def _nonce(key: bytes, span: int) -> str:
    made = hmac.digest(key, span.to_bytes(8), hashlib.sha256)
    return base64.urlsafe_b64encode(made[:18]).decode("ascii")

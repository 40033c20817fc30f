"""What the clock asks of reviewing."""

from datahub.review.service.forwarding import FACT, forward, forwards_due
from datahub.review.service.watching import watch

WATCH_EVERY_S = 10
FORWARD_EVERY_S = 2

__all__ = ["FACT", "FORWARD_EVERY_S", "WATCH_EVERY_S", "forward", "forwards_due", "watch"]

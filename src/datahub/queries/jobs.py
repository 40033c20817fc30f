"""What the clock does to queries."""

from datahub.queries.service.history import close_left_running

CLOSE_EVERY_S = 600

__all__ = ["CLOSE_EVERY_S", "close_left_running"]

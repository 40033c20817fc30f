"""What the clock and the outbox ask of witnessing."""

from datahub.witness.service import ask, witnesses_due

ASK_EVERY_S = 10

__all__ = ["ASK_EVERY_S", "ask", "witnesses_due"]

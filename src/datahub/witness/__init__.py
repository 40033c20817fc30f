"""Witnessing: the exchange cosigns the heads of others' logs, and asks others to cosign its own (C2SP tlog-witness).

Participants that witness each other's logs make a split view impossible to hide: a head that was cosigned cannot be
taken back, and one that does not go on from it is never cosigned but kept as evidence.
"""

from datahub.witness.service import ask, witnesses_due

__all__ = ["ask", "witnesses_due"]

"""The checks, in the order they are run; each file one subject."""

from datahub.cli.auth.checks import clients, discovery, doors, proofs, tokens, wishes
from datahub.cli.auth.judge import Check

CHECKS: tuple[Check, ...] = (
    *discovery.CHECKS,
    *tokens.CHECKS,
    *clients.CHECKS,
    *proofs.CHECKS,
    *wishes.CHECKS,
    *doors.CHECKS,
)

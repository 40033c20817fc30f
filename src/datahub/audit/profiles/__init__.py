"""The forms that entries leave in: CSV, JSON Lines, OCSF, NEN 7513. Pure, so that a verifier makes the same bytes."""

from datahub.audit.profiles import forms, nen7513, ocsf

__all__ = ["forms", "nen7513", "ocsf"]

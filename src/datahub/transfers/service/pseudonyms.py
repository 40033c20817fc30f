"""Whose codes a consumer sees: the one place where the key of pseudonyms is made."""

from datahub.contracts import Agreement
from datahub.kernel.context import Context


def pseudonym_key(ctx: Context, agreement: Agreement) -> bytes:
    """Return the key of a consumer's codes for one provider: nobody else sees these, and no other provider's match."""
    return ctx.settings.derive_key(f"pseudonym/{agreement.provider_id}/{agreement.consumer_id}")

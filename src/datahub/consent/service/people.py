"""Keys of people, made unreadable with the exchange's own secret."""

from collections.abc import Callable

from datahub.consent.errors import InvalidConsent
from datahub.consent.rules.keys import digester, key_fault, key_text
from datahub.kernel.errors import Fault
from datahub.kernel.settings import Settings


def digest_for(settings: Settings, provider_id: str, key_space: str) -> Callable[[str], bytes]:
    """Return the function that turns a person's key into its digest, for one key space of one organisation."""
    return digester(settings.derive_key("consent-subjects"), provider_id, key_space)


def digest_of_key(
    settings: Settings, provider_id: str, key_space: str, key: object, pointer: str = "/subject"
) -> bytes:
    """Return the digest of one person's key. Raises InvalidConsent; what was sent is not repeated in it."""
    if fault := key_fault(key):
        raise InvalidConsent("This key names nobody.", faults=[Fault(pointer, fault, "subject-key")])
    return digest_for(settings, provider_id, key_space)(key_text(key))

"""Who calls, when, and in which transaction: the first argument of every verb.

One frozen value replaces four globals, and a test makes one in a line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from datahub.kernel.errors import JsonValue
from datahub.kernel.settings import Settings


@dataclass(frozen=True)
class Actor:
    """Who makes this call, as proved by a credential; never taken from a field of the request."""

    client_id: str | None = None
    participant_id: str | None = None
    person_id: str | None = None
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    is_exchange: bool = False
    token_id: str | None = None
    token_expires_at: datetime | None = None
    authorization_details: tuple[Mapping[str, JsonValue], ...] = ()

    @property
    def is_anonymous(self) -> bool:
        """Tell whether no credential was shown."""
        return self.client_id is None

    def has_role(self, *roles: str) -> bool:
        """Tell whether the actor holds at least one of the roles."""
        return not self.roles.isdisjoint(roles)

    def oversees(self, *roles: str) -> bool:
        """Tell whether the actor holds one of the roles for the exchange itself, and so over all participants."""
        return self.is_exchange and self.has_role(*roles)


ANONYMOUS = Actor()


@dataclass(frozen=True)
class Credential:
    """What a caller shows with a request, as it was sent: nothing of it is proved yet (RFC 6750 §2.1, RFC 9449 §7.1).

    `path` is the address called, percent-encoded as sent and without its query: a proof is made for one method and address.
    """

    scheme: str
    token: str
    proofs: tuple[str, ...] = ()
    method: str = "GET"
    path: str = "/"


# Under this key of a session's `info` stands the first entry that its transaction left in the access log.
LOG_ENTRY = "log_entry"
ENTRY_HEADER = "Datahub-Log-Entry"


@dataclass(frozen=True)
class Context:
    """What a verb may use: the open transaction, the actor, the instant of the call, its trace id, the settings."""

    session: Session
    actor: Actor
    now: datetime
    trace_id: str
    settings: Settings

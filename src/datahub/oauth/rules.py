"""What a client may be, hold and ask for. Pure: no database, no clock, no randomness.

RFC 6749 §3.3 (scopes), RFC 9396 §2 (authorization details).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault, JsonValue
from datahub.oauth.errors import ClientMoveNotPossible, InvalidAuthorizationDetails, InvalidScope
from datahub.oauth.models import ClientState, Profile
from datahub.participants import Role

_READ = frozenset({"participants:read", "requests:read", "agreements:read", "log:read"})
ROLE_SCOPES: Mapping[Role, frozenset[str]] = {
    Role.PUBLISHER: _READ | {"catalog:write", "agreements:write"},
    Role.REQUESTER: _READ | {"requests:write", "agreements:write", "data:read"},
    Role.APPROVER: _READ | {"requests:write", "agreements:write"},
    Role.AUDITOR: _READ | {"clients:read"},
    Role.ADMIN: _READ
    | {"participants:write", "clients:read", "clients:write", "catalog:write", "agreements:write"},
}
ALL_SCOPES = frozenset().union(*ROLE_SCOPES.values())

S = ClientState
# (state, move) → state
MOVES: Mapping[tuple[S, str], S] = {(S.ACTIVE, "disable"): S.DISABLED, (S.DISABLED, "enable"): S.ACTIVE}

MAX_LIVE_SECRETS = 2
MAX_DETAILS = 10
DETAIL_TYPES = ("dataset",)
_DETAIL_FIELDS = frozenset({"type", "identifier", "actions", "purpose", "agreement"})
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_IDENTIFIER = re.compile(rf"(?:{_ID}|{_SLUG}/{_SLUG})")
_PURPOSE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,280}")
_MAX_IDENTIFIER = 170


def may_read_clients(actor: Actor, participant_id: str) -> bool:
    """Tell whether the actor may see the clients of an organisation."""
    is_own = actor.participant_id == participant_id and actor.has_role(Role.ADMIN, Role.AUDITOR)
    return is_own or actor.oversees(Role.ADMIN, Role.AUDITOR)


def scopes_of(roles: Iterable[str]) -> frozenset[str]:
    """Return the scopes that roles carry."""
    return frozenset().union(*(ROLE_SCOPES[Role(role)] for role in roles))


def live_roles(client_roles: Iterable[str], person_roles: Iterable[str] | None) -> frozenset[str]:
    """Return the roles a client has now: bound to a person, only those the person still holds."""
    held = frozenset(client_roles)
    return held if person_roles is None else held & frozenset(person_roles)


def narrow_scopes(held: frozenset[str], asked: str | None) -> frozenset[str]:
    """Return the scopes granted: those asked for, or all that are held. Raises InvalidScope."""
    if asked is None:
        if not held:
            raise InvalidScope("The client has no role that carries a scope.", check="no-scope-held")
        return held
    wanted = frozenset(asked.split(" ")) - {""}
    if not wanted <= ALL_SCOPES:
        raise InvalidScope("A scope in this request is not known here.", check="unknown-scope")
    if not wanted or not wanted <= held:
        missing = sorted(wanted - held)
        raise InvalidScope(
            f"No role of this client carries {', '.join(missing)}." if missing else "No scope was named.",
            check="scope-not-held",
            missing=missing,
        )
    return wanted


def next_state(state: str, move: str) -> ClientState:
    """Return a client's state after a move. Raises ClientMoveNotPossible."""
    after = MOVES.get((ClientState(state), move))
    if after is None:
        possible = [m for (s, m) in MOVES if s == state]
        raise ClientMoveNotPossible(
            f"A client that is {state} allows only: {', '.join(possible)}.",
            remedy=f"Possible now: {', '.join(possible)}.",
            state=state,
            possible=possible,
        )
    return after


def role_faults(roles: Sequence[Role], person_roles: Sequence[str] | None) -> list[Fault]:
    """Return the faults of a client's roles: a client bound to a person has at most the person's."""
    if person_roles is None:
        return []
    return [
        Fault(f"/roles/{index}", "the person does not hold this role", "role-not-held")
        for index, role in enumerate(roles)
        if role not in person_roles
    ]


def key_presence_faults(profile: Profile, *, has_keys: bool) -> list[Fault]:
    """Return the faults of having keys or not: only a private_key_jwt client has them, and must."""
    if profile is Profile.PRIVATE_KEY_JWT and not has_keys:
        return [Fault("/jwks", "a private_key_jwt client needs its public keys", "missing")]
    if profile is Profile.BASIC and has_keys:
        return [Fault("/jwks", "a basic client has secrets, not keys", "not-allowed")]
    return []


def read_details(found: Any) -> list[dict[str, JsonValue]]:
    """Return the authorization details, each of a known type and shape (RFC 9396 §2, §5).

    Raises InvalidAuthorizationDetails with all that is wrong; what was sent is never repeated in it.
    """
    if not isinstance(found, list) or not 0 < len(found) <= MAX_DETAILS:
        detail = f"authorization_details must be a JSON array of 1 to {MAX_DETAILS} objects."
        raise InvalidAuthorizationDetails(detail, check="details-shape")
    faults = [f"[{index}] {fault}" for index, detail in enumerate(found) for fault in _detail_faults(detail)]
    if faults:
        raise InvalidAuthorizationDetails(
            f"authorization_details: {'; '.join(faults)}.", check="details-shape"
        )
    return [{"actions": ["read"], **detail} for detail in found]


def _detail_faults(detail: Any) -> list[str]:
    if not isinstance(detail, dict):
        return ["is not an object"]
    if detail.get("type") not in DETAIL_TYPES:
        return ["has a type that is not known here"]
    faults = []
    if not detail.keys() <= _DETAIL_FIELDS:
        faults.append("has a field that this type does not know")
    if not _is_text(detail.get("identifier"), _IDENTIFIER, _MAX_IDENTIFIER):
        faults.append("identifier must be the id of a dataset, or organisation/dataset")
    if detail.get("actions", ["read"]) != ["read"]:
        faults.append("actions must be the array of read")
    if "purpose" in detail and not _is_text(detail["purpose"], _PURPOSE, 300):
        faults.append("purpose must be an IRI")
    if "agreement" in detail and not _is_text(detail["agreement"], re.compile(_ID), 36):
        faults.append("agreement must be the id of an agreement")
    return faults


def _is_text(value: Any, form: re.Pattern[str], max_length: int) -> bool:
    return isinstance(value, str) and len(value) <= max_length and form.fullmatch(value) is not None

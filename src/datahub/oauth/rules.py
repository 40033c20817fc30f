"""What a client may be, hold and ask for. Pure: no database, no clock, no randomness.

RFC 6749 §3.3 (scopes), RFC 9396 §2 (authorization details).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from datahub.kernel.context import Actor
from datahub.kernel.errors import Fault, JsonValue
from datahub.oauth.errors import ClientMoveNotPossible, InvalidAuthorizationDetails, InvalidScope
from datahub.oauth.models import ClientState
from datahub.oauth.profiles import KeySource, SecurityProfile
from datahub.participants import Role

_READ = frozenset({"participants:read", "requests:read", "agreements:read", "log:read"})
ROLE_SCOPES: Mapping[Role, frozenset[str]] = {
    Role.PUBLISHER: _READ
    | {"catalog:write", "agreements:write", "decisions:write", "consents:read", "consents:write"},
    Role.REQUESTER: _READ | {"requests:write", "agreements:write", "data:read"},
    Role.APPROVER: _READ | {"requests:write", "agreements:write"},
    Role.AUDITOR: _READ | {"clients:read", "log:review", "consents:read"},
    Role.ADMIN: _READ
    | {
        "participants:write",
        "clients:read",
        "clients:write",
        "catalog:write",
        "agreements:write",
        "witness:write",
        "decisions:write",
        "log:erase",
        "log:review",
        "consents:read",
        "consents:write",
    },
}
ALL_SCOPES = frozenset().union(*ROLE_SCOPES.values())

S = ClientState
# (state, move) → state
MOVES: Mapping[tuple[S, str], S] = {(S.ACTIVE, "disable"): S.DISABLED, (S.DISABLED, "enable"): S.ACTIVE}

MAX_LIVE_SECRETS = 2
MAX_DETAILS = 10
DETAIL_TYPES = ("dataset",)
# Fetch rows, or ask queries that run here (RFC 9396 §2.2).
ACTIONS: Final = (["read"], ["query"], ["read", "query"], ["query", "read"])
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
    return _scopes_of(frozenset(roles))


@cache
def _scopes_of(roles: frozenset[str]) -> frozenset[str]:
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


KEYS_FROM = ("/jwks", "/jwksUri", "/clientMetadataUri")


def key_faults(profile: SecurityProfile, given: Sequence[str]) -> list[Fault]:
    """Return the faults of where a client's keys come from: one of `KEYS_FROM`, where its profile takes keys.

    `given`: those that were, the one to be named last.
    """
    takes_keys = profile.assertion is not None and KeySource.JWKS in profile.assertion.keys
    needs_keys = takes_keys and profile.assertion is not None and KeySource.X5C not in profile.assertion.keys
    if not takes_keys:
        return [
            Fault(name, "a client of this security profile takes no keys", "not-allowed") for name in given
        ]
    if len(given) > 1:
        once = "give keys by value, by address, or in a metadata document: once"
        return [Fault(given[-1], once, "not-allowed")]
    if needs_keys and not given:
        return [Fault("/jwks", "a client of this security profile needs its public keys", "missing")]
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


# Which authorization details would open an address; the id is the one in its path.
_DETAILS_BY_ADDRESS = (re.compile(rf"/v1/datasets/({_ID})(?:/versions/[0-9]+)?/data"),)


def details_for(path: str) -> list[dict[str, JsonValue]]:
    """Return the authorization details that would do at an address, nothing looked up; none where none are needed."""
    found = (form.fullmatch(path) for form in _DETAILS_BY_ADDRESS)
    return [
        {"type": DETAIL_TYPES[0], "identifier": match[1], "actions": ["read"]} for match in found if match
    ]


def is_within(detail: Mapping[str, JsonValue], other: Mapping[str, JsonValue]) -> bool:
    """Tell whether a granted detail asks for no more than another does."""
    are_same = all(
        name not in other or detail.get(name) == other[name]
        for name in ("type", "identifier", "agreement", "purpose")
    )
    return are_same and _actions(detail) <= _actions(other)


def _actions(detail: Mapping[str, JsonValue]) -> frozenset[str]:
    found = detail.get("actions", ["read"])
    return (
        frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()
    )


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
    actions = detail.get("actions", ["read"])
    if not isinstance(actions, list) or actions not in ACTIONS:
        faults.append("actions must be an array of read, query or both")
    if "purpose" in detail and not _is_text(detail["purpose"], _PURPOSE, 300):
        faults.append("purpose must be an IRI")
    if "agreement" in detail and not _is_text(detail["agreement"], re.compile(_ID), 36):
        faults.append("agreement must be the id of an agreement")
    return faults


def _is_text(value: Any, form: re.Pattern[str], max_length: int) -> bool:
    return isinstance(value, str) and len(value) <= max_length and form.fullmatch(value) is not None

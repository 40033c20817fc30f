"""The verbs on an organisation's OAuth clients and their secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from datahub.audit import About, Entry, history, record, unroll
from datahub.kernel import http
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id, new_secret
from datahub.kernel.paging import Page, PageRequest
from datahub.oauth import documents, jose, rules, store
from datahub.oauth.client_authentication import digest_of
from datahub.oauth.errors import (
    ClientChangeNotAllowed,
    ClientNotFound,
    ClientNotPossible,
    FirstClientExists,
    NoSecretsForThisClient,
    PrivateKeySent,
    SecretNotFound,
    TooManySecrets,
)
from datahub.oauth.models import Client, ClientSecret, ClientState, Profile
from datahub.oauth.profiles import Method, SecurityProfile, rules_of
from datahub.oauth.revocation import revoke_client
from datahub.participants import Role, get_participant, get_person, identifiers_of, may_change, the_exchange

SECRET_PREFIX = "dhs"  # noqa: S105 — what secrets start with, so that scanners know a leaked one
_MOVE_ACTIONS = ("client.register", *(f"client.{move}" for _, move in rules.MOVES))


@dataclass(frozen=True)
class Registration:
    """What a new client is to be; without `participant_id` it belongs to the actor's own organisation."""

    name: str
    profile: Profile
    roles: Sequence[Role]
    participant_id: str | None = None
    person_id: str | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    metadata_uri: str | None = None
    is_dpop_bound: bool = False


@dataclass(frozen=True)
class NewSecret:
    """A secret just made; the text is nowhere else and cannot be shown again."""

    row: ClientSecret
    text: str


def register_client(ctx: Context, registration: Registration) -> Client:
    """Register a client of an organisation the actor administers; a `basic` one still needs a secret.

    Raises ParticipantNotFound, PersonNotFound, ClientChangeNotAllowed, PrivateKeySent, ClientNotPossible (all faults).
    """
    participant = get_participant(ctx, registration.participant_id or ctx.actor.participant_id or "")
    _must_administer(ctx, participant.id)
    profile = rules_of(registration.profile)
    client = Client(
        id=new_id(),
        participant_id=participant.id,
        person_id=registration.person_id,
        name=registration.name,
        profile=registration.profile,
        roles=sorted(set(registration.roles)),
        jwks_uri=registration.jwks_uri,
        metadata_uri=registration.metadata_uri,
        is_dpop_bound=registration.is_dpop_bound or profile.is_bound,
        created_at=ctx.now,
    )
    faults = rules.role_faults(registration.roles, _person_roles(ctx, client))
    sources = (registration.jwks, registration.jwks_uri, registration.metadata_uri)
    faults += rules.key_faults(
        profile, [name for name, has in zip(rules.KEYS_FROM, sources, strict=True) if has]
    )
    faults += _address_faults(ctx, registration.jwks_uri, rules.KEYS_FROM[1]) + _document_faults(
        ctx, registration.metadata_uri
    )
    faults += _alias_faults(ctx, client)
    client.jwks = _checked_keys(profile, registration.jwks, faults)
    return _save(ctx, client)


def register_first_client(ctx: Context, name: str) -> tuple[Client, NewSecret]:
    """Make the exchange's first client, a `basic` one for administration, and its secret; for setting up only.

    Raises FirstClientExists, also when there is no exchange yet.
    """
    exchange = the_exchange(ctx.session)
    if exchange is None or store.has_clients(ctx.session, exchange.id):
        detail = (
            "The exchange has a client already." if exchange else "Found the exchange's organisation first."
        )
        raise FirstClientExists(detail)
    client = Client(
        id=new_id(),
        participant_id=exchange.id,
        name=name,
        profile=Profile.BASIC,
        roles=sorted([Role.ADMIN, Role.AUDITOR]),
        created_at=ctx.now,
    )
    return _save(ctx, client), _make_secret(ctx, client, None)


def get_client(ctx: Context, client_id: str) -> Client:
    """Return a client the actor may see. Raises ClientNotFound."""
    client = store.client_by_id(ctx.session, client_id)
    if client is None or not rules.may_read_clients(ctx.actor, client.participant_id):
        detail = "No client with this id."
        raise ClientNotFound(detail)
    return client


def list_clients(
    ctx: Context, request: PageRequest, participant_id: str | None = None, state: ClientState | None = None
) -> Page[Client]:
    """Return the clients the actor may see, oldest first."""
    if ctx.actor.participant_id is None or not rules.may_read_clients(ctx.actor, ctx.actor.participant_id):
        detail = "Only administrators and auditors may see clients."
        raise ClientChangeNotAllowed(detail)
    return store.clients_page(ctx, request, participant_id, state)


def secrets_of(ctx: Context, client: Client) -> Sequence[ClientSecret]:
    """Return what is known of a client's secrets, oldest first, but not the secrets."""
    return store.secrets_of(ctx.session, client.id)


def change_client(
    ctx: Context,
    client_id: str,
    *,
    name: str | None = None,
    roles: Sequence[Role] | None = None,
    jwks: Mapping[str, Any] | None = None,
    jwks_uri: str | None = None,
) -> Client:
    """Change a client's name, roles or keys; fewer roles bite at its very next call.

    Raises ClientNotFound, ClientChangeNotAllowed, PrivateKeySent, ClientNotPossible.
    """
    client = _changeable(ctx, client_id)
    faults: list[Fault] = []
    profile = rules_of(client.profile)
    if roles is not None:
        faults += rules.role_faults(roles, _person_roles(ctx, client))
        client.roles = sorted(set(roles))
    given = [name for name, has in zip(rules.KEYS_FROM, (jwks, jwks_uri, None), strict=True) if has]
    if given:
        lasting = [rules.KEYS_FROM[-1]] if client.metadata_uri else []
        faults += rules.key_faults(profile, [*lasting, *given])
    if jwks is not None:
        client.jwks, client.jwks_uri = _checked_keys(profile, jwks, faults), None
    if jwks_uri is not None:
        faults += _address_faults(ctx, jwks_uri, rules.KEYS_FROM[1])
        client.jwks, client.jwks_uri = None, jwks_uri
        store.forget_fetched(ctx.session, client.id)
    _refuse_if(faults)
    client.name = name if name is not None else client.name
    client.revision += 1
    asked = {"name": name, "roles": roles, "jwks": jwks, "jwksUri": jwks_uri}
    changed = [field for field, value in asked.items() if value is not None]
    record(
        ctx,
        "client.change",
        _about(client, {"fields": changed, "roles": client.roles, "kids": _kids(client)}),
    )
    return client


def move_client(ctx: Context, client_id: str, move: str, reason: str | None) -> Client:
    """Disable a client, which ends all its tokens at once, or enable it again.

    Raises ClientNotFound, ClientChangeNotAllowed, ClientMoveNotPossible.
    """
    client = _changeable(ctx, client_id)
    before = client.state
    client.state = rules.next_state(before, move)
    if client.state == ClientState.DISABLED:
        revoke_client(ctx, client)
    client.revision += 1
    details = {"move": move, "from": before, "to": client.state, "reason": reason}
    record(ctx, f"client.{move}", _about(client, details))
    return client


def client_history(ctx: Context, client_id: str) -> Sequence[Entry]:
    """Return the moves of a client's life, oldest first. Raises ClientNotFound."""
    get_client(ctx, client_id)
    return history(ctx, client_id, _MOVE_ACTIONS)


def auth_events(ctx: Context, client_id: str, request: PageRequest) -> Page[Entry]:
    """Return how a client's attempts to prove itself went, newest first. Raises ClientNotFound."""
    get_client(ctx, client_id)
    unroll(ctx.session)
    return store.auth_events_page(ctx, client_id, request)


def add_secret(ctx: Context, client_id: str, expires_at: datetime | None = None) -> NewSecret:
    """Make a secret for a `basic` client; two may live at a time, so that one can replace the other.

    Raises ClientNotFound, ClientChangeNotAllowed, NoSecretsForThisClient, TooManySecrets, ClientNotPossible.
    """
    client = _changeable(ctx, client_id)
    if rules_of(client.profile).method is not Method.SECRET_BASIC:
        detail = "This client proves itself with its private key; it takes no secrets."
        raise NoSecretsForThisClient(detail)
    known = store.secrets_of(ctx.session, client.id)
    live = [secret for secret in known if secret.expires_at is None or secret.expires_at > ctx.now]
    if len(live) >= rules.MAX_LIVE_SECRETS:
        detail = "The client has two live secrets already."
        raise TooManySecrets(
            detail, remedy="Delete the one that is no longer used.", secrets=[s.id for s in live]
        )
    if expires_at is not None and expires_at <= ctx.now:
        _refuse_if([Fault("/expiresAt", "must lie in the future", "in-the-past")])
    client.revision += 1
    return _make_secret(ctx, client, expires_at)


def delete_secret(ctx: Context, client_id: str, secret_id: str) -> None:
    """Delete a secret; it opens nothing from now on, but tokens it got live on until they expire.

    Raises ClientNotFound, ClientChangeNotAllowed, SecretNotFound.
    """
    client = _changeable(ctx, client_id)
    secret = store.secret_by_id(ctx.session, client.id, secret_id)
    if secret is None:
        detail = "This client has no secret with this id."
        raise SecretNotFound(detail)
    client.revision += 1
    ctx.session.delete(secret)
    record(ctx, "client.delete-secret", _about(client, {"secretId": secret_id}))


def _changeable(ctx: Context, client_id: str) -> Client:
    client = get_client(ctx, client_id)
    _must_administer(ctx, client.participant_id)
    return client


def _must_administer(ctx: Context, participant_id: str) -> None:
    if not may_change(ctx.actor, participant_id):
        detail = "Only an administrator of this organisation, or of the exchange, may do this."
        raise ClientChangeNotAllowed(detail)


def _person_roles(ctx: Context, client: Client) -> Sequence[str] | None:
    if client.person_id is None:
        return None
    return get_person(ctx, client.participant_id, client.person_id).roles


def _address_faults(ctx: Context, url: str | None, where: str) -> list[Fault]:
    if url is None:
        return []
    try:
        http.check_url(url, ctx.settings)
    except http.AddressNotAllowed as fault:
        return [Fault(where, fault.detail, fault.code())]
    return []


def _document_faults(ctx: Context, metadata_uri: str | None) -> list[Fault]:
    if metadata_uri is None:
        return []
    where = rules.KEYS_FROM[2]
    if not ctx.settings.client_metadata_documents:
        return [Fault(where, "this exchange takes no clients by a metadata document", "not-available")]
    if (form := documents.address_fault(metadata_uri)) is not None:
        return [Fault(where, form, "address")]
    if store.is_name_taken(ctx.session, metadata_uri):
        return [Fault(where, "there is a client of this address already", "taken")]
    return _address_faults(ctx, metadata_uri, where)


def _alias_faults(ctx: Context, client: Client) -> list[Fault]:
    """Give an iSHARE client the name it goes by there; return why it cannot have one."""
    if client.profile != Profile.ISHARE:
        return []
    if not ctx.settings.ishare_id:
        return [Fault("/securityProfile", "this exchange has no iSHARE id", "not-available")]
    held = identifiers_of(ctx, [client.participant_id]).get(client.participant_id, {})
    if "eori" not in held:
        return [Fault("/securityProfile", "the organisation has no EORI number", "identifier-missing")]
    client.alias = f"EU.EORI.{held['eori']}"
    if store.is_name_taken(ctx.session, client.alias):
        return [Fault("/securityProfile", "the organisation has an iSHARE client already", "taken")]
    return []


def _checked_keys(
    profile: SecurityProfile, jwks: Mapping[str, Any] | None, faults: list[Fault]
) -> dict[str, Any] | None:
    members = list(jwks["keys"]) if jwks is not None else []
    algorithms = profile.assertion.algorithms if profile.assertion is not None else ()
    found = [(index, jose.key_fault(member, algorithms)) for index, member in enumerate(members)]
    bad = [Fault(f"/jwks/keys/{index}", fault[1], fault[0]) for index, fault in found if fault is not None]
    if any(fault.code == "private-key" for fault in bad):
        raise PrivateKeySent(
            "A private key was sent. It is compromised now; nothing of it was kept.",
            remedy="Throw this key away, make a new pair where the client runs, and send only the public key.",
            faults=bad,
        )
    faults += bad
    if not bad:
        # FAPI 2.0 §5.4.2-3: keys of one kid are told apart by their type
        names = [(key["kid"], key["kty"]) for key in map(jose.bare_key, members)]
        faults += [
            Fault(f"/jwks/keys/{index}", "another key of this client has the same kid", "duplicate-kid")
            for index, name in enumerate(names)
            if name in names[:index]
        ]
    _refuse_if(faults)
    return {"keys": [jose.bare_key(member) for member in members]} if jwks is not None else None


def _refuse_if(faults: Sequence[Fault]) -> None:
    if faults:
        raise ClientNotPossible("The client cannot be as asked; see errors.", faults=faults)


def _save(ctx: Context, client: Client) -> Client:
    ctx.session.add(client)
    ctx.session.flush()
    details = {"move": "register", "to": client.state, "name": client.name, "profile": client.profile}
    record(ctx, "client.register", _about(client, {**details, "roles": client.roles, "kids": _kids(client)}))
    return client


def _make_secret(ctx: Context, client: Client, expires_at: datetime | None) -> NewSecret:
    text = new_secret(SECRET_PREFIX)
    row = ClientSecret(
        id=new_id(), client_id=client.id, digest=digest_of(text), created_at=ctx.now, expires_at=expires_at
    )
    ctx.session.add(row)
    record(ctx, "client.add-secret", _about(client, {"secretId": row.id}))
    return NewSecret(row, text)


def _kids(client: Client) -> list[str]:
    return [member["kid"] for member in (client.jwks or {"keys": []})["keys"]]


def _about(client: Client, details: Mapping[str, object]) -> About:
    return About(thing_id=client.id, consumer_id=client.participant_id, details=details)

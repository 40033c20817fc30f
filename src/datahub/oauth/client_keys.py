"""Where a client's keys come from: its registration, a URL of its own, or the certificate it shows.

By URL (RFC 7591 §2, `jwks_uri`): fetched through the guard on outgoing calls, kept for all workers, fetched again when old
or when an assertion names a key not among them, at most once a minute; when the other side fails, the old ones stay.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Engine

from datahub.kernel import db, http
from datahub.kernel.context import Context
from datahub.kernel.errors import Refusal
from datahub.kernel.settings import Settings
from datahub.oauth import certificates, documents, jose, revocation_lists, store
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.fetching import RETRY, Wanted
from datahub.oauth.models import Client, FetchedKeys
from datahub.oauth.profiles import AssertionRules, KeySource, rules_of
from datahub.participants import identifiers_of

FRESH = timedelta(minutes=10)
STALE = timedelta(hours=24)
MAX_JWKS_BYTES = 64 * 1024


class KeysWanted(Wanted):
    """The keys of a client must be fetched before its assertion can be judged."""

    def __init__(self, client_id: str, url: str) -> None:
        """Name the client and where its keys are."""
        super().__init__(client_id)
        self.client_id = client_id
        self.url = url

    def fetch(self, engine: Engine, settings: Settings, now: datetime) -> None:
        """Fetch the keys and keep them; a fault is kept beside them for the client's owner."""
        with db.transaction(engine) as session:
            if not store.claim_fetch(session, FetchedKeys, self.client_id, now, now - RETRY):
                return
        fault, jwks = None, None
        try:
            with db.transaction(engine, is_read=True) as session:
                client = session.get_one(Client, self.client_id)
            jwks = _fetched(settings, client)
        except (Refusal, ValueError) as failed:
            fault = str(failed)[:300]
        with db.transaction(engine) as session:
            row = session.get_one(FetchedKeys, self.client_id)
            row.fault = fault
            if jwks is not None:
                row.jwks, row.fetched_at = jwks, now


def key_finder(
    ctx: Context, client: Client, rules: AssertionRules
) -> Callable[[Mapping[str, Any]], jose.PublicKey]:
    """Return the function that finds the key for an assertion's header. It raises JwtNotGood, Wanted."""

    def find(header: Mapping[str, Any]) -> jose.PublicKey:
        if "x5c" in header and KeySource.X5C in rules.keys:
            found = certificates.read_chain(ctx.settings, header["x5c"], _identifier(ctx, client), ctx.now)
            revocation_lists.check_chain(ctx, found.chain)
            return found.key
        if KeySource.JWKS not in rules.keys:
            raise JwtNotGood("x5c-missing")
        return jose.choose_key(_known(ctx, client, header.get("kid")), header)

    return find


def _known(ctx: Context, client: Client, kid: object) -> jose.PublicKeys:
    if client.metadata_uri is not None and not ctx.settings.client_metadata_documents:
        raise JwtNotGood("documents-not-taken")
    address = client.metadata_uri or client.jwks_uri
    if address is None:
        return jose.public_keys(client.jwks) if client.jwks is not None else jose.nobodys_keys()
    row = ctx.session.get(FetchedKeys, client.id)
    jwks = row.jwks if row is not None else None
    is_known = jwks is not None and (kid is None or any(key["kid"] == kid for key in jwks["keys"]))
    is_fresh = row is not None and row.fetched_at is not None and ctx.now - row.fetched_at < FRESH
    may_try = row is None or ctx.now - row.tried_at >= RETRY
    if may_try and not (is_known and is_fresh):
        raise KeysWanted(client.id, address)
    if jwks is None or row is None or row.fetched_at is None or ctx.now - row.fetched_at > STALE:
        raise JwtNotGood("keys-not-fetched")
    return jose.public_keys(jwks)


def _fetched(settings: Settings, client: Client) -> dict[str, Any]:
    """Return the keys a client publishes. Raises Refusal, ValueError."""
    address, found = client.jwks_uri, None
    if client.metadata_uri is not None:
        document = http.get(settings, client.metadata_uri, MAX_JWKS_BYTES)
        found, address = documents.keys_of(document, client.metadata_uri, rules_of(client.profile).method)
    if address is not None:
        found = orjson.loads(http.get(settings, address, MAX_JWKS_BYTES))
    members = found.get("keys") if isinstance(found, dict) else None
    rules = rules_of(client.profile).assertion
    if not isinstance(members, list) or rules is None:
        msg = "what came is no JWK set (RFC 7517 §5)"
        raise ValueError(msg)
    usable = [
        jose.bare_key(member)
        for member in members[: jose.MAX_KEYS]
        if isinstance(member, dict) and jose.key_fault(member, rules.algorithms) is None
    ]
    if not usable:
        msg = "no key of this JWK set can be used"
        raise ValueError(msg)
    return {"keys": usable}


def _identifier(ctx: Context, client: Client) -> str | None:
    """Return what a certificate of this client must bear."""
    if client.alias is not None:
        return client.alias
    scheme = rules_of(client.profile).identifier_scheme
    if scheme is None:
        return None
    return identifiers_of(ctx, [client.participant_id]).get(client.participant_id, {}).get(scheme)

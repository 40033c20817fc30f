"""The verbs of a person who logs in by OpenID Connect: which logins there are, begin one, and make a session of it.

A login is begun and ended by the same program, which keeps the token it was given: whoever is led to somebody else's
login has no such token, and so no session. What is between is sealed in that token; nothing is stored before the end.
"""

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import IntegrityError

from datahub.audit import About, record
from datahub.catalog import get_dataset
from datahub.consent.errors import LinkNotUsable, LoginNotOffered
from datahub.consent.models import Channel, ConsentLink
from datahub.consent.rules.logins import Login, key_in, read_logins
from datahub.consent.service.mine import SESSION_LIFE, SESSION_PREFIX, NewSession, hash_of
from datahub.consent.service.people import digest_of_key
from datahub.consent.service.rules import get_rule
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id, new_secret
from datahub.kernel.settings import Settings
from datahub.oauth import Flow, Provider, Returned, authorization_url, redeem
from datahub.participants import participant_by_id

LOGIN_PREFIX = "dhb"
LOGIN_LIFE = timedelta(minutes=10)
_SEALED = "person-login"
_NONCE_BYTES = 12


@dataclass(frozen=True)
class Begun:
    """A login that was begun: where the person goes, and the token that ends it, never shown again."""

    url: str
    text: str
    until: datetime


@dataclass(frozen=True)
class Pending:
    """What a login's token holds."""

    login: Login
    provider_id: str
    key_space: str
    flow: Flow = field(repr=False)


def known_logins(settings: Settings) -> Sequence[Login]:
    """Return the logins that the operators wrote down; none without a file. Raises ValueError for a file that is wrong."""
    path = settings.person_logins
    if path is None:
        return ()
    try:
        return _read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        msg = f"DATAHUB_PERSON_LOGINS {str(path)!r}: {fault}"
        raise ValueError(msg) from fault


@lru_cache(maxsize=4)
def _read(text: str) -> Sequence[Login]:
    return read_logins(text)


def list_logins(ctx: Context, dataset_id: str) -> Sequence[Login]:
    """Return the logins by which people reach their consents on a dataset. Raises DatasetNotFound, ConsentRuleMissing."""
    serves, _, _ = _served(ctx, dataset_id)
    return [each for each in known_logins(ctx.settings) if serves in each.serves]


def begin_login(ctx: Context, dataset_id: str, name: str) -> Begun:
    """Begin a login. The provider is asked who it is with no transaction open.

    Raises DatasetNotFound, ConsentRuleMissing, LoginNotOffered, LoginProviderFailed.
    """
    serves, provider_id, key_space = _served(ctx, dataset_id)
    login = next((e for e in known_logins(ctx.settings) if e.name == name and serves in e.serves), None)
    if login is None:
        raise LoginNotOffered("There is no such login for this dataset.", remedy="Ask for a link instead.")
    redirect_uri = f"{ctx.settings.base_url}/consents"
    flow = Flow(redirect_uri, *(secrets.token_urlsafe(32) for _ in range(3)))
    until = ctx.now + LOGIN_LIFE
    text = _seal(ctx.settings, login, provider_id, key_space, flow=flow, until=until)
    ctx.session.commit()
    return Begun(authorization_url(ctx.settings, _provider(login), flow), text, until)


def is_login(unverified_text: str) -> bool:
    """Tell whether a token has the form of a login's."""
    return unverified_text.startswith(f"{LOGIN_PREFIX}_")


def end_login(ctx: Context, unverified_text: str, returned: Returned) -> NewSession:
    """Make a session of what came back from a login; once. The provider is asked with no transaction open.

    Raises LinkNotUsable, LoginNotGood, LoginProviderFailed.
    """
    pending = _open(ctx, unverified_text)
    ctx.session.commit()
    login = pending.login
    claims = redeem(ctx.settings, _provider(login), pending.flow, returned, ctx.now)
    key = key_in(login, claims)
    if key is None:
        detail = "This login does not tell, or not surely enough, who you are to this organisation."
        raise LinkNotUsable(detail, remedy="Ask the organisation for a link instead.")
    text = new_secret(SESSION_PREFIX)
    until = ctx.now + SESSION_LIFE
    kept = ConsentLink(
        id=new_id(),
        provider_id=pending.provider_id,
        key_space=pending.key_space,
        subject=digest_of_key(ctx.settings, pending.provider_id, pending.key_space, key),
        token_hash=hash_of(unverified_text),
        delivery=Channel.EXCHANGE_LOGIN,
        by_client_id=f"login/{login.name}",
        created_at=ctx.now,
        expires_at=until,
        used_at=ctx.now,
        session_hash=hash_of(text),
        session_until=until,
    )
    ctx.session.add(kept)
    try:
        ctx.session.flush()
    except IntegrityError as fault:  # its token was used before
        raise LinkNotUsable("This login was ended before.", remedy="Log in again.") from fault
    about = About(
        thing_id=kept.id,
        provider_id=kept.provider_id,
        details={"login": login.name, "issuer": login.issuer},
    )
    record(ctx, "consent-login.use", about)
    return NewSession(text, until)


def _served(ctx: Context, dataset_id: str) -> tuple[tuple[str, str], str, str]:
    dataset = get_dataset(ctx, dataset_id)
    rule = get_rule(ctx, dataset.id)
    provider = participant_by_id(ctx.session, rule.provider_id)
    return (provider.slug if provider else "", rule.key_space), rule.provider_id, rule.key_space


def _provider(login: Login) -> Provider:
    return Provider(login.issuer, login.client_id, login.client_secret, login.scope)


def _seal(
    settings: Settings, login: Login, provider_id: str, key_space: str, *, flow: Flow, until: datetime
) -> str:
    said = {
        "login": login.name,
        "issuer": login.issuer,
        "provider": provider_id,
        "keySpace": key_space,
        "redirect": flow.redirect_uri,
        "state": flow.state,
        "nonce": flow.nonce,
        "verifier": flow.verifier,
        "until": until.timestamp(),
    }
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(settings.derive_key(_SEALED)).encrypt(nonce, orjson.dumps(said), None)
    return f"{LOGIN_PREFIX}_{base64.urlsafe_b64encode(sealed).rstrip(b'=').decode()}"


def _open(ctx: Context, unverified_text: str) -> Pending:
    """Return what a login's token holds. Raises LinkNotUsable: it is none, is over, or its login is no more."""
    fault = LinkNotUsable("This login is over, or never was one.", remedy="Log in again.")
    part = unverified_text.removeprefix(f"{LOGIN_PREFIX}_")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        key = AESGCM(ctx.settings.derive_key(_SEALED))
        said = orjson.loads(key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None))
    except (InvalidTag, ValueError, binascii.Error) as wrong:
        raise fault from wrong
    login = next((each for each in known_logins(ctx.settings) if each.name == said["login"]), None)
    is_over = datetime.fromtimestamp(said["until"], UTC) <= ctx.now
    if login is None or login.issuer != said["issuer"] or is_over:
        raise fault
    flow = Flow(said["redirect"], said["state"], said["nonce"], said["verifier"])
    return Pending(login, said["provider"], said["keySpace"], flow)

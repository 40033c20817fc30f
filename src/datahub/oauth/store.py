"""Queries of the authorization server."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select

from datahub.kernel.context import Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.oauth.models import Client, ClientSecret, ClientState, Revocation, SigningKey, UsedAssertion
from datahub.participants import Participant, Person, Role


def client_by_id(session: Session, client_id: str) -> Client | None:
    """Return a client; the caller checks who may see it."""
    return session.get(Client, client_id) if is_id(client_id) else None


def clients_page(
    ctx: Context, request: PageRequest, participant_id: str | None, state: ClientState | None
) -> Page[Client]:
    """Return clients the actor may see, by id."""
    found = select(Client)
    if not ctx.actor.oversees(Role.ADMIN, Role.AUDITOR):
        found = found.where(Client.participant_id == ctx.actor.participant_id)
    if participant_id is not None:
        found = found.where(Client.participant_id == (participant_id if is_id(participant_id) else ""))
    if state is not None:
        found = found.where(Client.state == state)
    return read_page(ctx, found, [SortKey(col(Client.id), "id")], request)


def has_clients(session: Session, participant_id: str) -> bool:
    """Tell whether an organisation has any client."""
    return session.exec(select(Client.id).where(Client.participant_id == participant_id)).first() is not None


def client_with_owner(session: Session, client_id: str) -> tuple[Client, Participant, Person | None] | None:
    """Return a client, its organisation and the person it is bound to, in one query."""
    found = (
        select(Client, Participant, Person)
        .join(Participant, col(Participant.id) == Client.participant_id)
        .join(Person, col(Person.id) == Client.person_id, isouter=True)
        .where(Client.id == (client_id if is_id(client_id) else ""))
    )
    return session.exec(found).first()


def secrets_of(session: Session, client_id: str) -> Sequence[ClientSecret]:
    """Return the secrets of a client, oldest first, expired ones too."""
    known = client_id if is_id(client_id) else ""
    found = select(ClientSecret).where(ClientSecret.client_id == known).order_by(col(ClientSecret.id))
    return session.exec(found).all()


def secret_by_id(session: Session, client_id: str, secret_id: str) -> ClientSecret | None:
    """Return one secret of one client."""
    secret = session.get(ClientSecret, secret_id) if is_id(secret_id) else None
    return secret if secret is not None and secret.client_id == client_id else None


def usable_keys(session: Session) -> Sequence[SigningKey]:
    """Return the signing keys that still have a private part, in the order of their use."""
    found = (
        select(SigningKey).where(col(SigningKey.sealed).is_not(None)).order_by(col(SigningKey.active_from))
    )
    return session.exec(found).all()


def all_keys(session: Session) -> Sequence[SigningKey]:
    """Return every signing key there ever was, in the order of their use."""
    return session.exec(select(SigningKey).order_by(col(SigningKey.active_from))).all()


def use_up(session: Session, digest: str, expires_at: datetime) -> bool:
    """Use an assertion up; False when somebody did before. After False the transaction must end."""
    try:
        session.exec(insert(UsedAssertion).values(digest=digest, expires_at=expires_at))
    except IntegrityError:
        return False
    return True


def add_revocation(session: Session, subject: str, revoked_at: datetime, expires_at: datetime) -> None:
    """Put a subject on the deny list, or renew it there."""
    session.merge(Revocation(subject=subject, revoked_at=revoked_at, expires_at=expires_at))
    session.flush()


def is_revoked(session: Session, subjects: Sequence[str], issued_at: datetime) -> bool:
    """Tell whether one of the subjects was revoked at or after a token's issue."""
    named = or_(*(col(Revocation.subject) == subject for subject in subjects))
    found = select(Revocation.subject).where(named, col(Revocation.revoked_at) >= issued_at)
    return session.exec(found.limit(1)).first() is not None


def purge(session: Session, now: datetime) -> int:
    """Drop used assertions and revocations that can no longer matter; return how many."""
    dropped = 0
    for table in (UsedAssertion, Revocation):
        dropped += session.exec(delete(table).where(col(table.expires_at) < now)).rowcount
    return dropped

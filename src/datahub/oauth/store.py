"""Queries of the authorization server."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, bindparam, delete, inspect, text, update
from sqlmodel import Session, col, or_, select

from datahub.audit import Entry
from datahub.kernel import db
from datahub.kernel.context import Context
from datahub.kernel.ids import is_id
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.oauth.models import (
    MAX_NAME_LENGTH,
    Client,
    ClientSecret,
    ClientState,
    FetchedKeys,
    FetchedList,
    PushedRequest,
    Revocation,
    SigningKey,
    UsedAssertion,
)
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


def auth_events_page(ctx: Context, client_id: str, request: PageRequest) -> Page[Entry]:
    """Return what a client did at OAuth's endpoints, newest first; the caller checks who may see it."""
    found = select(Entry).where(Entry.thing_id == client_id, col(Entry.action).startswith("oauth."))
    return read_page(ctx, found, [SortKey(col(Entry.id), "id", is_descending=True)], request)


def is_name_taken(session: Session, name: str) -> bool:
    """Tell whether a client goes by this name already."""
    return session.exec(select(Client.id).where(_is_named(name))).first() is not None


def forget_fetched(session: Session, client_id: str) -> None:
    """Forget the keys that were fetched for a client."""
    session.exec(delete(FetchedKeys).where(col(FetchedKeys.client_id) == client_id))


def has_clients(session: Session, participant_id: str) -> bool:
    """Tell whether an organisation has any client."""
    return session.exec(select(Client.id).where(Client.participant_id == participant_id)).first() is not None


def client_with_owner(session: Session, client_id: str) -> tuple[Client, Participant, Person | None] | None:
    """Return the client of this id or alias, its organisation and the person it is bound to, in one query."""
    found = (
        select(Client, Participant, Person)
        .join(Participant, col(Participant.id) == Client.participant_id)
        .join(Person, col(Person.id) == Client.person_id, isouter=True)
        .where(_is_named(client_id))
    )
    return session.exec(found).first()


def _is_named(name: str) -> ColumnElement[bool]:
    # No alias has the form of an id, nor either that of an address, so that no client can be taken for another
    if is_id(name):
        return col(Client.id) == name
    column = Client.metadata_uri if "://" in name else Client.alias
    return col(column) == name[:MAX_NAME_LENGTH].replace("\0", "")


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


def claim_fetch(
    session: Session, table: type[FetchedKeys | FetchedList], name: str, now: datetime, not_since: datetime
) -> bool:
    """Take the turn to fetch what stands under a name; False when somebody took it since `not_since`."""
    (key,) = inspect(table).primary_key
    made = text(
        f"insert into {table.__tablename__} ({key.name}, tried_at) values (:name, :tried_at) "  # noqa: S608 — our own names
        f"on conflict ({key.name}) do nothing"
    ).bindparams(bindparam("tried_at", type_=db.UtcDateTime()))
    if session.connection().execute(made, {"name": name, "tried_at": now}).rowcount == 1:
        return True
    taken = update(table).where(key == name, col(table.tried_at) <= not_since).values(tried_at=now)
    return session.exec(taken).rowcount == 1


def fetched_list(session: Session, url: str) -> tuple[str | None, datetime | None, datetime] | None:
    """Return digest, fetched_at and tried_at of a revocation list, but not the list, which may be megabytes."""
    found = select(FetchedList.digest, FetchedList.fetched_at, FetchedList.tried_at)
    return session.exec(found.where(FetchedList.url == url)).first()


def list_content(session: Session, url: str) -> bytes:
    """Return the revocation list of an address; empty when there is none."""
    return session.exec(select(FetchedList.content).where(FetchedList.url == url)).first() or b""


def take_pushed(session: Session, digest: str) -> bool:
    """Take a pushed request away, for its one use; False when it is no longer there."""
    found = delete(PushedRequest).where(col(PushedRequest.digest) == digest)
    return session.exec(found).rowcount == 1


def add_revocation(session: Session, subject: str, revoked_at: datetime, expires_at: datetime) -> None:
    """Put a subject on the deny list, or renew it there."""
    session.merge(Revocation(subject=subject, revoked_at=revoked_at, expires_at=expires_at))
    session.flush()


def is_revoked(session: Session, subjects: Sequence[str], issued_at: datetime) -> bool:
    """Tell whether one of the subjects was revoked at or after a token's issue."""
    named = or_(*(col(Revocation.subject) == subject for subject in subjects))
    found = select(Revocation.subject).where(named, col(Revocation.revoked_at) >= issued_at)
    return session.exec(found.limit(1)).first() is not None


# A revocation list that nobody asked for this long
_UNASKED = timedelta(days=7)


def purge(session: Session, now: datetime) -> int:
    """Drop uses, revocations, pushed requests and fetched lists that can no longer matter; return how many."""
    over = [
        delete(table).where(col(table.expires_at) < now)
        for table in (UsedAssertion, Revocation, PushedRequest)
    ]
    unasked = delete(FetchedList).where(col(FetchedList.tried_at) < now - _UNASKED)
    # Past the session, which would move the authority epoch for a revocation that nobody can feel any more.
    connection = session.connection()
    return sum(connection.execute(each).rowcount for each in (*over, unasked))

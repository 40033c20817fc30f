"""Queries on organisations and people."""

from collections.abc import Mapping, Sequence

from sqlalchemy import or_
from sqlmodel import Session, col, select

from datahub.kernel.context import Actor, Context
from datahub.kernel.paging import Page, PageRequest, SortKey, read_page
from datahub.participants.models import LegalIdentifier, Participant, ParticipantState, Person, Role, Webhook


def participant_by_id(session: Session, participant_id: str) -> Participant | None:
    """Return an organisation; the caller checks who may see it."""
    return session.get(Participant, participant_id)


def the_exchange(session: Session) -> Participant | None:
    """Return the exchange's own organisation, if there is one yet."""
    return session.exec(select(Participant).where(col(Participant.is_exchange).is_(True))).first()


def slug_taken(session: Session, slug: str) -> bool:
    """Tell whether a short name is in use."""
    return session.exec(select(Participant.id).where(Participant.slug == slug)).first() is not None


def identifier_owner(session: Session, scheme: str, value: str) -> str | None:
    """Return the id of the organisation with this identifier."""
    found = select(LegalIdentifier.participant_id).where(
        LegalIdentifier.scheme == scheme, LegalIdentifier.value == value
    )
    return session.exec(found).first()


def participants_page(
    ctx: Context, actor: Actor, request: PageRequest, state: ParticipantState | None, text: str | None
) -> Page[Participant]:
    """Return organisations the actor may see, by id."""
    found = select(Participant)
    if not actor.oversees(Role.ADMIN, Role.AUDITOR):
        own = col(Participant.id) == actor.participant_id
        found = found.where(or_(col(Participant.state) == ParticipantState.ADMITTED, own))
    if state is not None:
        found = found.where(Participant.state == state)
    if text:
        found = found.where(col(Participant.name).icontains(text, autoescape=True))
    return read_page(ctx, found, [SortKey(col(Participant.id), "id")], request)


def identifiers_of(session: Session, participant_ids: Sequence[str]) -> Mapping[str, dict[str, str]]:
    """Return scheme → value for each of the organisations."""
    found = select(LegalIdentifier).where(col(LegalIdentifier.participant_id).in_(participant_ids))
    result: dict[str, dict[str, str]] = {pid: {} for pid in participant_ids}
    for row in session.exec(found):
        result[row.participant_id][row.scheme] = row.value
    return result


def person_by_id(session: Session, participant_id: str, person_id: str) -> Person | None:
    """Return one person of one organisation."""
    found = select(Person).where(Person.id == person_id, Person.participant_id == participant_id)
    return session.exec(found).first()


def person_by_email(session: Session, participant_id: str, email: str) -> Person | None:
    """Return the person of an organisation with this address."""
    found = select(Person).where(Person.participant_id == participant_id, Person.email == email)
    return session.exec(found).first()


def people_page(ctx: Context, participant_id: str, request: PageRequest) -> Page[Person]:
    """Return the people of one organisation, by id."""
    found = select(Person).where(Person.participant_id == participant_id)
    return read_page(ctx, found, [SortKey(col(Person.id), "id")], request)


def all_people(session: Session, participant_id: str) -> Sequence[Person]:
    """Return all people of one organisation, for rules that look at all of them."""
    return session.exec(select(Person).where(Person.participant_id == participant_id)).all()


def webhook_by_id(session: Session, participant_id: str, webhook_id: str) -> Webhook | None:
    """Return one webhook of one organisation."""
    found = select(Webhook).where(Webhook.id == webhook_id, Webhook.participant_id == participant_id)
    return session.exec(found).first()


def webhooks_of(session: Session, participant_ids: Sequence[str]) -> Sequence[Webhook]:
    """Return the webhooks of some organisations, oldest first."""
    found = select(Webhook).where(col(Webhook.participant_id).in_(participant_ids)).order_by(col(Webhook.id))
    return session.exec(found).all()

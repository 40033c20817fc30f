"""The verbs on organisations and their people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datahub.audit import About, Entry, history, record
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.participants import rules, store
from datahub.participants.errors import (
    InvalidLegalIdentifier,
    LastAdministrator,
    ParticipantExists,
    ParticipantMoveNotAllowed,
    ParticipantNotFound,
    PersonExists,
    PersonNotFound,
)
from datahub.participants.models import (
    LegalIdentifier,
    Participant,
    ParticipantState,
    Person,
    Role,
    Scheme,
)

_MOVE_ACTIONS = ("participant.apply", *sorted({f"participant.{move}" for _, move in rules.MOVES}))


@dataclass(frozen=True)
class Application:
    """What an organisation says of itself when it applies."""

    name: str
    slug: str
    contact_email: str
    identifiers: Mapping[Scheme, str]
    website: str | None = None


def apply(ctx: Context, application: Application) -> Participant:
    """An organisation asks to join; anyone may. It can do nothing until it is admitted.

    Raises InvalidLegalIdentifier (all faults at once), ParticipantExists.
    """
    identifiers = _checked(application.identifiers)
    if store.slug_taken(ctx.session, application.slug):
        raise ParticipantExists(
            f"The short name {application.slug!r} is taken.",
            faults=[Fault("/slug", "taken by another organisation", "taken")],
        )
    for scheme, value in identifiers.items():
        if store.identifier_owner(ctx.session, scheme, value):
            raise ParticipantExists(
                f"An organisation with this {scheme.upper()} is already known.",
                faults=[Fault(f"/legalIdentifiers/{scheme}", "belongs to a known organisation", "taken")],
            )
    participant = Participant(
        id=new_id(),
        slug=application.slug,
        name=application.name,
        contact_email=application.contact_email,
        website=application.website,
        state=ParticipantState.APPLIED,
        created_at=ctx.now,
    )
    _save(ctx, participant, identifiers)
    record(ctx, "participant.apply", _about(participant, {"slug": participant.slug}))
    return participant


def found_exchange(ctx: Context, application: Application) -> Participant:
    """Make the exchange's own organisation, admitted from the start. Raises ParticipantExists when there is one."""
    if store.the_exchange(ctx.session) is not None:
        detail = "This exchange has its own organisation already."
        raise ParticipantExists(detail)
    participant = Participant(
        id=new_id(),
        slug=application.slug,
        name=application.name,
        contact_email=application.contact_email,
        website=application.website,
        state=ParticipantState.ADMITTED,
        is_exchange=True,
        created_at=ctx.now,
    )
    _save(ctx, participant, _checked(application.identifiers))
    record(ctx, "participant.found", _about(participant, {"slug": participant.slug}))
    return participant


def get_participant(ctx: Context, participant_id: str) -> Participant:
    """Return an organisation the actor may see. Raises ParticipantNotFound."""
    participant = store.participant_by_id(ctx.session, participant_id)
    if participant is None or not rules.may_see(ctx.actor, participant):
        detail = "No organisation with this id."
        raise ParticipantNotFound(detail)
    return participant


def list_participants(
    ctx: Context, request: PageRequest, state: ParticipantState | None = None, text: str | None = None
) -> Page[Participant]:
    """Return organisations the actor may see, oldest first; `text` looks in the name."""
    return store.participants_page(ctx, ctx.actor, request, state, text)


def identifiers_of(ctx: Context, participant_ids: Sequence[str]) -> Mapping[str, dict[str, str]]:
    """Return the legal identifiers (scheme → value) of each organisation."""
    return store.identifiers_of(ctx.session, participant_ids)


def change_participant(ctx: Context, participant_id: str, changes: Mapping[str, str | None]) -> Participant:
    """Change name, contact or website. Raises ParticipantNotFound, ParticipantMoveNotAllowed."""
    participant = administered(ctx, participant_id)
    for name, value in changes.items():
        setattr(participant, name, value)
    participant.revision += 1
    record(ctx, "participant.change", _about(participant, {"fields": sorted(changes)}))
    return participant


def move_participant(ctx: Context, participant_id: str, move: str, reason: str | None) -> Participant:
    """Admit, decline, suspend or reinstate an organisation, or let it leave; bites at its very next call.

    Raises ParticipantNotFound, ParticipantMoveNotAllowed, ParticipantMoveNotPossible.
    """
    participant = get_participant(ctx, participant_id)
    before = participant.state
    participant.state = rules.decide_move(ctx.actor, participant, move)
    participant.revision += 1
    details = {"move": move, "from": before, "to": participant.state, "reason": reason}
    record(ctx, f"participant.{move}", _about(participant, details))
    announce(ctx, "ParticipantMoved", {"participantId": participant.id, **details})
    return participant


def participant_history(ctx: Context, participant_id: str) -> Sequence[Entry]:
    """Return the moves of an organisation's life, oldest first. Raises ParticipantNotFound."""
    administered(ctx, participant_id)
    return history(ctx, participant_id, _MOVE_ACTIONS)


def add_person(ctx: Context, participant_id: str, name: str, email: str, roles: Sequence[Role]) -> Person:
    """Add somebody who acts for an organisation. Raises ParticipantNotFound, ParticipantMoveNotAllowed, PersonExists."""
    administered(ctx, participant_id)
    if store.person_by_email(ctx.session, participant_id, email):
        detail = "The organisation already has a person with this e-mail address."
        raise PersonExists(detail, faults=[Fault("/email", "taken", "taken")])
    person = Person(
        id=new_id(),
        participant_id=participant_id,
        name=name,
        email=email,
        roles=sorted(set(roles)),
        created_at=ctx.now,
    )
    ctx.session.add(person)
    record(ctx, "person.add", About(thing_id=person.id, details={"roles": person.roles}))
    return person


def get_person(ctx: Context, participant_id: str, person_id: str) -> Person:
    """Return one person of an organisation the actor administers. Raises ParticipantNotFound, PersonNotFound."""
    administered(ctx, participant_id)
    person = store.person_by_id(ctx.session, participant_id, person_id)
    if person is None:
        detail = "No person with this id in this organisation."
        raise PersonNotFound(detail)
    return person


def list_people(ctx: Context, participant_id: str, request: PageRequest) -> Page[Person]:
    """Return the people of an organisation the actor administers. Raises ParticipantNotFound."""
    administered(ctx, participant_id)
    return store.people_page(ctx, participant_id, request)


def change_person(
    ctx: Context,
    participant_id: str,
    person_id: str,
    *,
    name: str | None = None,
    roles: Sequence[Role] | None = None,
    is_active: bool | None = None,
) -> Person:
    """Change a person's name, roles or whether they are active. Raises PersonNotFound, LastAdministrator."""
    person = get_person(ctx, participant_id, person_id)
    keeps_admin = (roles is None or Role.ADMIN in roles) and is_active is not False
    everyone = [(p.id, p.is_active, p.roles) for p in store.all_people(ctx.session, participant_id)]
    if not keeps_admin and rules.is_last_administrator(everyone, person_id):
        detail = "This is the organisation's last administrator."
        raise LastAdministrator(detail, remedy="Make somebody else administrator first.")
    person.name = name if name is not None else person.name
    person.roles = sorted(set(roles)) if roles is not None else person.roles
    person.is_active = is_active if is_active is not None else person.is_active
    person.revision += 1
    record(
        ctx,
        "person.change",
        About(thing_id=person.id, details={"roles": person.roles, "active": person.is_active}),
    )
    return person


def administered(ctx: Context, participant_id: str) -> Participant:
    """Return an organisation the actor administers. Raises ParticipantNotFound, ParticipantMoveNotAllowed."""
    participant = get_participant(ctx, participant_id)
    if not rules.may_change(ctx.actor, participant.id):
        detail = "Only an administrator of this organisation, or of the exchange, may do this."
        raise ParticipantMoveNotAllowed(detail)
    return participant


def _checked(identifiers: Mapping[Scheme, str]) -> dict[Scheme, str]:
    normalised = {scheme: rules.normalise_identifier(scheme, value) for scheme, value in identifiers.items()}
    found = [rules.identifier_fault(s, v, f"/legalIdentifiers/{s}") for s, v in normalised.items()]
    faults = [fault for fault in found if fault is not None]
    if faults:
        detail = "A legal identifier cannot be right."
        raise InvalidLegalIdentifier(detail, faults=faults)
    return normalised


def _save(ctx: Context, participant: Participant, identifiers: Mapping[Scheme, str]) -> None:
    ctx.session.add(participant)
    ctx.session.flush()
    for scheme, value in identifiers.items():
        ctx.session.add(LegalIdentifier(participant_id=participant.id, scheme=scheme, value=value))
    ctx.session.flush()


def _about(participant: Participant, details: Mapping[str, object]) -> About:
    return About(thing_id=participant.id, details=details)

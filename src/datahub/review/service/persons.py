"""What a person may learn: who used data about them, and, when an administrator decides so, which person that was."""

from datetime import datetime

from datahub.audit import About, Entry, Report, record, report_on_subject, subject_reference
from datahub.consent import digest_of_key, me
from datahub.kernel.context import Context
from datahub.kernel.paging import PageRequest
from datahub.participants import Person
from datahub.review.errors import ForwardingNotAllowed, NobodyToName


def report(
    ctx: Context,
    provider_id: str | None,
    key_space: str,
    key: str,
    request: PageRequest,
    *,
    since: datetime | None,
    until: datetime | None,
    reason: str,
) -> Report:
    """Report who used data about the person with this key in a key space of a provider (by default the actor's own).

    The key itself is neither stored nor logged. Raises ReportNotAllowed, SubjectNotFound, InvalidConsent.
    """
    owner = provider_id or ctx.actor.participant_id or ""
    digest = digest_of_key(ctx.settings, owner, key_space, key)
    reference = subject_reference(owner, key_space, digest)
    return report_on_subject(ctx, reference, request, since=since, until=until, reason=reason)


def own_report(
    ctx: Context, request: PageRequest, *, since: datetime | None, until: datetime | None
) -> Report:
    """Report to the person whose session it is who used data about them (GDPR art. 15). Raises SubjectNotFound."""
    person = me(ctx)
    reference = subject_reference(person.provider_id, person.key_space, person.subject)
    return report_on_subject(
        ctx, reference, request, since=since, until=until, reason="asked by the person", is_own=True
    )


def name_person(ctx: Context, entry_id: str, reason: str) -> Person:
    """Name the person who acted in an entry: a decision of the exchange's administrator, which is logged.

    Raises ForwardingNotAllowed, NobodyToName.
    """
    if not ctx.actor.oversees("admin"):
        raise ForwardingNotAllowed("Only an administrator of the exchange decides that a person is named.")
    entry = ctx.session.get(Entry, entry_id)
    person = entry and entry.actor_person_id and ctx.session.get(Person, entry.actor_person_id)
    if not isinstance(person, Person):
        raise NobodyToName("No person is known to have acted in this entry.")
    record(ctx, "log.name-person", About(thing_id=entry_id, details={"reason": reason}))
    return person

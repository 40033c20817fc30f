"""Recall: a person said no, so whoever received their rows is to erase them (GDPR art. 7(3), 17(1)(b), 19).

First it is found out who holds what, with no transaction that anybody waits for; then the duties are entered, one for an
agreement, to which people are added for a while before it goes out. News that comes twice finds the people there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from datahub.audit import record
from datahub.catalog import DatasetVersion, version_by_id
from datahub.consent import (
    Named,
    Received,
    current_rule,
    keys_of,
    may_hold,
    open_person,
    people_of_records,
    recipients_of_many,
    said_yes_since,
)
from datahub.contracts import Agreement, agreement_by_id, recipient_names
from datahub.duties import store
from datahub.duties.models import (
    LIVING,
    Cause,
    Consequence,
    Duty,
    DutyMove,
    DutyState,
    DutySubject,
    Ground,
    Known,
)
from datahub.duties.rules.arising import ERASE, best_known
from datahub.duties.rules.lives import After
from datahub.duties.service import ledger, names
from datahub.engine import code_of
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.participants import identifiers_of, participant_by_id

RULE = "GDPR art. 17(1)(b) and 19"
AGAIN = "everybody it was about allows it again"


@dataclass(frozen=True)
class Eyes:
    """What doors above know of an agreement: how it shows a version's columns, and the key of its codes."""

    shown_as: Callable[[Context, Agreement, DatasetVersion, datetime], Mapping[str, str]]
    pseudonym_key: Callable[[Context, Agreement], bytes]


@dataclass(frozen=True)
class Person:
    """A person whose rows somebody holds, and by what name they know them."""

    subject: bytes
    known: Known
    name: str | None


@dataclass
class Recall:
    """What one agreement's consumer is to erase."""

    agreement: Agreement
    cause: Cause
    days: int
    key_space: str
    people: list[Person] = field(default_factory=list)


def find(ctx: Context, payload: Mapping[str, Any], eyes: Eyes) -> Sequence[Recall]:
    """Return who holds rows of people that may not be held any more: by news of a no, or of somebody forgotten.

    Raises ObjectMissing, StorageFailed; the news is then tried again later.
    """
    if "person" in payload:
        people, cause = frozenset({open_person(ctx.settings, payload["person"])}), Cause.FORGOTTEN
        datasets: Sequence[str] = payload["datasetIds"]
    else:
        people, cause = people_of_records(ctx.session, payload["recordIds"]), Cause.NO
        datasets = [payload["datasetId"]]
    return [each for dataset_id in datasets for each in _on_dataset(ctx, dataset_id, people, cause, eyes)]


def owe(ctx: Context, recalls: Sequence[Recall]) -> Sequence[Duty]:
    """Enter what was found; who is in a recall of the agreement already stays as they are. Return the duties."""
    return [duty for each in recalls if (duty := _owe_one(ctx, each)) is not None]


def drop_who_allows_again(ctx: Context, duty: Duty) -> bool:
    """Take off a recall, before it goes out, whom the consumer may hold again; tell whether anybody is left."""
    agreement = agreement_by_id(ctx.session, duty.agreement_id or "")
    people = store.subjects_of(ctx.session, duty.id)
    if agreement is None or duty.dataset_id is None:
        return bool(people)
    asked = [each.subject for each in people if each.cause == Cause.NO]
    allowed = _allowed(ctx, agreement, asked)
    if allowed:
        store.drop_subjects(ctx.session, duty.id, sorted(allowed))
        duty.subjects = len(people) - len(allowed)
        ctx.session.add(duty)
    if duty.subjects:
        return True
    after = After(DutyState.OPEN, DutyState.LAPSED, duty.due_at, is_settled=True)
    ledger.change(ctx, duty, DutyMove.LAPSE, after, AGAIN)
    return False


def _on_dataset(
    ctx: Context, dataset_id: str, people: frozenset[bytes], cause: Cause, eyes: Eyes
) -> list[Recall]:
    rule = current_rule(ctx.session, dataset_id)
    if rule is None or not people:
        return []
    held: dict[str, dict[bytes, Received]] = {}
    for subject, received in recipients_of_many(ctx, dataset_id, sorted(people)).items():
        for each in received:  # the version received last tells by what name the person is known
            before = held.setdefault(each.agreement_id, {}).get(subject)
            if before is None or before.last_at <= each.last_at:
                held[each.agreement_id][subject] = each
    days = (rule.handling or {}).get("recallDays") or ctx.settings.duty_days
    found = []
    for agreement_id, of_whom in held.items():
        agreement = agreement_by_id(ctx.session, agreement_id)
        if agreement is None:
            continue
        wanted = _not_owed_yet(ctx, agreement, of_whom, cause)
        if cause is Cause.NO:
            wanted -= _allowed(ctx, agreement, sorted(wanted))
        if wanted:
            recall = Recall(agreement, cause, days, rule.key_space)
            recall.people = _known(ctx, agreement, {s: of_whom[s] for s in wanted}, Named.by(rule), eyes)
            found.append(recall)
    return found


def _allowed(ctx: Context, agreement: Agreement, subjects: Sequence[bytes]) -> frozenset[bytes]:
    consumer = participant_by_id(ctx.session, agreement.consumer_id)
    if consumer is None or not subjects:
        return frozenset()
    recipient = recipient_names(consumer, identifiers_of(ctx, [consumer.id])[consumer.id])
    return may_hold(ctx, agreement.dataset_id, agreement.purpose or "", recipient, subjects)


def _not_owed_yet(
    ctx: Context, agreement: Agreement, held: Mapping[bytes, Received], cause: Cause
) -> set[bytes]:
    """Leave out who is in a recall that lives, or in one that is settled and nothing about them left since."""
    recalls = store.recalls_of(ctx.session, agreement.id, held)
    settled: dict[bytes, datetime] = {}
    wanted = set(held)
    for subject, entries in recalls.items():
        if any(duty.state in LIVING for duty, _ in entries):
            wanted.discard(subject)
            continue
        done = [at for duty, at in entries if duty.state != DutyState.LAPSED]
        if done:
            settled[subject] = max(done)
    again = said_yes_since(ctx.session, agreement.dataset_id, settled) if cause is Cause.NO else {}
    for subject, at in settled.items():
        # Between a no and the next yes nothing of the person leaves, whatever else does.
        since = again.get(subject) if cause is Cause.NO else at
        if since is None or held[subject].last_at < since:
            wanted.discard(subject)
    return wanted


def _known(
    ctx: Context, agreement: Agreement, held: Mapping[bytes, Received], named: Named, eyes: Eyes
) -> list[Person]:
    found = []
    by_version: dict[str, list[bytes]] = {}
    for subject, received in held.items():
        by_version.setdefault(received.version_id, []).append(subject)
    for version_id, subjects in by_version.items():
        version = version_by_id(ctx.session, version_id)
        known, keys = Known.HIDDEN, dict[bytes, str]()
        if version is not None:
            last = max(held[each].last_at for each in subjects)
            shown = eyes.shown_as(ctx, agreement, version, last)
            known = best_known(shown.get(name) for name in named.subjects)
            if known is not Known.HIDDEN:
                keys = dict(keys_of(ctx.settings, version, named, subjects))
        for subject in sorted(subjects):
            key = keys.get(subject)
            how = known if key is not None else Known.HIDDEN
            found.append(Person(subject, how, _name(ctx, agreement, how, key, eyes)))
    return found


def _name(ctx: Context, agreement: Agreement, known: Known, key: str | None, eyes: Eyes) -> str | None:
    if key is None or known is Known.KEY:
        return key
    code: str = code_of(key, eyes.pseudonym_key(ctx, agreement) if known is Known.PSEUDONYM else None)
    return code


def _owe_one(ctx: Context, recall: Recall) -> Duty | None:
    agreement = recall.agreement
    # Somebody else may have been faster since they were looked for.
    there = store.recalls_of(ctx.session, agreement.id, [each.subject for each in recall.people])
    living = {subject for subject, found in there.items() if any(d.state in LIVING for d, _ in found)}
    people = [each for each in recall.people if each.subject not in living]
    if not people:
        return None
    duty = store.gathering(ctx.session, agreement.id, ctx.now)
    is_new = duty is None
    if duty is None:
        duty = _duty(ctx, recall)
        ctx.session.add(duty)
        ctx.session.flush()
    number = store.last_number(ctx.session, duty.id)
    for at, each in enumerate(people, number + 1):
        sealed = None if each.name is None else names.sealed(ctx.settings, duty.id, each.subject, each.name)
        ctx.session.add(
            DutySubject(
                duty_id=duty.id,
                number=at,
                subject=each.subject,
                cause=recall.cause,
                known=each.known,
                sealed=sealed,
                at=ctx.now,
            )
        )
    duty.subjects += len(people)
    ctx.session.add(duty)
    ctx.session.flush()
    if is_new:
        ledger.enter(ctx, duty)
    else:
        record(ctx, "duty.add-subjects", ledger.about(duty, {"people": len(people)}))
    return duty


def _duty(ctx: Context, recall: Recall) -> Duty:
    agreement = recall.agreement
    number = store.recalls_so_far(ctx.session, agreement.id) + 1
    return Duty(
        id=new_id(),
        ground=Ground.RECALL,
        action=ERASE,
        timing="post",
        rule=RULE,
        # Of two workers at once one makes it; the other's news comes again, and finds it.
        origin=f"recall:{agreement.id}:{number}",
        debtor_id=agreement.consumer_id,
        creditor_id=agreement.provider_id,
        dataset_id=agreement.dataset_id,
        agreement_id=agreement.id,
        key_space=recall.key_space,
        purpose=agreement.purpose,
        needs="attestation",
        state=DutyState.OPEN,
        consequence=Consequence.SUSPEND,
        term_s=int(timedelta(days=recall.days).total_seconds()),
        starts_at=ctx.now + timedelta(seconds=ctx.settings.recall_gather_s),
        created_at=ctx.now,
    )

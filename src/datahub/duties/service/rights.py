"""The verbs of the person's rights: see who received rows, object, ask to be erased, and see what became of it.

GDPR art. 12, 15(1)(c), 17, 19, 21. What the exchange cannot do by itself is owed by the organisation that provides the
data, within a month; the person sees its state, its evidence, and the reason of a no.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from datahub.audit import About, Entry, record
from datahub.catalog import Dataset, dataset_by_id, version_of
from datahub.consent import (
    Choice,
    Move,
    MyTopic,
    Named,
    Received,
    decide_mine,
    keys_of,
    me,
    my_topics,
    recipients_of,
    ruled_datasets,
)
from datahub.contracts import agreement_by_id, purpose_of
from datahub.duties import store
from datahub.duties.errors import AskedAlready, DutyNotFound, InvalidRightsRequest, NothingToObjectTo
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
    Side,
)
from datahub.duties.rules import lives
from datahub.duties.rules.arising import ANSWER, ERASE, OBJECTABLE
from datahub.duties.rules.lives import Wish
from datahub.duties.service import ledger, names
from datahub.duties.service.ledger import Seen
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.participants import Participant, participant_by_id

RULES: Mapping[str, str] = {ERASE: "GDPR art. 17", ANSWER: "GDPR art. 21"}
_APPLIED = "The exchange let no more rows of the person leave from this moment on."


@dataclass(frozen=True)
class Recipient:
    """An organisation that received rows about the person under one agreement, and the newest recall of them."""

    consumer: Participant
    dataset: Dataset
    agreement_id: str
    purpose: str
    first_at: datetime
    last_at: datetime
    versions: int
    recall: Seen | None


def my_recipients(ctx: Context) -> Sequence[Recipient]:
    """Return who received rows about the person, of any dataset of the organisation they came to, and who erased them."""
    person = me(ctx)
    recalls = {
        seen.duty.agreement_id: seen
        for seen in reversed(_see(ctx, store.duties_about(ctx.session, person.subject, [Ground.RECALL])))
    }
    found = []
    for rule in ruled_datasets(ctx.session, person.provider_id, person.key_space):
        dataset = dataset_by_id(ctx.session, rule.dataset_id)
        by_agreement: dict[str, list[Received]] = {}
        for each in recipients_of(ctx, rule.dataset_id, person.subject):
            by_agreement.setdefault(each.agreement_id, []).append(each)
        for agreement_id, received in by_agreement.items():
            agreement = agreement_by_id(ctx.session, agreement_id)
            consumer = agreement and participant_by_id(ctx.session, agreement.consumer_id)
            if consumer and dataset:
                found.append(
                    Recipient(
                        consumer,
                        dataset,
                        agreement_id,
                        received[-1].purpose,
                        min(each.first_at for each in received),
                        max(each.last_at for each in received),
                        len({each.version_id for each in received}),
                        recalls.get(agreement_id),
                    )
                )
    record(ctx, "person.read-recipients", About(provider_id=person.provider_id))
    return sorted(found, key=lambda each: (each.first_at, each.agreement_id))


def ask(ctx: Context, kind: str, dataset_id: str | None, purpose: str | None, wish: str | None) -> Duty:
    """Ask for one of the rights. Raises InvalidRightsRequest, NothingToObjectTo, AskedAlready."""
    if kind == "erasure":
        if purpose is not None:
            faults = [Fault("/purpose", "an erasure is about no purpose", "not-allowed")]
            raise InvalidRightsRequest("This is not how an erasure is asked for.", faults=faults)
        return ask_erasure(ctx, dataset_id, wish)
    said = {"datasetId": dataset_id, "purpose": purpose}
    faults = [Fault(f"/{name}", "an objection needs this", "missing") for name, at in said.items() if not at]
    if dataset_id is None or purpose is None:
        raise InvalidRightsRequest("Say what you object to.", faults=faults)
    return object_to(ctx, dataset_id, purpose, wish)


def ask_erasure(ctx: Context, dataset_id: str | None, wish: str | None) -> Duty:
    """Ask the organisation to erase the person, from one dataset or from all of them; it owes an answer in a month.

    Raises InvalidRightsRequest, AskedAlready.
    """
    person = me(ctx)
    rules = ruled_datasets(ctx.session, person.provider_id, person.key_space)
    if dataset_id is not None and dataset_id not in {rule.dataset_id for rule in rules}:
        raise _no_such_dataset()
    return _ask(ctx, ERASE, dataset_id, None, wish)


def object_to(ctx: Context, dataset_id: str, purpose: str, wish: str | None) -> Duty:
    """Object to a purpose. Where the rule leaves the person a no, it holds at once; else the organisation judges it.

    Raises InvalidRightsRequest, NothingToObjectTo, AskedAlready.
    """
    topics = [each for each in my_topics(ctx) if each.dataset.id == dataset_id]
    if not topics:
        raise _no_such_dataset()
    iri = purpose_of(purpose) or purpose
    topic = next((each for each in topics if each.entry.purpose == iri), None)
    if topic is None:
        faults = [Fault("/purpose", "is not a purpose you are told about", "unknown-purpose")]
        raise InvalidRightsRequest("There is nothing to object to.", faults=faults)
    if topic.entry.choice is Choice.OPT_IN:
        raise NothingToObjectTo(
            "Rows about you leave for this purpose only with your consent.",
            remedy="Withdraw it, or refuse: POST /v1/me/consents.",
        )
    if topic.entry.choice is Choice.OPT_OUT:
        return _apply(ctx, topic, wish)
    if topic.entry.basis not in OBJECTABLE:
        raise NothingToObjectTo(
            f"The basis for this purpose is {topic.entry.basis}; art. 21 GDPR gives no objection to that.",
            basis=topic.entry.basis,
        )
    return _ask(ctx, ANSWER, dataset_id, iri, wish)


def my_requests(ctx: Context) -> Sequence[Seen]:
    """Return what the person has asked, newest first, and what became of it."""
    found = store.duties_about(ctx.session, me(ctx).subject, [Ground.RIGHT])
    return _see(ctx, [duty for duty in found if duty.debtor_id == me(ctx).provider_id])


def my_request(ctx: Context, duty_id: str) -> Seen:
    """Return one request of the person's. Raises DutyNotFound."""
    found = next((each for each in my_requests(ctx) if each.duty.id == duty_id), None)
    if found is None:
        raise DutyNotFound("None of your requests has this id.")
    return found


def move_my_request(ctx: Context, duty_id: str, wish: Wish) -> Seen:
    """Take a request back, or say that it was not done though it was said to be. Raises as `ledger.move_duty`."""
    duty = store.duty_for_change(ctx.session, my_request(ctx, duty_id).duty.id)
    ledger.make_move(ctx, duty, wish, Side.PERSON)
    return my_request(ctx, duty_id)


def my_request_history(ctx: Context, duty_id: str) -> Sequence[Entry]:
    """Return the moves of a request of the person's. Raises DutyNotFound."""
    return ledger.moves_of(ctx, my_request(ctx, duty_id).duty.id)


def record_export(ctx: Context) -> None:
    """Record that the person took everything with them."""
    record(ctx, "person.export", About(provider_id=me(ctx).provider_id))


def name_for_debtor(ctx: Context, duty_id: str) -> str | None:
    """Return the key by which the organisation knows the person of a right: of its newest version that has them."""
    duty = store.duty_by_id(ctx.session, duty_id)
    if duty is None or duty.key_space is None:
        return None
    (row, *_) = store.subjects_of(ctx.session, duty.id)
    for rule in ruled_datasets(ctx.session, duty.debtor_id, duty.key_space):
        version = version_of(ctx.session, rule.dataset_id)
        if version is not None and duty.dataset_id in (None, rule.dataset_id):
            found = keys_of(ctx.settings, version, Named.by(rule), [row.subject])
            if row.subject in found:
                return found[row.subject]
    return None


def keep_name(ctx: Context, duty_id: str, name: str) -> None:
    """Keep, sealed, by which key the organisation knows the person of a right."""
    for row in store.subjects_of(ctx.session, duty_id):
        row.known, row.sealed = Known.KEY, names.sealed(ctx.settings, duty_id, row.subject, name)
        ctx.session.add(row)


def _ask(ctx: Context, action: str, dataset_id: str | None, purpose: str | None, wish: str | None) -> Duty:
    same = (action, dataset_id, purpose)
    for each in my_requests(ctx):
        if (each.duty.action, each.duty.dataset_id, each.duty.purpose) == same and each.state in LIVING:
            raise AskedAlready("You asked this before, and it is open.", dutyId=each.duty.id)
    due_at = lives.months_after(ctx.now, 1)
    duty = _right(ctx, action, dataset_id, purpose, wish)
    duty.state, duty.due_at, duty.first_due_at = DutyState.DUE, due_at, due_at
    duty.remind_at = lives.next_reminder(ctx.now, due_at, ctx.now)
    _enter(ctx, duty)
    announce(ctx, "RightCalledUpon", {"dutyId": duty.id})
    return duty


def _apply(ctx: Context, topic: MyTopic, wish: str | None) -> Duty:
    """Object where the rule leaves the person a no: it holds at once, and nobody has to judge it."""
    if topic.is_in_force:
        decide_mine(
            ctx,
            topic.dataset.id,
            topic.entry.purpose,
            Move.REFUSE,
            rule_number=None,
            until=None,
            is_explicit=False,
            language="nl",
        )
    duty = _right(ctx, ANSWER, topic.dataset.id, topic.entry.purpose, wish)
    duty.state, duty.settled_at = DutyState.FULFILLED, ctx.now
    duty.evidence = {
        "text": _APPLIED,
        "url": None,
        "sha256": None,
        "at": rfc3339(ctx.now),
        "byClientId": None,
    }
    return _enter(ctx, duty)


def _right(ctx: Context, action: str, dataset_id: str | None, purpose: str | None, wish: str | None) -> Duty:
    person = me(ctx)
    duty_id = new_id()
    return Duty(
        id=duty_id,
        ground=Ground.RIGHT,
        action=action,
        timing="post",
        rule=RULES[action],
        origin=f"right:{duty_id}",
        debtor_id=person.provider_id,
        dataset_id=dataset_id,
        key_space=person.key_space,
        purpose=purpose,
        wish=wish,
        needs="attestation",
        state=DutyState.DUE,
        consequence=Consequence.NONE,
        starts_at=ctx.now,
        subjects=1,
        created_at=ctx.now,
    )


def _enter(ctx: Context, duty: Duty) -> Duty:
    person = me(ctx)
    ctx.session.add(duty)
    ctx.session.flush()
    ctx.session.add(
        DutySubject(
            duty_id=duty.id,
            number=1,
            subject=person.subject,
            cause=Cause.RIGHT,
            known=Known.HIDDEN,
            link_id=person.id,
            at=ctx.now,
        )
    )
    return ledger.enter(ctx, duty)


def _see(ctx: Context, duties: Sequence[Duty]) -> Sequence[Seen]:
    seen: Sequence[Seen] = ledger.see(ctx, duties, Side.PERSON)
    return seen


def _no_such_dataset() -> InvalidRightsRequest:
    faults = [Fault("/datasetId", "is not a dataset you may be in", "unknown-dataset")]
    return InvalidRightsRequest("You are not asked about this dataset.", faults=faults)


ASKED_MOVES: Mapping[str, DutyMove] = {"withdraw": DutyMove.WAIVE, "dispute": DutyMove.RETURN}

"""The verbs on consents: decide one, read, expire, and cut loose from the person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from datahub.audit import About, record
from datahub.catalog import Dataset, get_dataset
from datahub.consent.errors import ConsentNotFound, ConsentNotYours, InvalidConsent
from datahub.consent.models import (
    Channel,
    Choice,
    Collector,
    ConsentDetail,
    ConsentEvent,
    ConsentRecord,
    ConsentRule,
    ConsentState,
    ConsentTopic,
    Move,
)
from datahub.consent.rules import lives
from datahub.consent.rules.events import event_digest
from datahub.consent.rules.lives import Entry, Standing, Wish
from datahub.consent.rules.notices import entries_of
from datahub.consent.rules.purposes import purpose_iri
from datahub.consent.service.holding import seal_person
from datahub.consent.service.people import digest_of_key
from datahub.consent.service.rules import dataset_to_handle
from datahub.consent.store import links as link_store
from datahub.consent.store import records as store
from datahub.consent.store import rules as rule_store
from datahub.consent.store.bulk import Kept
from datahub.kernel.context import Context
from datahub.kernel.errors import Fault
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.paging import Page, PageRequest
from datahub.participants import Role

_READERS = (Role.PUBLISHER, Role.ADMIN, Role.AUDITOR)
# After these moves less may leave than before; the fact tells those who hold the person's rows.
_NEWS = {
    Move.WITHDRAW: "ConsentWithdrawn",
    Move.REFUSE: "ConsentWithdrawn",
    Move.INVALIDATE: "ConsentWithdrawn",
    Move.EXPIRE: "ConsentWithdrawn",
}


@dataclass(frozen=True)
class Manner:
    """How a decision was expressed, beside what was decided."""

    language: str = "nl"
    evidence: str | None = None
    is_conditional: bool = False
    source_id: str | None = None


@dataclass(frozen=True)
class Consent:
    """A consent with everything that is told of it."""

    record: ConsentRecord
    topic: ConsentTopic
    events: Sequence[ConsentEvent]
    details: Mapping[int, ConsentDetail]


def report_decision(
    ctx: Context, dataset_id: str, key: object, purpose: str, *, wish: Wish, manner: Manner
) -> Consent:
    """Record what a publisher reports that a person decided for one purpose; it is marked as reported, not as given here.

    Raises DatasetNotFound, ConsentNotYours, InvalidConsent, and whatever `lives.decide` raises.
    """
    dataset = dataset_to_handle(ctx, dataset_id)
    rule = _rule_for(ctx, dataset.id, wish.rule_number)
    subject = digest_of_key(ctx.settings, dataset.provider_id, rule.key_space, key)
    return decide_one(ctx, dataset.id, subject, purpose, wish=wish, manner=manner)


def decide_one(
    ctx: Context, dataset_id: str, subject: bytes, purpose: str, *, wish: Wish, manner: Manner
) -> Consent:
    """Record one decision of one person; it holds from the next read on. The caller checks who may.

    Raises InvalidConsent, and whatever `lives.decide` raises.
    """
    rule = _rule_for(ctx, dataset_id, wish.rule_number)
    topic, entry = _topic_for(ctx, rule, purpose)
    epoch = rule_store.step_epoch(ctx.session, topic.no or 0)
    found = store.record_of(ctx.session, topic.no or 0, subject)
    after = lives.decide(ctx.now, entry, standing_of(found), wish)
    kept = found or ConsentRecord(
        id=new_id(), topic_no=topic.no or 0, subject=subject, state="", rule_number=0, last_at=ctx.now,
        last_event=0, epoch=0,
    )  # fmt: skip
    _put(kept, after, epoch)
    ctx.session.add(kept)
    event = _event(ctx, kept, wish, after, manner)
    ctx.session.add(event)
    if manner.evidence is not None or wish.guardian is not None:
        ctx.session.add(
            ConsentDetail(
                record_id=kept.id,
                number=event.number,
                evidence=manner.evidence,
                relation=wish.guardian.relation if wish.guardian else None,
                guardian=wish.guardian.digest or None if wish.guardian else None,
            )
        )
    ctx.session.flush()
    _tell(ctx, rule, topic, kept, event)
    return consent_of(ctx, kept, topic)


def get_consent(ctx: Context, record_id: str) -> Consent:
    """Return a consent on a dataset of the actor's organisation. Raises ConsentNotFound."""
    found = store.record_by_id(ctx.session, record_id)
    rule = rule_store.current_rule(ctx.session, found[1].dataset_id) if found else None
    if found is None or rule is None or not _may_read(ctx, rule.provider_id):
        raise ConsentNotFound("No consent with this id.")
    return consent_of(ctx, *found)


def move_consent(ctx: Context, record_id: str, wish: Wish, manner: Manner) -> Consent:
    """Make a move on a consent that is there. Raises as `get_consent` and `decide_one`, and ConsentNotYours."""
    consent = get_consent(ctx, record_id)
    dataset_to_handle(ctx, consent.topic.dataset_id)
    if consent.record.subject is None:
        detail = "This consent was cut loose from its person; it stays as it is."
        raise ConsentNotFound(detail)
    return decide_one(
        ctx, consent.topic.dataset_id, consent.record.subject, consent.topic.purpose, wish=wish, manner=manner
    )


def list_consents(
    ctx: Context, dataset_id: str, purpose: str | None, state: ConsentState | None, request: PageRequest
) -> tuple[Page[ConsentRecord], Mapping[int, ConsentTopic]]:
    """Return the consents on a dataset of the actor's organisation, by id. Raises DatasetNotFound, ConsentNotYours."""
    dataset = _dataset_to_read(ctx, dataset_id)
    topics = rule_store.topics_of(ctx.session, dataset.id)
    wanted = [t for t in topics.values() if purpose is None or t.purpose == purpose_iri(purpose)]
    page = store.records_page(ctx, [t.no or 0 for t in wanted], state, request)
    return page, {t.no or 0: t for t in wanted}


def find_consents(ctx: Context, dataset_id: str, key: object) -> Sequence[Consent]:
    """Return a person's consents on a dataset, by the person's key. Raises DatasetNotFound, ConsentNotYours."""
    dataset = _dataset_to_read(ctx, dataset_id)
    rule = _rule_for(ctx, dataset.id, None)
    subject = digest_of_key(ctx.settings, dataset.provider_id, rule.key_space, key)
    record(ctx, "consent.look-up", About(provider_id=dataset.provider_id, dataset_id=dataset.id))
    return [consent_of(ctx, *found) for found in store.records_of_subject(ctx.session, [dataset.id], subject)]


def expire_consents(ctx: Context, limit: int) -> int:
    """Write down which consents time has ended; nothing waits for this, the gate reads the clock. Return how many."""
    found = store.due_to_expire(ctx.session, int(ctx.now.timestamp()), limit)
    ids = sorted({topic.no or 0 for _, topic in found})
    epochs = {no: rule_store.step_epoch(ctx.session, no) for no in ids}
    done = 0
    for kept, topic in found:
        ctx.session.refresh(kept)
        before = standing_of(kept)
        if before is None or before.until is None or before.until > ctx.now:
            continue  # renewed while we waited for the topic
        wish = Wish(Move.EXPIRE, before.until, Collector.EXCHANGE, Channel.EXCHANGE, kept.rule_number)
        rule = _rule_for(ctx, topic.dataset_id, kept.rule_number)
        after = lives.decide(ctx.now, entries_of(rule.purposes)[topic.purpose], before, wish)
        _put(kept, after, epochs[topic.no or 0])
        event = _event(ctx, kept, wish, after, Manner())
        ctx.session.add_all([kept, event])
        ctx.session.flush()
        _tell(ctx, rule, topic, kept, event)
        done += 1
    return done


def forget_person(ctx: Context, dataset_id: str, key: object) -> int:
    """Cut all consents of a person in the dataset's key space loose from them (GDPR art. 17); return how many.

    What was decided stays on record without anybody it is about. A yes is withdrawn first, so that the gate closes.
    Where rows leave unless somebody objects, the no stays with the digest of the person (art. 21(3)), or it would open.
    Raises DatasetNotFound, ConsentNotYours.
    """
    dataset = dataset_to_handle(ctx, dataset_id)
    rule = _rule_for(ctx, dataset.id, None)
    subject = digest_of_key(ctx.settings, dataset.provider_id, rule.key_space, key)
    rules = rule_store.ruled_datasets(ctx.session, dataset.provider_id, rule.key_space)
    found = store.records_of_subject(ctx.session, [each.dataset_id for each in rules], subject)
    for kept, topic in found:
        if kept.state in lives.YES:
            wish = Wish(Move.WITHDRAW, ctx.now, Collector.PUBLISHER, Channel.OTHER, kept.rule_number)
            decide_one(ctx, topic.dataset_id, subject, topic.purpose, wish=wish, manner=Manner())
        rule_store.step_epoch(ctx.session, topic.no or 0, is_cut=True)
    objecting = {each.dataset_id for each in rules if _lets_go_unless_told(each)}
    store.drop_details(ctx.session, [kept.id for kept, _ in found])
    store.cut_loose(ctx.session, [kept.id for kept, topic in found if topic.dataset_id not in objecting])
    link_store.forget_links_of(ctx.session, dataset.provider_id, subject)
    about = About(provider_id=dataset.provider_id, dataset_id=dataset.id, rows=len(found))
    record(ctx, "consent.cut-loose", about)
    # Whoever received rows of the person is told, although no consent leads to the person any more (GDPR art. 19).
    news = {"datasetIds": [each.dataset_id for each in rules], "person": seal_person(ctx.settings, subject)}
    announce(ctx, "PersonForgotten", news)
    return len(found)


def _lets_go_unless_told(rule: ConsentRule) -> bool:
    return any(entry.choice is Choice.OPT_OUT for entry in entries_of(rule.purposes).values())


def standing_of(kept: ConsentRecord | Kept | None) -> Standing | None:
    """Return where a consent stands, as the rules see it."""
    if kept is None:
        return None
    return Standing(
        state=ConsentState(kept.state),
        until=None if kept.until_s is None else datetime.fromtimestamp(kept.until_s, UTC),
        is_explicit=kept.is_explicit,
        rule_number=kept.rule_number,
        is_persons_own=kept.is_persons_own,
        last_at=kept.last_at,
        last_event=kept.last_event,
    )


def consent_of(ctx: Context, kept: ConsentRecord, topic: ConsentTopic) -> Consent:
    """Return a consent with its events and what is told of them."""
    events = store.events_of(ctx.session, kept.id)
    return Consent(kept, topic, events, store.details_of(ctx.session, kept.id))


def _rule_for(ctx: Context, dataset_id: str, number: int | None) -> ConsentRule:
    found = (
        rule_store.rule_numbered(ctx.session, dataset_id, number)
        if number
        else rule_store.current_rule(ctx.session, dataset_id)
    )
    if found is None:
        detail = "the dataset has no consent rule with this number" if number else "the dataset has no rule"
        raise InvalidConsent(
            "There is nothing to decide on.", faults=[Fault("/ruleNumber", detail, "unknown-rule")]
        )
    return found


def _topic_for(ctx: Context, rule: ConsentRule, purpose: str) -> tuple[ConsentTopic, Entry]:
    iri = purpose_iri(purpose) or purpose
    topic = rule_store.topics_of(ctx.session, rule.dataset_id).get(iri)
    entry = entries_of(rule.purposes).get(iri)
    if topic is None or entry is None:
        known = ", ".join(each["purpose"] for each in rule.purposes)
        raise InvalidConsent(
            "People are not asked about this purpose.",
            remedy=f"The rule has: {known}.",
            faults=[Fault("/purpose", "is not a purpose of the consent rule", "unknown-purpose")],
        )
    return topic, entry


def _put(kept: ConsentRecord, after: Standing, epoch: int) -> None:
    kept.state = after.state
    kept.until_s = None if after.until is None else int(after.until.timestamp())
    kept.is_explicit = after.is_explicit
    kept.rule_number = after.rule_number
    kept.is_persons_own = after.is_persons_own
    kept.last_at = after.last_at
    kept.last_event = after.last_event
    kept.epoch = epoch


def _event(ctx: Context, kept: ConsentRecord, wish: Wish, after: Standing, manner: Manner) -> ConsentEvent:
    is_yes = wish.move in lives.SAYS_YES
    event = ConsentEvent(
        record_id=kept.id,
        number=after.last_event,
        move=wish.move,
        state=after.state,
        at=wish.at,
        recorded_at=ctx.now,
        until=after.until if is_yes else None,
        is_explicit=wish.is_explicit,
        rule_number=wish.rule_number,
        language=manner.language,
        collector=wish.collector,
        channel=wish.channel,
        is_conditional=manner.is_conditional,
        source_id=manner.source_id,
        by_client_id=ctx.actor.client_id,
        digest=b"",
    )
    event.digest = event_digest(
        (
            event.record_id, event.number, event.move, event.state, event.at, event.recorded_at, event.until,
            event.is_explicit, event.rule_number, event.language, event.collector, event.channel,
            event.is_conditional, event.source_id, event.by_client_id,
        )
    )  # fmt: skip
    return event


def _tell(
    ctx: Context, rule: ConsentRule, topic: ConsentTopic, kept: ConsentRecord, event: ConsentEvent
) -> None:
    """Put the event in the log, without anybody's key in it, and announce what others must act on."""
    about = About(
        thing_id=kept.id,
        provider_id=rule.provider_id,
        dataset_id=rule.dataset_id,
        purpose=topic.purpose,
        details={
            "event": event.number,
            "state": str(event.state),
            "collector": str(event.collector),
            "channel": str(event.channel),
            "ruleNumber": event.rule_number,
            "eventDigest": event.digest.hex(),
            "consentEpoch": kept.epoch,
        },
    )
    record(ctx, f"consent.{event.move}", about)
    fact = _NEWS.get(Move(event.move))
    if fact is not None:
        news = {
            "recordIds": [kept.id],
            "datasetId": rule.dataset_id,
            "purpose": topic.purpose,
            "epoch": kept.epoch,
        }
        announce(ctx, fact, news)


def _dataset_to_read(ctx: Context, dataset_id: str) -> Dataset:
    dataset = get_dataset(ctx, dataset_id)
    if not _may_read(ctx, dataset.provider_id):
        raise ConsentNotYours("Only the organisation that provides the dataset reads the consents on it.")
    return dataset


def _may_read(ctx: Context, provider_id: str) -> bool:
    return ctx.actor.participant_id == provider_id and ctx.actor.has_role(*_READERS)

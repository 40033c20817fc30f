"""The verbs of the person: a one-time link leads to one's own consents; a no takes as many calls as a yes.

GDPR art. 7(3), 8, 12. A link is made by the publisher, who knows how to reach the person; what is decided through it
carries the link's id, so that everybody can see how it came.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from datahub.audit import About, record
from datahub.catalog import Dataset, dataset_by_id
from datahub.consent.errors import ConsentNotFound, InvalidConsent, LinkNotUsable, TooManyLinks
from datahub.consent.models import Channel, Collector, ConsentLink, ConsentRule, ConsentState, Move
from datahub.consent.rules import lives
from datahub.consent.rules.lives import Entry, Guardian, Wish
from datahub.consent.rules.notices import Part, beyond, entries_of
from datahub.consent.rules.purposes import purpose_iri
from datahub.consent.service import records
from datahub.consent.service.holding import purposes_in_force
from datahub.consent.service.people import digest_of_key
from datahub.consent.service.records import Consent, Manner, consent_of, standing_of
from datahub.consent.service.rules import dataset_to_handle, get_rule
from datahub.consent.store import links as store
from datahub.consent.store import records as record_store
from datahub.consent.store import rules as rule_store
from datahub.kernel.context import Actor, Context
from datahub.kernel.errors import Fault, Unauthenticated
from datahub.kernel.ids import new_id, new_secret
from datahub.participants import Participant, participant_by_id

LINK_PREFIX = "dhl"
SESSION_PREFIX = "dhs"
OWN_SCOPE = "consents:own"
SESSION_LIFE = timedelta(hours=1)
MOST_LINKS_A_DAY = 5
_DETAIL = "consent_session"


@dataclass(frozen=True)
class NewLink:
    """A link just made; its text is never shown again."""

    link: ConsentLink
    text: str


@dataclass(frozen=True)
class NewSession:
    """What a link turned into; the text is never shown again."""

    text: str
    until: datetime


@dataclass(frozen=True)
class MyTopic:
    """One purpose of one dataset, as the person sees it. `to_ask`: what the present consent does not cover."""

    dataset: Dataset
    provider: Participant
    rule: ConsentRule
    entry: Entry
    consent: Consent | None
    is_in_force: bool
    to_ask: Sequence[Part]
    moves: Sequence[Move]


def make_link(
    ctx: Context,
    dataset_id: str,
    key: object,
    *,
    life: timedelta,
    delivery: Channel,
    guardian: Guardian | None = None,
    guardian_key: object = None,
) -> NewLink:
    """Make a link that leads one person, or the guardian of one, to their consents with this organisation, once.

    Raises DatasetNotFound, ConsentNotYours, ConsentRuleMissing, InvalidConsent, TooManyLinks.
    """
    dataset = dataset_to_handle(ctx, dataset_id)
    rule = get_rule(ctx, dataset_id)
    subject = digest_of_key(ctx.settings, dataset.provider_id, rule.key_space, key)
    by_guardian = None
    if guardian is not None:
        if guardian.majority_at <= ctx.now:
            faults = [Fault("/guardian/majorityAt", "the person is of age, and decides alone", "of-age")]
            raise InvalidConsent("Nobody decides for somebody who is of age.", faults=faults)
        by_guardian = digest_of_key(
            ctx.settings, dataset.provider_id, rule.key_space, guardian_key, "/guardian/key"
        )
    since = ctx.now - timedelta(days=1)
    if store.links_since(ctx.session, dataset.provider_id, subject, since) >= MOST_LINKS_A_DAY:
        detail = f"This person was made {MOST_LINKS_A_DAY} links in a day already."
        raise TooManyLinks(detail, remedy="Try again tomorrow.")
    text = new_secret(LINK_PREFIX)
    link = ConsentLink(
        id=new_id(),
        provider_id=dataset.provider_id,
        key_space=rule.key_space,
        subject=subject,
        token_hash=hash_of(text),
        delivery=delivery,
        guardian=by_guardian,
        relation=guardian.relation if guardian else None,
        majority_at=guardian.majority_at if guardian else None,
        by_client_id=ctx.actor.client_id,
        created_at=ctx.now,
        expires_at=ctx.now + life,
    )
    ctx.session.add(link)
    details = {
        "delivery": str(delivery),
        "expiresAt": link.expires_at.isoformat(),
        "guardian": bool(guardian),
    }
    about = About(thing_id=link.id, provider_id=link.provider_id, dataset_id=dataset.id, details=details)
    record(ctx, "consent-link.make", about)
    return NewLink(link, text)


def use_link(ctx: Context, unverified_text: str) -> NewSession:
    """Turn a link into a session; of two who try at once, one gets it. Raises LinkNotUsable."""
    text = new_secret(SESSION_PREFIX)
    until = ctx.now + SESSION_LIFE
    link = store.use_link(ctx.session, hash_of(unverified_text), ctx.now, hash_of(text), until)
    if link is None:
        detail = "This link was used before, has expired, or is none."
        raise LinkNotUsable(detail, remedy="Ask the organisation that sent it for a new one.")
    record(ctx, "consent-link.use", About(thing_id=link.id, provider_id=link.provider_id))
    return NewSession(text, until)


def is_session(unverified_text: str) -> bool:
    """Tell whether a bearer token has the form of a person's session."""
    return unverified_text.startswith(f"{SESSION_PREFIX}_")


def authenticate_person(ctx: Context, unverified_text: str) -> Actor:
    """Return the actor of a person's session: only its own consents are open to it. Raises Unauthenticated."""
    link = store.link_by_session(ctx.session, hash_of(unverified_text))
    if link is None or link.session_until is None or link.session_until <= ctx.now:
        detail = "This session has ended."
        raise Unauthenticated(detail, remedy="Ask for a new link.")
    return Actor(
        client_id=f"person-{link.id}",
        scopes=frozenset({OWN_SCOPE}),
        authorization_details=({"type": _DETAIL, "identifier": link.id},),
    )


def my_topics(ctx: Context) -> Sequence[MyTopic]:
    """Return every purpose of every dataset the person is, or could be, asked about, and what they decided."""
    link = _link(ctx)
    rules = rule_store.ruled_datasets(ctx.session, link.provider_id, link.key_space)
    found = record_store.records_of_subject(ctx.session, [r.dataset_id for r in rules], link.subject)
    mine = {(topic.dataset_id, topic.purpose): consent_of(ctx, kept, topic) for kept, topic in found}
    provider = participant_by_id(ctx.session, link.provider_id)
    result = []
    for rule in sorted(rules, key=lambda each: each.dataset_id):
        dataset = dataset_by_id(ctx.session, rule.dataset_id)
        if dataset is not None and provider is not None:
            in_force = purposes_in_force(ctx, dataset.id, link.subject)
            for entry in entries_of(rule.purposes).values():
                consent = mine.get((rule.dataset_id, entry.purpose))
                is_let = entry.purpose in in_force
                result.append(
                    _topic(
                        ctx,
                        link,
                        dataset,
                        provider,
                        rule=rule,
                        entry=entry,
                        consent=consent,
                        is_in_force=is_let,
                    )
                )
    return result


def me(ctx: Context) -> ConsentLink:
    """Return the link that the actor's session came from: who the person is, to which organisation. Raises Unauthenticated."""
    return _link(ctx)


def my_consent(ctx: Context, record_id: str) -> Consent:
    """Return one of the person's own consents. Raises ConsentNotFound."""
    link = _link(ctx)
    found = record_store.record_by_id(ctx.session, record_id)
    if found is None or found[0].subject != link.subject:
        raise ConsentNotFound("None of your consents has this id.")
    return consent_of(ctx, *found)


def decide_mine(
    ctx: Context,
    dataset_id: str,
    purpose: str,
    move: Move,
    *,
    rule_number: int | None,
    until: datetime | None,
    is_explicit: bool,
    language: str,
) -> Consent:
    """Decide for oneself, or for the minor one is the guardian of, on one purpose.

    `until`: earlier than the notice tells, or None for what it tells. Raises ConsentNotFound, InvalidConsent, and
    whatever `lives.decide` raises.
    """
    link = _link(ctx)
    rules = rule_store.ruled_datasets(ctx.session, link.provider_id, link.key_space)
    rule = next((each for each in rules if each.dataset_id == dataset_id), None)
    if rule is None:
        raise ConsentNotFound("You are not asked about this dataset.")
    if rule_number not in (None, rule.number):
        detail = f"the notice has changed since; the present one is {rule.number}"
        raise InvalidConsent(
            "This is not the notice people are shown now.",
            faults=[Fault("/ruleNumber", detail, "notice-changed")],
        )
    entry = entries_of(rule.purposes).get(purpose_iri(purpose) or purpose)
    validity = timedelta(days=entry.validity_days if entry else 0)
    guardian = (
        None
        if link.majority_at is None
        else Guardian(link.majority_at, link.relation or "", link.guardian or b"")
    )
    is_login = link.delivery == Channel.EXCHANGE_LOGIN
    wish = Wish(
        move=move,
        at=ctx.now,
        collector=Collector.PERSON if guardian is None else Collector.GUARDIAN,
        channel=Channel.EXCHANGE_LOGIN if is_login else Channel.EXCHANGE_LINK,
        rule_number=rule.number,
        until=until or ctx.now + validity,
        is_explicit=is_explicit,
        guardian=guardian,
    )
    used = link.used_at.isoformat() if link.used_at else ""
    how = (
        f"link {link.id}, sent by {link.delivery}, opened"
        if not is_login
        else f"{link.by_client_id}, logged in"
    )
    evidence = f"{how} {used}"
    manner = Manner(language=language, evidence=evidence, source_id=link.id)
    return records.decide_one(ctx, dataset_id, link.subject, purpose, wish=wish, manner=manner)


def _topic(
    ctx: Context,
    link: ConsentLink,
    dataset: Dataset,
    provider: Participant,
    *,
    rule: ConsentRule,
    entry: Entry,
    consent: Consent | None,
    is_in_force: bool,
) -> MyTopic:
    standing = standing_of(consent.record if consent else None)
    state = standing.state if standing else None
    is_over = standing is not None and standing.until is not None and standing.until <= ctx.now
    is_yes = state in lives.YES and not is_over
    to_ask: Sequence[Part] = ()
    if entry.choice == "opt-in" and state not in lives.NO:
        old = None
        if is_yes and standing is not None:
            asked = rule_store.rule_numbered(ctx.session, dataset.id, standing.rule_number)
            old = entries_of(asked.purposes).get(entry.purpose) if asked else None
        to_ask = beyond(old, entry)
    collector = Collector.PERSON if link.majority_at is None else Collector.GUARDIAN
    seen = ConsentState.EXPIRED if is_over and state in lives.YES else state
    moves = lives.possible_moves(collector, entry, seen)
    return MyTopic(dataset, provider, rule, entry, consent, is_in_force, to_ask, moves)


def _link(ctx: Context) -> ConsentLink:
    ids = [each.get("identifier") for each in ctx.actor.authorization_details if each.get("type") == _DETAIL]
    link = store.link_by_id(ctx.session, str(ids[0])) if ids else None
    if link is None:
        raise Unauthenticated("This session has ended.", remedy="Ask for a new link.")
    return link


def hash_of(text: str) -> str:
    """Return what is kept of a token in its stead."""
    return hashlib.sha256(text.encode()).hexdigest()

"""The verb of receipts: a consent as a document, signed by the exchange."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from datahub.audit import About, record
from datahub.catalog import dataset_by_id
from datahub.consent.errors import ConsentNotFound
from datahub.consent.models import ConsentRule
from datahub.consent.rules import receipts as rules
from datahub.consent.rules.events import instant
from datahub.consent.rules.notices import entries_of
from datahub.consent.rules.purposes import CLASS
from datahub.consent.rules.receipts import EventFacts, Facts, Party
from datahub.consent.service.records import Consent
from datahub.consent.service.rules import columns_of
from datahub.consent.store import rules as rule_store
from datahub.kernel.context import Context
from datahub.oauth import sign_text
from datahub.participants import participant_by_id

SIGNED_AS = "consent-receipt+jws"


def receipt(ctx: Context, consent: Consent, *, is_linked: bool) -> dict[str, Any]:
    """Return the receipt of a consent as it stands: with its whole history, under the notice that was decided on."""
    facts = _facts(ctx, consent)
    return rules.as_linked(facts) if is_linked else rules.as_json(facts)


def signed_receipt(ctx: Context, consent: Consent) -> str:
    """Return the receipt as a compact JWS of the exchange; that it was handed out is in the log. Raises NoSigningKey."""
    text = orjson.dumps(receipt(ctx, consent, is_linked=True), option=orjson.OPT_SORT_KEYS)
    return sign_text(ctx, text, SIGNED_AS)


def note_receipt(ctx: Context, consent: Consent) -> None:
    """Record that a receipt was handed out."""
    about = About(
        thing_id=consent.record.id,
        dataset_id=consent.topic.dataset_id,
        purpose=consent.topic.purpose,
        details={"event": consent.events[-1].number, "eventDigest": consent.events[-1].digest.hex()},
    )
    record(ctx, "consent.receipt", about)


def _facts(ctx: Context, consent: Consent) -> Facts:
    dataset = dataset_by_id(ctx.session, consent.topic.dataset_id)
    rule = rule_store.rule_numbered(ctx.session, consent.topic.dataset_id, consent.record.rule_number)
    if dataset is None or rule is None:
        raise ConsentNotFound("What this consent is about is no longer there.")
    entry = entries_of(rule.purposes)[consent.topic.purpose]
    base = ctx.settings.base_url
    url = f"{base}/v1/datasets/{dataset.id}"
    named = columns_of(ctx, dataset)
    columns = [
        {"name": each["name"], "sensitivity": each.get("sensitivity") or "personal"}
        for each in named
        if entry.data is None or each["name"] in entry.data
    ]
    title = dataset.title_en or dataset.title_nl or dataset.slug
    return Facts(
        record_id=consent.record.id,
        base_url=base,
        dataset_url=url,
        dataset_title=title,
        rule_number=rule.number,
        rule_hash=rule.rule_hash,
        notice=rule.notice,
        notice_hash=rule.notice_hash,
        entry=entry,
        handling=rule.handling,
        columns=columns or [{"name": title, "sensitivity": "personal"}],
        controller=_controller(ctx, rule),
        recipients=[_recipient(ctx, rule, each) for each in sorted(entry.recipients)],
        events=[
            EventFacts(
                number=each.number,
                move=each.move,
                state=each.state,
                at=instant(each.at),
                recorded_at=instant(each.recorded_at),
                until=_or_none(each.until),
                is_explicit=each.is_explicit,
                rule_number=each.rule_number,
                language=each.language,
                collector=each.collector,
                channel=each.channel,
                evidence=detail.evidence if (detail := consent.details.get(each.number)) else None,
                relation=detail.relation if detail else None,
                digest=each.digest.hex(),
            )
            for each in consent.events
        ],
    )


def _or_none(at: datetime | None) -> str | None:
    return instant(at) or None


def _controller(ctx: Context, rule: ConsentRule) -> Party:
    provider = participant_by_id(ctx.session, rule.provider_id)
    handling: Mapping[str, Any] = rule.handling
    return Party(
        id=f"urn:uuid:{rule.provider_id}",
        name=provider.name if provider else rule.provider_id,
        address=handling["address"],
        contact=handling.get("contact") or (provider.contact_email if provider else ""),
        url=provider.website if provider else None,
        role="dpv:DataController",
    )


def _recipient(ctx: Context, rule: ConsentRule, name: str) -> Party:
    """Name a recipient: an organisation of the exchange, one known elsewhere, or a class of them."""
    if name.startswith(CLASS):
        short = name.removeprefix(CLASS)
        title = (rule.classes.get(short) or {}).get("title") or {}
        words = title.get("en") or title.get("nl") or "every organisation admitted to the exchange"
        where = f"{ctx.settings.base_url}/v1/datasets/{rule.dataset_id}/consent-rules/{rule.number}"
        return Party(f"urn:datahub:{name}", words, "see the notice", where, where, "dpv:Recipient")
    found = participant_by_id(ctx.session, name.removeprefix("urn:uuid:"))
    iri = name if ":" in name else f"urn:uuid:{name}"
    if found is None:
        return Party(iri, name, "not registered here", name, None, "dpv:Recipient")
    return Party(
        iri, found.name, found.website or "see contact", found.contact_email, found.website, "dpv:Recipient"
    )

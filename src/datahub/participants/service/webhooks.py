"""Webhooks: the exchange tells an organisation what happened to its own things (Standard Webhooks 1.0).

Messages are thin: what happened to which id, never data. Signed with Ed25519 (`v1a`), so that no secret is shared.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from datahub.audit import About, record
from datahub.kernel import http
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id
from datahub.kernel.outbox import announce
from datahub.kernel.settings import Settings
from datahub.participants import store
from datahub.participants.errors import TooManyWebhooks, WebhookNotAnswered, WebhookNotFound
from datahub.participants.models import Webhook
from datahub.participants.service.participants import administered

MAX_WEBHOOKS = 10
_GONE = 410


def add_webhook(ctx: Context, participant_id: str, url: str) -> Webhook:
    """Register an address to be told. Raises ParticipantNotFound, AddressNotAllowed, TooManyWebhooks."""
    administered(ctx, participant_id)
    http.check_url(url, ctx.settings)
    if len(store.webhooks_of(ctx.session, [participant_id])) >= MAX_WEBHOOKS:
        raise TooManyWebhooks(
            f"An organisation has at most {MAX_WEBHOOKS} webhooks.", remedy="Remove one first."
        )
    webhook = Webhook(id=new_id(), participant_id=participant_id, url=url, created_at=ctx.now)
    ctx.session.add(webhook)
    record(ctx, "webhook.add", About(thing_id=webhook.id, details={"url": url}))
    return webhook


def list_webhooks(ctx: Context, participant_id: str) -> Sequence[Webhook]:
    """Return the webhooks of an organisation the actor administers. Raises ParticipantNotFound."""
    administered(ctx, participant_id)
    return store.webhooks_of(ctx.session, [participant_id])


def get_webhook(ctx: Context, participant_id: str, webhook_id: str) -> Webhook:
    """Return one webhook. Raises ParticipantNotFound, WebhookNotFound."""
    administered(ctx, participant_id)
    webhook = store.webhook_by_id(ctx.session, participant_id, webhook_id)
    if webhook is None:
        raise WebhookNotFound("No webhook with this id in this organisation.")
    return webhook


def remove_webhook(ctx: Context, participant_id: str, webhook_id: str) -> None:
    """Forget a webhook. Raises ParticipantNotFound, WebhookNotFound."""
    webhook = get_webhook(ctx, participant_id, webhook_id)
    ctx.session.delete(webhook)
    record(ctx, "webhook.remove", About(thing_id=webhook_id, details={"url": webhook.url}))


def tell(ctx: Context, event: str, participant_ids: Sequence[str], payload: Mapping[str, Any]) -> None:
    """Queue a message to every active webhook of the organisations concerned."""
    body = {"type": event, "timestamp": rfc3339(ctx.now), "data": dict(payload)}
    for webhook in store.webhooks_of(ctx.session, participant_ids):
        if webhook.is_active:
            message = {"webhookId": webhook.id, "participantId": webhook.participant_id, "body": body}
            announce(ctx, "WebhookDue", message | {"messageId": f"msg_{new_id()}"})


@dataclass(frozen=True)
class Message:
    """A signed message, ready to be posted."""

    url: str
    body: bytes
    headers: Mapping[str, str]


def webhook_message(ctx: Context, payload: Mapping[str, Any]) -> Message | None:
    """Return what is to be posted for a queued message; None when the webhook is gone or switched off."""
    webhook = store.webhook_by_id(ctx.session, payload["participantId"], payload["webhookId"])
    if webhook is None or not webhook.is_active:
        return None
    body = orjson.dumps(payload["body"])
    return Message(webhook.url, body, signed_headers(ctx.settings, ctx.now, payload["messageId"], body))


def note_delivery(ctx: Context, payload: Mapping[str, Any], status: int) -> None:
    """Keep how a message was taken; 410 switches the webhook off, as Standard Webhooks has it.

    Raises WebhookNotAnswered when it was not taken, so that the outbox sends it again later.
    """
    webhook = store.webhook_by_id(ctx.session, payload["participantId"], payload["webhookId"])
    if webhook is None:
        return
    if status == _GONE:
        webhook.is_active = False
    elif 200 <= status < 300:  # noqa: PLR2004 — success is 2xx
        webhook.last_taken_at = ctx.now
    else:
        raise WebhookNotAnswered(f"{status} from {webhook.url}")


def webhook_public_key(settings: Settings) -> str:
    """Return the key that verifies our webhook signatures, in the form `whpk_<base64>`."""
    return "whpk_" + base64.b64encode(_signer(settings).public_key().public_bytes_raw()).decode()


def _signer(settings: Settings) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(settings.derive_key("webhook-signature"))


def signed_headers(settings: Settings, now: datetime, message_id: str, body: bytes) -> dict[str, str]:
    """Return the headers that show a message to be the exchange's (Standard Webhooks 1.0, `v1a`)."""
    stamp = str(int(now.timestamp()))
    signature = _signer(settings).sign(f"{message_id}.{stamp}.".encode() + body)
    return {
        "Content-Type": "application/json",
        "User-Agent": "datahub",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1a," + base64.b64encode(signature).decode(),
    }

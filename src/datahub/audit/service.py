"""The verbs of the access log: record what was done or refused, and read it back as far as one may see.

Recording joins the caller's transaction: a change and its entry stand or fall together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datahub.audit import store
from datahub.audit.models import Decision, Entry, Outcome
from datahub.kernel.context import Context
from datahub.kernel.ids import new_id


@dataclass(frozen=True)
class About:
    """What an entry is about; whatever does not apply stays None. `thing_id` is what a change changed."""

    thing_id: str | None = None
    provider_id: str | None = None
    consumer_id: str | None = None
    dataset_id: str | None = None
    dataset_version: int | None = None
    columns: Sequence[str] | None = None
    agreement_id: str | None = None
    offer_id: str | None = None
    offer_version: int | None = None
    policy_hash: str | None = None
    purpose: str | None = None
    decision_id: str | None = None
    of_entry_id: str | None = None
    rows: int | None = None
    bytes: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


NOTHING_MORE = About()


def record(
    ctx: Context, action: str, about: About = NOTHING_MORE, *, outcome: Outcome = Outcome.DONE, code: str = "ok"
) -> Entry:
    """Write one entry in the caller's transaction and return it.

    `action` is `<thing>.<verb>`, e.g. `dataset.publish` or `data.read`; `code` is stable, for programs.
    """
    entry = Entry(
        id=new_id(),
        at=ctx.now,
        action=action,
        outcome=outcome.value,
        code=code,
        trace_id=ctx.trace_id,
        actor_client_id=ctx.actor.client_id,
        actor_participant_id=ctx.actor.participant_id,
        actor_person_id=ctx.actor.person_id,
        thing_id=about.thing_id,
        provider_id=about.provider_id,
        consumer_id=about.consumer_id,
        dataset_id=about.dataset_id,
        dataset_version=about.dataset_version,
        columns=list(about.columns) if about.columns is not None else None,
        agreement_id=about.agreement_id,
        offer_id=about.offer_id,
        offer_version=about.offer_version,
        policy_hash=about.policy_hash,
        purpose=about.purpose,
        decision_id=about.decision_id,
        of_entry_id=about.of_entry_id,
        rows=about.rows,
        bytes=about.bytes,
        details=dict(about.details),
    )
    ctx.session.add(entry)
    ctx.session.flush()
    return entry


def record_decision(ctx: Context, decision: Decision) -> Decision:
    """Keep one decision, with the facts it saw, in the caller's transaction."""
    ctx.session.add(decision)
    ctx.session.flush()
    return decision


def history(ctx: Context, thing_id: str, actions: Sequence[str]) -> Sequence[Entry]:
    """Return the entries about one thing with one of these actions, oldest first; the caller checks who may see it."""
    return store.about_thing(ctx.session, thing_id, actions)

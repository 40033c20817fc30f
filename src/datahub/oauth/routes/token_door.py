"""The token endpoint's hot path: a bare ASGI door in front of the app that gives tokens to clients it knows by heart.

It decides with the plain path's own functions over clients, keys and grants kept in memory, on the event loop, and makes
entry, assertion and proof durable in one group commit of the journal, before the answer. That commit reads the authority
epoch: when it has moved, nothing was written, all that was known is forgotten, and the call takes the plain path. So does
every call that is not a plain success: whatever is refused is refused, charged and recorded there and there alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datahub.audit import Journal, LogUnavailable, Outcome, UsedBefore, entry_values, line_of
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS, ENTRY_HEADER, Actor, Context
from datahub.kernel.errors import JsonValue, Refusal
from datahub.kernel.rest import Door, Envelope, again, give, head_of, refusing, trace_id_of
from datahub.oauth import grants, jose, keys, pushed, store
from datahub.oauth.access_tokens import IssuedToken
from datahub.oauth.client_authentication import (
    KeyFinder,
    KnownClient,
    ProvenClient,
    actor_of,
    claimed_name,
    not_authorised,
    prove_client,
)
from datahub.oauth.dpop import Proof
from datahub.oauth.forms import MAX_FORM_BYTES, Call, Form, read_form
from datahub.oauth.grants import Bundle, GrantByHeart
from datahub.oauth.models import MAX_NAME_LENGTH, Client
from datahub.oauth.nonces import nonce_now
from datahub.oauth.profiles import KeySource, rules_of
from datahub.oauth.pushed import Wish
from datahub.oauth.routes.endpoint import throttle_of

PATH = "/oauth/token"
KNOWN_CLIENTS = 20_000
KNOWN_GRANTS = 100  # of one client
KNOWN_WISHES = 20  # of one client
LONGEST_WISH = 2000  # of those, in characters of authorization_details


class _NotByHeart(Exception):  # noqa: N818 — it says what happened
    """This call needs what is not known by heart; it takes the plain path."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A client by heart; `grants`: by scopes and detail, None for one that has to be checked each time.

    `bundles`: what came of its wishes of late, and the grants that this rests on.
    """

    client: KnownClient
    grants: dict[bytes, GrantByHeart | None] = field(default_factory=dict)
    bundles: dict[Wish, tuple[Bundle, Sequence[GrantByHeart]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What is known under one value of the authority epoch; a client that cannot be known by heart stands as None."""

    epoch: int
    signers: tuple[keys.Signer, ...] = ()
    clients: dict[str, _Known | None] = field(default_factory=dict)


class _Ready(NamedTuple):
    """A token made, and all that has to be durable before it goes out."""

    name: str
    at: datetime
    proven: ProvenClient
    proof: Proof | None
    actor: Actor
    issued: IssuedToken


class TokenDoor:
    """The ASGI app around the app, and around what else stands in front of it (`inner`)."""

    def __init__(self, app: FastAPI, journal: Journal, envelope: Envelope, inner: ASGIApp) -> None:
        """Stand in front of `inner`, which leads to `app`."""
        self._app = app
        self._door: Door = app.state.door
        self._journal = journal
        self._envelope = envelope
        self._inner = inner
        self._throttle = throttle_of(app, self._door)
        self._snapshot = _Snapshot(-1)
        self._lock = Lock()  # around changes of what is known; many threads learn
        fixed = (
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"pragma", b"no-cache"),
        )
        self._head = head_of(envelope.complete(fixed))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give a token by heart; pass on everything else, and learn from what was good there."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._inner(scope, receive, send)
            return
        message = await receive()
        call = _read(scope, message)
        if call is None:
            await self._inner(scope, again(message, receive), send)
            return
        snapshot = self._snapshot
        form = _form(call)
        ready = None if form is None else self._ready(snapshot, form)
        if ready is not None and await self._given(snapshot, ready, call, scope, send):
            return
        statuses: list[int] = []

        async def noting(out: Message) -> None:
            statuses.extend([out["status"]] if out["type"] == "http.response.start" else ())
            await send(out)

        await self._inner(scope, again(message, receive), noting)
        if form is not None and statuses == [200]:
            await run_in_threadpool(self._learn, form)

    # --- giving -------------------------------------------------------------------------------------------------------

    def _ready(self, snapshot: _Snapshot, form: Form) -> _Ready | None:
        """Decide as the plain path does, over what is known; None for whatever it refuses, or does not know."""
        settings, now = self._door.settings, self._door.clock()
        try:
            name = claimed_name(form.credential)
            known = snapshot.clients.get(name)
            if known is None or self._throttle.is_used_up(name[:MAX_NAME_LENGTH], now) is not None:
                return None
            proven = prove_client(settings, now, form.credential, known.client)
            if proven.is_use_to_be_noted(now):
                with self._lock:
                    snapshot.clients.pop(name, None)
                return None
            proof = grants.proof_of(settings, now, proven, form)

            bundle = self._bundle(known, proven, pushed.wish_of(form), now)
            signer = keys.signer_at(snapshot.signers, now)
            issued = bundle.issue(settings, signer, now, proven, proof.key_id if proof is not None else None)
        except (Refusal, _NotByHeart):
            return None
        if len(issued.token) > grants.MAX_TOKEN_LENGTH:
            return None
        return _Ready(name, now, proven, proof, bundle.actor, issued)

    def _bundle(self, known: _Known, proven: ProvenClient, wish: Wish, now: datetime) -> Bundle:
        """Return what comes of a wish; nothing but the grants in it depends on the clock. Raises OAuthRefusal, _NotByHeart."""
        before = known.bundles.get(wish)
        if before is not None and all(each.holds(now) for each in before[1]):
            return before[0]
        rests_on: list[GrantByHeart] = []

        def by_heart(actor: Actor, detail: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
            found = known.grants.get(_name_of(actor, detail))
            if found is None or not found.holds(now):
                raise _NotByHeart
            rests_on.append(found)
            return found.granted

        bundle = grants.decide(self._door.settings, proven, wish, self._is_address, by_heart)
        if len(wish.authorization_details or "") <= LONGEST_WISH:
            if len(known.bundles) >= KNOWN_WISHES:
                known.bundles.clear()
            known.bundles[wish] = bundle, rests_on
        return bundle

    async def _given(self, snapshot: _Snapshot, ready: _Ready, call: Call, scope: Scope, send: Send) -> bool:
        """Make it durable, then send it; False when something was used before, or authority has moved: nothing is done."""
        now, trace_id = ready.at, trace_id_of(scope)
        about = grants.about(ready.proven, ready.issued)
        values = entry_values(ready.actor, now, trace_id, grants.ACTION, about, outcome=Outcome.PERMIT)
        uses = [use for use in (ready.proof and ready.proof.use, ready.proven.assertion) if use]
        try:
            line = line_of(values)
            epoch = await self._journal.written(line, snapshot.epoch, uses)
        except (UsedBefore, ValueError):
            return False
        except LogUnavailable as fault:
            await self._envelope.around(refusing(self._app, fault))(scope, _nothing, send)
            return True
        if epoch != snapshot.epoch:
            if self._snapshot.epoch < epoch:
                self._snapshot = _Snapshot(epoch)
            return False
        body = orjson.dumps(grants.answer_of(ready.issued))
        left = self._throttle.charge_client(ready.name[:MAX_NAME_LENGTH], now)
        more = dict(left.headers())
        if call.proofs:
            more["DPoP-Nonce"] = nonce_now(self._door.settings, now)
        own = [
            (b"content-length", str(len(body)).encode()),
            *((key.lower().encode(), value.encode()) for key, value in more.items()),
            (b"x-request-id", trace_id.encode()),
            (ENTRY_HEADER.lower().encode(), line.id.encode()),
        ]
        await give(scope, send, self._head, own, body)
        return True

    def _is_address(self, path: str) -> bool:
        return bool(self._door.methods_of(path))

    # --- learning -----------------------------------------------------------------------------------------------------

    def _learn(self, form: Form) -> None:
        """Remember the client of a call that was good, and what it was granted. Blocks."""
        door = self._door
        name = claimed_name(form.credential)
        try:
            with db.transaction(door.engine, is_read=True) as session:
                # Before all else: what is read after it is at least as new
                epoch = db.read_epoch(session, db.AUTHORITY)
                ctx = Context(session, ANONYMOUS, door.clock(), "", door.settings)
                snapshot = self._snapshot
                if epoch != snapshot.epoch or not snapshot.signers:
                    snapshot = _Snapshot(epoch, keys.signers(ctx))
                known = snapshot.clients[name] if name in snapshot.clients else _learn_client(ctx, name)
                if known is not None:
                    self._learn_grants(ctx, known, form)
        except (Refusal, SQLAlchemyError, _NotByHeart):
            return
        with self._lock:
            if snapshot.epoch < max(epoch, self._snapshot.epoch):
                return  # what was read may be newer than what is known, or older
            snapshot.clients[name] = known
            while len(snapshot.clients) > KNOWN_CLIENTS:
                del snapshot.clients[next(iter(snapshot.clients))]
            self._snapshot = snapshot

    def _learn_grants(self, ctx: Context, known: _Known, form: Form) -> None:
        learner: grants.GrantLearner | None = getattr(self._app.state, "grant_learner", None)
        if learner is None:
            return

        def learn(actor: Actor, detail: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
            name = _name_of(actor, detail)
            if name not in known.grants:
                own = Context(ctx.session, actor, ctx.now, "", ctx.settings)
                if len(known.grants) >= KNOWN_GRANTS:
                    known.grants.clear()
                known.grants[name] = learner(own, actor.participant_id or "", detail)
            found = known.grants[name]
            return found.granted if found is not None else {}

        proven = prove_client(ctx.settings, ctx.now, form.credential, known.client)
        grants.decide(ctx.settings, proven, pushed.wish_of(form), self._is_address, learn)


def _learn_client(ctx: Context, name: str) -> _Known | None:
    """Return a client by heart; None where its keys are not its registration's: they may change with no authority moving."""
    row = store.client_with_owner(ctx.session, name)
    if row is None:
        return None
    client = row[0]
    actor = actor_of(*row, not_authorised(client))
    if rules_of(client.profile).assertion is None:
        return _Known(KnownClient(*row, store.secrets_of(ctx.session, name), actor=actor))
    return None if client.jwks is None else _Known(KnownClient(*row, (), _finder(client), actor))


def _finder(client: Client) -> KeyFinder:
    asked = rules_of(client.profile).assertion
    assert asked is not None  # noqa: S101 — of a client with keys
    loaded, takes_chains = jose.public_keys(client.jwks or {}), KeySource.X5C in asked.keys

    def find(header: Mapping[str, Any]) -> jose.PublicKey:
        if takes_chains and "x5c" in header:
            raise _NotByHeart
        return jose.choose_key(loaded, header)

    return find


def _name_of(actor: Actor, detail: Mapping[str, JsonValue]) -> bytes:
    return orjson.dumps([sorted(actor.scopes), detail], option=orjson.OPT_SORT_KEYS)


def _read(scope: Scope, message: Message) -> Call | None:
    """Return a call whose body came in one piece and whose headers are plain; None for any other."""
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    body: bytes = message.get("body", b"")
    content_types, credentials, proofs = [], [], []
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_types.append(value)
        elif name == b"authorization":
            credentials.append(value.decode("latin-1"))
        elif name == b"dpop":
            proofs.append(value.decode("latin-1"))
    if len(content_types) != 1 or len(body) > MAX_FORM_BYTES or scope.get("raw_path") != PATH.encode():
        return None
    query = scope["query_string"].decode("latin-1")
    return Call(content_types[0].decode("latin-1"), tuple(credentials), query, body, tuple(proofs), PATH)


def _form(call: Call) -> Form | None:
    try:
        form = read_form(call)
    except Refusal:
        return None
    is_plain = form.get("grant_type") == grants.GRANT_TYPE and form.get("request_uri") is None
    return form if is_plain else None


async def _nothing() -> Message:
    return {"type": "http.disconnect"}

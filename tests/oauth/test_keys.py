"""The exchange's keys: sealed at rest, published before use, replaced with overlap, good for old signatures."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from joserfc.jwk import ECKey
from sqlmodel import select

from datahub.kernel import db
from datahub.kernel.context import Context
from datahub.oauth import SignatureNotValid, keys, rotate_keys, sign_text, verify_text
from datahub.oauth.errors import NoSigningKey
from datahub.oauth.models import SigningKey
from datahub.participants import Participant, Role
from tests.build import MASTER_KEY, NOON, a_context, an_actor, some_settings
from tests.oauth.making import Hub, SetClock
from tests.oauth.test_access_tokens import is_good
from tests.oauth.test_token_endpoint import header_of

TYP = "agreement+jws"


@contextmanager
def context(hub: Hub) -> Iterator[Context]:
    with a_context(hub.engine, hub.settings, an_actor(hub.exchange, Role.ADMIN), hub.clock()) as ctx:
        yield ctx


def published(hub: Hub) -> list[str]:
    return [key["kid"] for key in hub.http.get("/oauth/jwks").json()["keys"]]


def test_the_next_key_is_published_before_use_and_the_old_one_stays_while_tokens_live(
    hub: Hub, organisation: Participant, clock: SetClock
) -> None:
    client = hub.a_client(organisation, Role.AUDITOR)
    (old,) = published(hub)
    with context(hub) as ctx:
        new = rotate_keys(ctx).kid
        assert rotate_keys(ctx).kid == new
    assert published(hub) == [old, new]
    clock.forward(minutes=59)
    token = hub.token(client)
    assert header_of(token)["kid"] == old
    clock.forward(minutes=1)
    assert header_of(hub.token(client))["kid"] == new
    assert is_good(hub, token)
    assert published(hub) == [old, new]
    clock.forward(minutes=120)
    assert published(hub) == [new]


def test_tokens_verify_all_through_two_rotations(
    hub: Hub, organisation: Participant, clock: SetClock
) -> None:
    client = hub.a_client(organisation, Role.AUDITOR)
    seen = set()
    alive: list[str] = []
    for minute in range(0, 400, 5):
        if minute in (30, 200):
            with context(hub) as ctx:
                rotate_keys(ctx)
        with context(hub) as ctx:
            keys.rotate_keys_when_due(ctx)
        alive = [*alive[-1:], hub.token(client)]
        seen.add(header_of(alive[-1])["kid"])
        assert all(is_good(hub, token) for token in alive), minute
        clock.forward(minutes=5)
    assert len(seen) == 3


def test_the_worker_rotates_on_age_and_erases_retired_private_keys(hub: Hub, clock: SetClock) -> None:
    with context(hub) as ctx:
        assert keys.rotate_keys_when_due(ctx) == 0
        signed = sign_text(ctx, b"agreed", TYP)
    clock.forward(days=90)
    with context(hub) as ctx:
        assert keys.rotate_keys_when_due(ctx) == 1
    clock.forward(hours=4)
    with context(hub) as ctx:
        assert keys.rotate_keys_when_due(ctx) == 1
        old, new = keys.signing_keys(ctx)
        assert old.sealed is None
        assert new.sealed is not None
        assert verify_text(ctx, signed, TYP) == b"agreed"
    listed = hub.http.get("/v1/signing-keys").json()["items"]
    assert [key["kid"] for key in listed] == [old.kid, new.kid]
    assert "sealed" not in listed[0]
    assert "d" not in listed[0]["publicJwk"]


def test_a_signed_text_is_read_back_and_no_other(one_hub: Hub) -> None:
    with context(one_hub) as ctx:
        signed = sign_text(ctx, "Afspraak: €".encode(), TYP)
        assert verify_text(ctx, signed, TYP).decode() == "Afspraak: €"
        head, _, signature = signed.split(".")
        for bad in (f"{head}.{'QQ'}.{signature}", signed + "A", "", "a.b.c", signed.replace(".", "")):
            with pytest.raises(SignatureNotValid):
                verify_text(ctx, bad, TYP)
        with pytest.raises(SignatureNotValid):
            verify_text(ctx, signed, "receipt+jws")


@pytest.mark.parametrize("typ", ["at+jwt", "JWT", "dpop+jwt", "client-authentication+jwt"])
def test_a_text_cannot_be_signed_as_another_kind_of_jwt(one_hub: Hub, typ: str) -> None:
    with context(one_hub) as ctx, pytest.raises(ValueError, match="another kind"):
        sign_text(ctx, b"{}", typ)


def test_a_text_has_a_limit(one_hub: Hub) -> None:
    with context(one_hub) as ctx:
        assert verify_text(ctx, sign_text(ctx, b"x" * (1 << 20), TYP), TYP)
        with pytest.raises(ValueError, match="too long"):
            sign_text(ctx, b"x" * ((1 << 20) + 1), TYP)


def test_a_private_key_is_sealed_to_its_place_and_its_master_key(one_hub: Hub) -> None:
    with context(one_hub) as ctx:
        (key,) = keys.signing_keys(ctx)
        assert key.sealed is not None
        assert b'"d"' not in key.sealed
        moved = SigningKey(kid="another", public_jwk={}, sealed=key.sealed, created_at=NOON, active_from=NOON)
        with pytest.raises(RuntimeError, match="does not open"):
            keys._unseal(ctx, moved)
        keys._unsealed.clear()
        other = some_settings(one_hub.settings.home, master_key=MASTER_KEY.replace("A", "B", 1))
        with pytest.raises(RuntimeError, match="does not open"):
            keys._unseal(Context(ctx.session, ctx.actor, ctx.now, ctx.trace_id, other), key)


def test_without_a_key_nothing_is_signed(one_hub: Hub) -> None:
    with db.transaction(one_hub.engine) as session:
        session.delete(session.exec(select(SigningKey)).one())
    with context(one_hub) as ctx, pytest.raises(NoSigningKey):
        sign_text(ctx, b"x", TYP)
    client = one_hub.a_client(one_hub.exchange)
    assert one_hub.ask(client).status_code == 503


def test_a_dump_of_the_database_holds_no_usable_secret(one_hub: Hub) -> None:
    admin = {"Authorization": f"Bearer {one_hub.token(one_hub.a_client(one_hub.exchange, Role.ADMIN))}"}
    made = one_hub.http.post(
        "/v1/clients", headers=admin, json={"name": "plain", "securityProfile": "basic", "roles": ["admin"]}
    ).json()
    where = f"/v1/clients/{made['id']}/secrets"
    secret = one_hub.http.post(where, headers={**admin, "Idempotency-Key": "once"}, json={}).json()["secret"]
    with context(one_hub) as ctx:
        key = ECKey.import_key(keys.signer_at(keys.signers(ctx), ctx.now).key)
        private = key.as_dict(private=True)["d"]
    one_hub.engine.dispose()
    with sqlite3.connect(one_hub.settings.database_url.removeprefix("sqlite:///")) as connection:
        dump = "\n".join(connection.iterdump())
    connection.close()
    assert secret not in dump
    assert not re.search(r"dhs_[A-Za-z0-9_-]{20}", dump)
    assert str(private) not in dump
    assert str(private).encode().hex() not in dump.lower()
    assert admin["Authorization"].removeprefix("Bearer ") not in dump


def test_a_first_key_is_used_at_once(one_hub: Hub) -> None:
    with context(one_hub) as ctx:
        (key,) = keys.signing_keys(ctx)
    assert key.active_from == NOON
    assert timedelta(seconds=keys.JWKS_MAX_AGE_S) <= keys.AHEAD
    assert timedelta(seconds=3600) <= keys.BEHIND

"""Access tokens in use: what opens, what no longer does, who may ask about them."""

from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from datahub.kernel.context import Actor, Context, Credential
from datahub.kernel.errors import Unauthenticated
from datahub.oauth import Client, authenticate, check, jobs, jose, keys, revoke_for_agreement
from datahub.participants import Participant, Role
from tests.build import NOON, a_context, a_participant, an_actor
from tests.oauth.making import ISSUER, KEYS, Hub, SetClock, basic, bearer, sign
from tests.oauth.test_token_details import AGREEMENT, a_grant_check, details
from tests.oauth.test_token_endpoint import claims_of, entries, header_of


def is_good(hub: Hub, token: str) -> bool:
    status = hub.http.get("/v1/clients", headers=bearer(token)).status_code
    assert status in (200, 401)
    return status == 200


def behind(hub: Hub, ctx: Context, token: str) -> Actor:
    shown = Credential("bearer", token, path="/v1/clients")
    return authenticate(ctx, check(hub.engine, hub.settings, shown, ctx.now))


def auditor(hub: Hub, organisation: Participant) -> Client:
    return hub.a_client(organisation, Role.AUDITOR)


def test_the_actor_behind_a_token_is_the_client_as_it_is_now(hub: Hub, organisation: Participant) -> None:
    client = hub.a_client(organisation, Role.ADMIN, Role.REQUESTER)
    token = hub.token(client, scope="clients:write data:read")
    hub.change(client, roles=["requester"])
    with a_context(hub.engine, hub.settings, an_actor(organisation)) as ctx:
        actor = behind(hub, ctx, token)
    assert actor.client_id == client.id
    assert actor.participant_id == organisation.id
    assert actor.roles == {"requester"}
    assert actor.scopes == {"data:read"}
    assert actor.token_id == claims_of(token)["jti"]


def test_a_token_expires(hub: Hub, organisation: Participant, clock: SetClock) -> None:
    token = hub.token(auditor(hub, organisation))
    clock.forward(seconds=599)
    assert is_good(hub, token)
    clock.forward(seconds=1)
    assert not is_good(hub, token)


def test_an_expired_token_is_refused_also_when_it_was_never_seen(
    hub: Hub, organisation: Participant, clock: SetClock
) -> None:
    token = hub.token(auditor(hub, organisation))
    clock.forward(seconds=600)
    assert not is_good(hub, token)


def test_a_revoked_token_dies_on_the_next_request(hub: Hub, organisation: Participant) -> None:
    client = auditor(hub, organisation)
    token, other = hub.token(client), hub.token(client)
    assert is_good(hub, token)
    form = hub.form(client, token=token)
    answer = hub.http.post("/oauth/revoke", data=form)
    assert (answer.status_code, answer.content) == (200, b"")
    assert not is_good(hub, token)
    assert is_good(hub, other)
    assert entries(hub, "oauth.revoke")[-1].details["tokenId"] == claims_of(token)["jti"]


def test_revoking_what_is_no_token_is_no_fault(hub: Hub, organisation: Participant) -> None:
    client = auditor(hub, organisation)
    for unverified in ("nonsense", "a.b.c", hub.assertion(client)):
        assert hub.http.post("/oauth/revoke", data=hub.form(client, token=unverified)).status_code == 200
    assert hub.http.post("/oauth/revoke", data=hub.form(client)).json()["error"] == "invalid_request"


def test_a_token_of_another_client_is_revoked_by_the_exchange_only(
    hub: Hub, organisation: Participant
) -> None:
    token = hub.token(auditor(hub, organisation))
    stranger = auditor(hub, a_participant(hub.engine, "gemeente"))
    refused = hub.http.post("/oauth/revoke", data=hub.form(stranger, token=token))
    assert (refused.status_code, refused.json()["error"]) == (400, "unauthorized_client")
    assert is_good(hub, token)
    admin = hub.a_client(hub.exchange, Role.ADMIN)
    assert hub.http.post("/oauth/revoke", data=hub.form(admin, token=token)).status_code == 200
    assert not is_good(hub, token)


def test_suspension_bites_at_the_next_request_and_ends_with_it(hub: Hub, organisation: Participant) -> None:
    token = hub.token(auditor(hub, organisation))
    assert is_good(hub, token)
    hub.suspend(organisation)
    assert not is_good(hub, token)
    hub.change(organisation, state="admitted")
    assert is_good(hub, token)


def test_disabling_ends_tokens_and_enabling_does_not_bring_them_back(
    hub: Hub, organisation: Participant
) -> None:
    client = auditor(hub, organisation)
    token = hub.token(client)
    admin = bearer(hub.token(hub.a_client(organisation, Role.ADMIN)))
    where = f"/v1/clients/{client.id}/transitions"
    assert hub.http.post(where, headers=admin, json={"move": "disable", "reason": "lost"}).status_code == 201
    assert not is_good(hub, token)
    assert hub.ask(client).status_code == 401
    assert hub.http.post(where, headers=admin, json={"move": "enable"}).status_code == 201
    assert not is_good(hub, token)
    assert is_good(hub, hub.token(client))


def test_the_end_of_an_agreement_ends_its_tokens_but_not_later_ones(
    hub: Hub, organisation: Participant, clock: SetClock
) -> None:
    hub.app.state.grant_check = a_grant_check
    client = hub.a_client(organisation, Role.REQUESTER, Role.AUDITOR)
    token, plain = hub.token(client, authorization_details=details()), hub.token(client)
    assert is_good(hub, token)
    clock.forward(seconds=1)
    with a_context(hub.engine, hub.settings, an_actor(hub.exchange, Role.ADMIN), clock()) as ctx:
        revoke_for_agreement(ctx, AGREEMENT)
        revoke_for_agreement(ctx, AGREEMENT)
    assert not is_good(hub, token)
    assert is_good(hub, plain)
    clock.forward(seconds=1)
    assert is_good(hub, hub.token(client, authorization_details=details()))
    assert not is_good(hub, token)


def test_details_reach_the_actor(hub: Hub, organisation: Participant) -> None:
    hub.app.state.grant_check = a_grant_check
    token = hub.token(hub.a_client(organisation), authorization_details=details())
    with a_context(hub.engine, hub.settings, an_actor(organisation)) as ctx:
        actor = behind(hub, ctx, token)
    assert actor.authorization_details[0]["agreement"] == AGREEMENT


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"typ": "dpop+jwt"},
        {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/"},
        {"iss": "https://evil.example"},
        {"exp": None},
        {"exp": int(NOON.timestamp())},
        {"iat": int(NOON.timestamp()) + 60},
        {"client_epoch": 2},
        {"client_epoch": None},
        {"jti": None},
        {"sub": None},
        {"kid": None},
        {"kid": "another"},
        {"crit": ["exp"]},
    ],
)
def test_a_token_that_differs_in_anything_is_refused(one_hub: Hub, changes: dict[str, Any]) -> None:
    # Signed with the exchange's own key, so that only the check named can refuse it
    organisation = a_participant(one_hub.engine, "waterschap")
    token = one_hub.token(auditor(one_hub, organisation))
    header, claims = header_of(token), claims_of(token)
    with a_context(one_hub.engine, one_hub.settings, an_actor(organisation)) as ctx:
        key = ECKey.import_key(keys.signer_at(keys.signers(ctx), ctx.now).key)
        for part in (header, claims):
            for name, value in changes.items():
                if name in ("typ", "kid", "crit") and part is claims:
                    continue
                if name in part or name == "crit":
                    part[name] = value
        header = {name: value for name, value in header.items() if value is not None}
        claims = {name: value for name, value in claims.items() if value is not None}
        with pytest.raises(Unauthenticated):
            behind(one_hub, ctx, sign(header, claims, key))
        assert behind(one_hub, ctx, sign(header_of(token), claims_of(token), key)).client_id


def test_a_participant_sees_only_its_own_tokens_and_the_exchange_all(
    hub: Hub, organisation: Participant
) -> None:
    client = auditor(hub, organisation)
    token = hub.token(client)
    own = hub.http.post("/oauth/introspect", data=hub.form(client, token=token)).json()
    claims = claims_of(token)
    assert own == {
        "active": True,
        "token_type": "Bearer",
        "scope": claims["scope"],
        **{n: claims[n] for n in ("iss", "sub", "client_id", "aud", "iat", "exp", "jti", "participant_id")},
    }
    colleague, secret = hub.a_basic_client(organisation)
    asked = hub.http.post("/oauth/introspect", data={"token": token}, headers=basic(colleague.id, secret))
    assert asked.json() == own
    stranger = hub.a_client(a_participant(hub.engine, "gemeente"), Role.ADMIN)
    assert hub.http.post("/oauth/introspect", data=hub.form(stranger, token=token)).json() == {
        "active": False
    }
    exchange = hub.a_client(hub.exchange, Role.AUDITOR)
    assert hub.http.post("/oauth/introspect", data=hub.form(exchange, token=token)).json() == own
    assert hub.http.post("/oauth/introspect", data={"token": token}).status_code == 401


def test_a_dead_token_is_not_active(hub: Hub, organisation: Participant, clock: SetClock) -> None:
    client = auditor(hub, organisation)
    token = hub.token(client)
    hub.http.post("/oauth/revoke", data=hub.form(client, token=token))
    for dead in (token, "nonsense", hub.assertion(client)):
        assert hub.http.post("/oauth/introspect", data=hub.form(client, token=dead)).json() == {
            "active": False
        }


def test_a_token_in_the_address_opens_nothing(hub: Hub, organisation: Participant) -> None:
    token = hub.token(auditor(hub, organisation))
    assert hub.http.get(f"/v1/clients?access_token={token}").status_code == 401


def test_a_token_of_another_exchange_is_not_ours(one_hub: Hub, tmp_path: Any) -> None:
    from tests.oauth.making import a_hub

    other = a_hub(tmp_path / "other", f"sqlite:///{tmp_path}/other.db")
    token = other.token(other.a_client(other.exchange, Role.ADMIN))
    assert is_good(other, token)
    assert not is_good(one_hub, token)
    other.engine.dispose()


def test_what_no_longer_matters_is_purged(hub: Hub, organisation: Participant, clock: SetClock) -> None:
    client = auditor(hub, organisation)
    token = hub.token(client)
    hub.http.post("/oauth/revoke", data=hub.form(client, token=token))
    with a_context(hub.engine, hub.settings, an_actor(organisation), NOON) as ctx:
        assert jobs.purge(ctx) == 0
    with a_context(hub.engine, hub.settings, an_actor(organisation), NOON + timedelta(hours=3)) as ctx:
        assert jobs.purge(ctx) == 3
        assert jobs.purge(ctx) == 0


def test_the_cache_of_good_tokens_stays_bounded(one_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from datahub.oauth import access_tokens

    monkeypatch.setattr(access_tokens, "_MAX_VERIFIED", 2)
    client = auditor(one_hub, a_participant(one_hub.engine, "waterschap"))
    for token in [one_hub.token(client) for _ in range(4)]:
        assert is_good(one_hub, token)
        assert len(access_tokens._verified) <= 2


def test_no_algorithm_of_a_client_key_signs_an_access_token(one_hub: Hub) -> None:
    client = auditor(one_hub, a_participant(one_hub.engine, "waterschap"))
    token = one_hub.token(client)
    forged = sign({**header_of(token), "alg": "ES256"}, claims_of(token), KEYS["ES256"])
    assert not is_good(one_hub, forged)
    assert jose.SIGNING_ALGORITHM == "ES256"

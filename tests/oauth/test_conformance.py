"""The project's own checks of a FAPI 2.0 server: ours passes them all, and each sees what it is there to see."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from click.testing import CliRunner

from datahub.cli import main
from datahub.cli.auth.checks import CHECKS
from datahub.cli.auth.command import run
from datahub.cli.auth.judge import judge
from datahub.cli.auth.probe import Party, Probe, new_key, public_jwk
from datahub.kernel.clock import system_clock
from datahub.oauth import Profile, dpop, nonces, profiles, replay, resources, rules, store
from datahub.oauth.jose import jwks, kinds, verify
from datahub.participants import Role
from tests.oauth.making import ISSUER, Hub, a_hub
from tests.server import Server, a_server

ALGORITHMS = ("ES256", "PS256", "EdDSA")
BY_NAME = {check.name: check for check in CHECKS}


@cache
def a_key(alg: str, whose: tuple[str, ...]) -> Any:
    """A key, made once: RSA takes its time."""
    return new_key(alg)


@pytest.fixture
def now_hub(tmp_path: Path, migrated_sqlite_url: str) -> Iterator[Hub]:
    made = a_hub(tmp_path, migrated_sqlite_url, system_clock)
    yield made
    made.engine.dispose()


@pytest.fixture
def probe(now_hub: Hub) -> Probe:
    """A probe of the exchange in this process, with two clients of it."""
    metadata = now_hub.http.get("/.well-known/oauth-authorization-server").json()
    one, two = a_party(now_hub, *ALGORITHMS), a_party(now_hub, "ES256")
    found = Probe(now_hub.http, ISSUER, metadata, one, two, resource=f"{ISSUER}/v1/clients")
    found.ask()
    return found


def a_party(hub: Hub, *algorithms: str) -> Party:
    keys = {alg: a_key(alg, algorithms) for alg in algorithms}
    jwks = {"keys": [{**public_jwk(key), "kid": key.kid} for key in keys.values()]}
    client = hub.a_client(hub.exchange, Role.AUDITOR, Role.REQUESTER, jwks=jwks, profile=Profile.FAPI2)
    return Party(client.id, keys)


def test_our_server_passes_every_check(tmp_path: Path, migrated_sqlite_url: str) -> None:
    with a_server(tmp_path, migrated_sqlite_url) as server:
        parties = [a_served_party(server, *ALGORITHMS), a_served_party(server, "ES256")]
        command = ["auth", "conformance", "--url", server.url, "--json"]
        for prefix, party in zip(("", "other-"), parties, strict=True):
            place = tmp_path / f"{prefix}key.json"
            private = [{**key.as_dict(private=True), "kid": key.kid} for key in party.keys.values()]
            place.write_text(json.dumps({"keys": private}))
            command += [f"--{prefix}client-id", party.client_id, f"--{prefix}key", str(place)]
        done = CliRunner().invoke(main, command)
    report = json.loads(done.stdout)
    assert [each for each in report["checks"] if each["result"] != "pass"] == []
    assert report["summary"] == {"pass": len(CHECKS), "fail": 0, "skip": 0}
    assert len(BY_NAME) == len(CHECKS) > 100
    assert done.exit_code == 0


def a_served_party(server: Server, *algorithms: str) -> Party:
    keys = {alg: a_key(alg, algorithms) for alg in algorithms}
    members = [{**public_jwk(key), "kid": key.kid} for key in keys.values()]
    wanted = {"name": "conformance", "roles": ["auditor", "requester"], "jwks": {"keys": members}}
    return Party(server.call("POST", "/v1/clients", 201, json=wanted)["id"], keys)


def _weaker_profile(**changes: Any) -> Callable[[pytest.MonkeyPatch], None]:
    def weaken(patch: pytest.MonkeyPatch) -> None:
        strong = profiles.PROFILES[Profile.FAPI2]
        assert strong.assertion is not None
        own = {name: changes.pop(name) for name in list(changes) if name == "is_bound"}
        weak = replace(strong, assertion=replace(strong.assertion, **changes), **own)
        patch.setitem(profiles.PROFILES, Profile.FAPI2, weak)

    return weaken


def _instead(where: Any, name: str, what: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(where, name, what)


class _Anything(set[Any]):
    def issuperset(self, _: object) -> bool:
        return True


def _forgetful(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replay, "used_before", lambda *_: [])  # the plain path
    patch.setattr(replay, "_use_up_together", lambda *_: _Anything())  # the journal's commit


def _without_ath(patch: pytest.MonkeyPatch) -> None:
    right = dpop.check_proof

    def blind(*given: Any, ath: str | None = None, **more: Any) -> dpop.Proof:
        return right(*given, **more)

    patch.setattr(dpop, "check_proof", blind)


# A server with one of its checks taken out → what the report says of it.
WEAKENED: Mapping[str, tuple[Callable[[pytest.MonkeyPatch], None], set[str]]] = {
    "takes RS256": (
        _weaker_profile(algorithms=("RS256", *profiles.FAPI_ALGORITHMS)),
        {"refuses-assertion-by-rs256"},
    ),
    "does not look at aud": (
        _instead(verify, "audience_is", lambda *_: None),
        {
            "refuses-aud-of-another",
            "refuses-aud-as-an-array",
            "refuses-aud-as-an-array-with-another",
            "refuses-aud-is-the-token-endpoint",
            "refuses-aud-with-a-slash-more",
            "refuses-aud-missing",
        },
    ),
    "forgets what was used": (
        _forgetful,
        {
            "assertion-works-once",
            "assertion-raced-works-once",
            "token-takes-a-proof-once",
            "resource-takes-a-proof-once",
        },
    ),
    "takes any nonce": (_instead(nonces, "is_nonce", lambda *_: True), {"foreign-nonce-is-refused"}),
    "takes proofs for any address": (
        _instead(dpop, "_is", lambda _: lambda _htu: True),
        {
            "token-refuses-proof-htu-of-another-address",
            "resource-refuses-proof-htu-of-another-address",
        },
    ),
    "does not look at ath": (
        _without_ath,
        {"resource-refuses-proof-ath-missing", "resource-refuses-proof-ath-wrong"},
    ),
    "does not verify": (
        _instead(kinds, "is_signed", lambda *_: True),
        {
            "refuses-assertion-with-a-foreign-key",
            "token-refuses-proof-bad-signature",
            "resource-refuses-proof-bad-signature",
            "resource-refuses-changed-tokens",
        },
    ),
    "has a clock of its own": (
        _instead(verify, "CLOCK_SKEW_S", 600),
        {"refuses-nbf-90s-ahead", "refuses-iat-90s-ahead", "refuses-exp-five-minutes-ago"},
    ),
    "gives bearer tokens": (_weaker_profile(is_bound=False), {"token-refuses-no-proof"}),
    "forgets revocations": (
        _instead(store, "is_revoked", lambda *_: False),
        {"revoked-token-is-refused", "introspection-tells"},
    ),
    "takes any details": (
        _instead(rules, "read_details", lambda _: []),
        {
            "details-of-an-unknown-type",
            "details-with-an-unknown-field",
            "details-of-the-wrong-shape",
            "details-not-agreed",
        },
    ),
    "takes any resource": (
        _instead(resources, "read_resources", lambda *_: (ISSUER,)),
        {"resource-with-a-fragment", "resource-not-absolute", "resource-not-known"},
    ),
    "keeps what was pushed": (
        _instead(store, "take_pushed", lambda *_: True),
        {"pushed-request-works-once"},
    ),
    "takes any key in a proof": (
        _instead(jwks, "key_fault", lambda *_: None),
        {"token-refuses-proof-jwk-private", "token-refuses-proof-jwk-small"},
    ),
}


@pytest.mark.parametrize("weakness", WEAKENED)
def test_a_weakened_server_is_found_out(probe: Probe, weakness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weaken, expected = WEAKENED[weakness]
    before = {name: judge(BY_NAME[name], probe).result for name in expected}
    assert set(before.values()) <= {"pass"}
    verify._proof_key.cache_clear()
    weaken(monkeypatch)
    probe.kept.clear()
    assert {name for name in expected if judge(BY_NAME[name], probe).result == "fail"} == expected
    verify._proof_key.cache_clear()


def _says(
    status: int, body: Mapping[str, Any], **headers: str
) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _: httpx2.Response(status, content=orjson.dumps(body), headers=headers)


NONSENSE = {"issuer": "https://example.org", "access_token": "e30.e30.e30", "scope": "a b", "keys": []}
LOST = {"www-authenticate": f'DPoP algs="ES256", resource_metadata="{ISSUER}/x"'}
ALL_WRONG = {
    "yes to everything": _says(200, NONSENSE),
    "no to everything": _says(400, NONSENSE),
    "unauthorised for everything": _says(401, {"error": "invalid_client"}, **LOST),
}
ENDPOINTS = ("token", "introspection", "revocation", "pushed_authorization_request")
METADATA = {
    "issuer": "https://example.org",
    "grant_types_supported": ["password"],
    "dpop_signing_alg_values_supported": ["RS256"],
    **{f"{name}_endpoint": f"{ISSUER}/{name}" for name in ENDPOINTS},
}
MORE: Sequence[Mapping[str, Any]] = (
    {"authorization_details_types_supported": []},
    {"authorization_details_types_supported": ["dataset"]},
)


def test_every_check_fails_on_a_server_that_is_wrong_enough() -> None:
    keys = {alg: a_key(alg, ALGORITHMS) for alg in ALGORITHMS}
    parties = (Party("one", keys), Party("two", {"ES256": a_key("ES256", ("ES256",))}))
    found: dict[str, set[str]] = {name: set() for name in BY_NAME}
    for answer, more in product(ALL_WRONG.values(), MORE):
        metadata = {**METADATA, **more, **({"jwks_uri": f"{ISSUER}/jwks"} if more is MORE[1] else {})}
        with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
            probe = Probe(http, ISSUER, metadata, *parties, resource=f"{ISSUER}/v1/clients")
            probe.kept[f"token {ISSUER}/v1/clients"] = "e30.e30.e30"
            for name, check in BY_NAME.items():
                if "fail" not in found[name]:
                    found[name].add(judge(check, probe).result)
    assert [name for name, results in found.items() if "fail" not in results] == []


def test_without_a_client_only_what_is_public_is_checked(now_hub: Hub) -> None:
    found = run(now_hub.http, ISSUER, None, None)
    assert {each.result for each in found} == {"pass", "skip"}
    assert {each.check for each in found if each.result == "pass"} > {
        "issuer-is-its-address",
        "challenge-offers-dpop",
    }

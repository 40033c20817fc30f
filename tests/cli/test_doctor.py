"""Every check of `datahub doctor`, seen failing: what it saw, and what to do."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datahub.cli.nouns.doctor import BAD, OK, WARN, Finding, _findings
from datahub.client import Profile
from datahub.client.credentials import new_key
from datahub.client.profiles import save
from tests.client.edge import METADATA, a_hub

KEY = new_key()[0]
KEYED = Profile(url="http://hub.example", client_id="c", private_key=KEY)
TOKEN = {"access_token": "t", "token_type": "DPoP", "expires_in": 600, "scope": "data:read"}
GOOD: Mapping[str, Any] = {
    "/health/live": {"status": "live"},
    "/health/ready": {"status": "ready"},
    "/health/worker": {"status": "working"},
    "/.well-known/oauth-authorization-server": METADATA,
    "/oauth/token": TOKEN,
    "/v1/datasets": {"items": []},
    "/v1/log/status": {"state": "ok", "says": "Every entry is in the tree."},
}


def failed(status: int, **problem: Any) -> Callable[[], httpx2.Response]:
    return lambda: httpx2.Response(status, json=problem)


def found(profile: Profile = KEYED, **otherwise: Any) -> dict[str, Finding]:
    """What the doctor finds where all is well but for what is told, by the last word of its address."""

    def answer(request: httpx2.Request) -> httpx2.Response | Exception:
        path = request.url.path
        said = otherwise.get(path.rpartition("/")[2].replace("-", "_"), GOOD.get(path))
        if isinstance(said, Exception):
            return said
        return said() if callable(said) else httpx2.Response(200, json=said)

    hub, _ = a_hub(answer, profile=profile)
    return {each.check: each for each in _findings(hub)}


@pytest.fixture(autouse=True)
def _own_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAHUB_CONFIG", str(tmp_path / "profiles.toml"))
    monkeypatch.setenv("DATAHUB_NO_KEYRING", "1")


def test_where_all_is_well_every_check_says_so() -> None:
    assert {check: each.result for check, each in found().items()} == dict.fromkeys(
        [
            "profile",
            "reachable",
            "clock",
            "database",
            "storage",
            "worker",
            "issuer",
            "token",
            "dpop",
            "scopes",
            "log",
        ],
        OK,
    ) | {"clock": WARN}  # this made-up exchange sends no Date


@pytest.mark.parametrize(
    ("check", "result", "says", "todo", "otherwise"),
    [
        ("reachable", BAD, "does not answer", "datahub serve", {"live": httpx2.ConnectError("refused")}),
        (
            "clock",
            BAD,
            "s from the exchange's",
            "Set this machine's clock",
            {
                "live": lambda: httpx2.Response(
                    200, headers={"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, json={}
                )
            },
        ),
        (
            "database",
            BAD,
            "not answer",
            "migrate",
            {"ready": failed(503, detail="It does not answer.", remedy="migrate", failed="database")},
        ),
        (
            "storage",
            BAD,
            "not answer",
            "room",
            {"ready": failed(503, detail="It does not answer.", remedy="room", failed="storage")},
        ),
        (
            "worker",
            BAD,
            "have waited",
            "datahub worker",
            {"worker": failed(503, detail="Webhooks have waited.", remedy="datahub worker", failed="worker")},
        ),
        (
            "issuer",
            BAD,
            "but the profile calls",
            "DATAHUB_BASE_URL",
            {"oauth_authorization_server": METADATA | {"issuer": "https://x.example"}},
        ),
        (
            "issuer",
            BAD,
            "no exchange",
            "address",
            {"oauth_authorization_server": lambda: httpx2.Response(404, html="")},
        ),
        (
            "token",
            BAD,
            "Invalid client",
            "datahub client doctor",
            {"token": failed(401, error="invalid_client")},
        ),
        ("dpop", WARN, "bearer", "fapi2", {"token": TOKEN | {"token_type": "Bearer"}}),
        ("dpop", BAD, "Token not good", "clock", {"datasets": failed(401, title="Token not good")}),
        ("scopes", WARN, "none", "role", {"token": TOKEN | {"scope": ""}}),
        ("log", BAD, "Two heads", "access-log", {"status": {"state": "forked", "says": "Two heads."}}),
    ],
    ids=range(12),
)
def test_each_check_is_seen_failing(
    check: str, result: str, says: str, todo: str, otherwise: dict[str, Any]
) -> None:
    seen = found(**otherwise)[check]
    assert seen.result == result
    assert says in seen.seen
    assert todo in seen.todo


def test_a_storage_that_fails_says_that_the_database_does_not() -> None:
    seen = found(ready=failed(503, detail="x", failed="storage"))
    assert (seen["database"].result, seen["storage"].result) == (OK, BAD)


def test_nothing_more_is_asked_where_nobody_answers() -> None:
    assert list(found(live=httpx2.ConnectError("refused"))) == ["profile", "reachable"]


@pytest.mark.parametrize(
    ("profile", "result", "says"),
    [
        (Profile(url="http://hub.example"), WARN, "no client"),
        (Profile(url="http://hub.example", client_id="c"), BAD, "no key or secret"),
        (Profile(url="http://hub.example", token="t"), WARN, "not renewed"),
    ],
    ids=range(3),
)
def test_what_a_profile_lacks_is_told(profile: Profile, result: str, says: str) -> None:
    seen = found(profile)["token"]
    assert (seen.result, says in seen.seen) == (result, True)


def test_a_secret_that_others_can_read_is_bad_and_what_wins_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(KEYED)
    assert found()["profile"].result == OK
    (file,) = tmp_path.glob("credentials/*")
    file.chmod(0o640)
    seen = found()["profile"]
    assert (seen.result, seen.todo) == (BAD, f"chmod 600 {file}")
    file.chmod(0o600)
    monkeypatch.setenv("DATAHUB_URL", "http://other.example")
    assert "DATAHUB_URL" in found()["profile"].seen

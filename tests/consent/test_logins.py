"""People log in by OpenID Connect and reach their own consents, and nobody else's."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey, RSAKey

from datahub.app import build
from datahub.consent.rules.logins import read_logins
from tests.build import NOON, some_settings
from tests.consent.building import ACADEMIC, RESEARCH, Clinic, a_clinic, a_rule
from tests.consent.openid_provider import SECRET, OpenIdProvider, an_openid_provider
from tests.hub import a_hub
from tests.server import free_port

MODULES = Path(__file__).parents[2] / ".cache" / "oidc-provider" / "node_modules"
HAS_NODE = shutil.which("node") is not None and (MODULES / "oidc-provider").is_dir()
LOGIN = """
[town]
title = {{nl = "Stadslogin", en = "City login"}}
issuer = "{issuer}"
client_id = "datahub"
client_secret = "{secret}"
claim = "citizen_number"
serves = [{{organisation = "clinic", key_space = "citizen"}}]
{more}
"""


class Door:
    """A clinic whose people log in, and the provider they log in with."""

    def __init__(self, clinic: Clinic, provider: OpenIdProvider, file: Path) -> None:
        self.clinic, self.provider, self._file = clinic, provider, file
        self.write()

    def write(self, more: str = "") -> None:
        self._file.write_text(LOGIN.format(issuer=self.provider.issuer, secret=SECRET, more=more))

    def begin(self, login: str = "town", dataset_id: str | None = None) -> httpx2.Response:
        asked = {"datasetId": dataset_id or self.clinic.dataset_id, "login": login}
        return self.clinic.hub.http.post("/v1/me/logins", json=asked)

    def end(self, begun: Any, back: dict[str, Any]) -> httpx2.Response:
        return self.clinic.hub.http.post("/v1/me/sessions", json={"token": begun["token"], **back})

    def log_in(self, **changes: Any) -> httpx2.Response:
        begun = self.begin().json()
        back = {**self.provider.log_in(begun["authorizationUrl"]), **changes}
        return self.end(begun, {name: value for name, value in back.items() if value is not None})


@pytest.fixture
def door(tmp_path: Path, migrated_sqlite_url: str) -> Iterator[Door]:
    file = tmp_path / "logins.toml"
    file.write_text("")
    with (
        an_openid_provider(NOON) as provider,
        a_hub(tmp_path, migrated_sqlite_url, person_logins=file, is_egress_private=True) as hub,
    ):
        clinic = a_clinic(hub)
        clinic.rule()
        assert clinic.publish().status_code == 201
        yield Door(clinic, provider, file)


def test_a_person_logs_in_decides_and_everybody_sees_how_it_came(door: Door) -> None:
    clinic = door.clinic
    offered = clinic.hub.http.get(f"{clinic.at}/consent-logins").json()
    assert offered == {"items": [{"name": "town", "title": {"nl": "Stadslogin", "en": "City login"}}]}
    session = door.log_in()
    assert session.status_code == 201, session.text
    token = session.json()["accessToken"]
    decided = {"datasetId": clinic.dataset_id, "purpose": RESEARCH, "move": "give", "explicit": True}
    assert clinic.mine(token, "POST", "/consents", json=decided).status_code == 201
    [found] = clinic.party.done("POST", f"{clinic.at}/consents/lookups", 200, json={"subject": "ann"})[
        "items"
    ]
    [event] = found["events"]
    assert (event["collector"], event["channel"]) == ("person", "exchange-login")
    assert event["evidence"].startswith("login/town, logged in 2026-")
    entry = clinic.party.get("/v1/log-entries", params={"action": "consent-login.use"}).json()["items"][0]
    assert entry["details"] == {"login": "town", "issuer": door.provider.issuer}
    forged = {"subject": "bob", "purpose": ACADEMIC, "move": "refuse", "channel": "exchange-login"}
    assert clinic.party.post(f"{clinic.at}/consents", json=forged).status_code == 400


def test_a_login_works_once_and_in_its_time(door: Door) -> None:
    begun = door.begin().json()
    back = door.provider.log_in(begun["authorizationUrl"])
    assert door.end(begun, back).status_code == 201
    again = door.provider.log_in(begun["authorizationUrl"])
    assert door.end(begun, again).json()["code"] == "link-not-usable", "the token is used"
    assert door.end(begun, back).json()["code"] == "login-not-good", "and so is the code"
    late = door.begin().json()
    door.clinic.hub.clock.forward(minutes=10)
    assert door.end(late, door.provider.log_in(late["authorizationUrl"])).json()["code"] == "link-not-usable"


def test_whoever_is_led_to_somebody_elses_login_gets_no_session(door: Door) -> None:
    mine, theirs = door.begin().json(), door.begin().json()
    back = door.provider.log_in(theirs["authorizationUrl"])
    assert door.end(mine, back).json()["code"] == "login-not-good"
    assert door.log_in(iss=None).json()["code"] == "login-not-good", (
        "this provider says who answers (RFC 9207)"
    )
    assert door.log_in(iss="https://evil.example").json()["code"] == "login-not-good"
    assert door.log_in(state="x").json()["code"] == "login-not-good"
    broken = {"token": f"{mine['token'][:-4]}AAAA", **back}
    assert door.clinic.hub.http.post("/v1/me/sessions", json=broken).json()["code"] == "link-not-usable"


BAD: dict[str, Callable[[OpenIdProvider], None]] = {
    "nonce": lambda p: p.tells.update(nonce="another login's"),
    "audience": lambda p: p.tells.update(aud="somebody-else"),
    "made-for": lambda p: p.tells.update(aud=["datahub", "x"], azp="x"),
    "not-made-for": lambda p: p.tells.update(aud=["datahub", "x"]),
    "issuer": lambda p: p.tells.update(iss="https://evil.example"),
    "expired": lambda p: p.tells.update(exp=int(p.now.timestamp()) - 3600),
    "subject": lambda p: p.tells.update(sub=""),
    "key": lambda p: setattr(p, "signs_with", RSAKey.generate_key(2048)),
    "algorithm": lambda p: setattr(p, "signs_with", ECKey.generate_key("P-256")),
    "userinfo": lambda p: p.more.update(sub="s-2"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_statement_that_does_not_hold_opens_nothing(door: Door, wrong: str) -> None:
    BAD[wrong](door.provider)
    refused = door.log_in()
    assert (refused.status_code, refused.json()["code"]) == (401, "login-not-good")


def test_the_key_may_come_from_userinfo_and_a_login_without_one_leads_nowhere(door: Door) -> None:
    door.provider.person = {"sub": "s-1"}
    assert door.log_in().json()["code"] == "link-not-usable"
    door.provider.more = {"citizen_number": "bob"}
    assert door.log_in().status_code == 201


def test_a_level_that_is_wanted_must_be_told(door: Door) -> None:
    door.write('acr = ["substantial"]')
    assert door.log_in().json()["code"] == "link-not-usable"
    door.provider.tells = {"acr": "substantial"}
    assert door.log_in().status_code == 201


def test_a_login_serves_whom_it_is_written_to_serve_and_nobody_else(door: Door) -> None:
    assert door.begin("village").json()["code"] == "login-not-offered"
    other = a_clinic(door.clinic.hub, slug="hospital")
    other.party.done("POST", f"{other.at}/consent-rules", 201, json=a_rule())
    assert other.publish().status_code == 201
    assert door.clinic.hub.http.get(f"{other.at}/consent-logins").json() == {"items": []}
    assert door.begin(dataset_id=other.dataset_id).json()["code"] == "login-not-offered"


def test_a_provider_that_is_somebody_else_is_not_asked_for_tokens(door: Door) -> None:
    door.provider.metadata = {"issuer": "https://evil.example"}
    assert door.begin().json()["code"] == "login-provider-failed"
    assert door.provider.calls == ["/.well-known/openid-configuration"]
    door.provider.metadata = {}
    assert door.begin().status_code == 201


@contextmanager
def the_certified_provider(folder: Path, redirect_uri: str) -> Iterator[str]:
    """Serve the npm oidc-provider; give its issuer."""
    (folder / "node_modules").symlink_to(MODULES)
    shutil.copy(Path(__file__).parent / "node" / "people.mjs", folder)
    port = free_port()
    command = ["node", "people.mjs", str(port), redirect_uri, SECRET]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert any(line.strip() == "ready" for line in process.stdout)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def browse(url: str, redirect_uri: str, name: str) -> dict[str, str]:
    """Log in on the provider's own pages, as a browser does; return what it is sent back with."""
    forms = iter(({"prompt": "login", "login": name, "password": "x"}, {"prompt": "consent"}))
    with httpx2.Client(trust_env=False) as browser:
        while not url.startswith(redirect_uri):
            page = browser.get(url)
            answer = page if page.is_redirect else browser.post(url, data=next(forms))
            url = urljoin(url, answer.headers["location"])
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.skipif(not HAS_NODE, reason="needs node, and npm packages in .cache/oidc-provider")
def test_a_person_logs_in_with_the_certified_provider(door: Door, tmp_path: Path) -> None:
    hub = door.clinic.hub
    hub.clock.now = datetime.now(UTC)  # the provider's clock cannot be told the time
    back = f"{hub.settings.base_url}/consents"
    (tmp_path / "node").mkdir()
    with the_certified_provider(tmp_path / "node", back) as issuer:
        door.provider.issuer = issuer
        door.write()
        begun = door.begin().json()
        session = door.end(begun, browse(begun["authorizationUrl"], back, "ann"))
        assert session.status_code == 201, session.text
        other = door.begin().json()
        assert (
            door.end(begun, browse(other["authorizationUrl"], back, "bob")).json()["code"] == "login-not-good"
        )
    decided = {"datasetId": door.clinic.dataset_id, "purpose": RESEARCH, "move": "refuse"}
    said = door.clinic.mine(session.json()["accessToken"], "POST", "/consents", json=decided)
    assert said.json()["events"][0]["channel"] == "exchange-login"
    found = door.clinic.party.done("POST", f"{door.clinic.at}/consents/lookups", 200, json={"subject": "ann"})
    assert [each["state"] for each in found["items"]] == ["refused"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("town =", "not TOML"),
        ('[town]\nissuer = "https://x"', "title: Field required"),
        (LOGIN.format(issuer="https://x", secret="s3cret", more='claims = "x"'), "claims: Extra inputs"),
        (LOGIN.format(issuer="https://x", secret="s3cret", more='scope = "profile"'), "scope must hold"),
        (LOGIN.format(issuer="https://x?y", secret="s3cret", more=""), "issuer: String should match"),
    ],
    ids=["toml", "missing", "unknown", "scope", "issuer"],
)
def test_a_file_of_logins_that_is_wrong_is_refused_at_start(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "logins.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"DATAHUB_PERSON_LOGINS") as refused:
        build(some_settings(tmp_path, f"sqlite:///{tmp_path}/d.db", person_logins=file))
    assert says in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert read_logins("") == ()

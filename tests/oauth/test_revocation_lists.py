"""Certificates that their issuer took back: lists fetched through the guard, kept until they end, and what if there is none."""

import base64
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.testclient import TestClient

from datahub.kernel import http
from datahub.kernel.rest import Envelope
from datahub.oauth import Client
from datahub.oauth.routes import TokenDoor
from tests.build import NOON, some_settings
from tests.oauth.making import Hub, SetClock, Site, a_hub
from tests.oauth.test_profiles import AUTHORITY, CLIENT_KEY, OIN, STRANGER, Authority, an_organisation
from tests.oauth.test_token_endpoint import entries

MakeHub = Callable[..., Hub]


@pytest.fixture
def make_hub(tmp_path: Path, migrated_sqlite_url: str, clock: SetClock) -> Iterator[MakeHub]:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(AUTHORITY.root.public_bytes(Encoding.PEM))
    made: list[Hub] = []

    def make(**more: Any) -> Hub:
        made.append(a_hub(tmp_path, migrated_sqlite_url, clock, trust_anchors=anchors, **more))
        return made[0]

    yield make
    made[0].engine.dispose()


def a_list(
    *revoked: str,
    by: Authority = AUTHORITY,
    hours: float = 48,
    made_at: float = 0,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A revocation list, `made_at` hours from noon on, good for `hours`; `revoked`: certificates as they stand in x5c."""
    at = NOON + timedelta(hours=made_at)
    made = x509.CertificateRevocationListBuilder().issuer_name(by.root.subject)
    made = made.last_update(at).next_update(at + timedelta(hours=hours))
    for each in revoked:
        serial = x509.load_der_x509_certificate(base64.b64decode(each)).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        made = made.add_revoked_certificate(entry.build())
    for extension, is_critical in more:
        made = made.add_extension(extension, critical=is_critical)
    return made.sign(by.key, SHA256()).public_bytes(Encoding.DER)


def ask(hub: Hub, client: Client, certificate: str) -> str:
    """Ask for a token by a certificate; return `ok`, or which check failed."""
    assertion = hub.assertion(client, CLIENT_KEY, "RS256", header={"x5c": [certificate]})
    status = hub.ask(client, assertion=assertion).status_code
    found = entries(hub)[-1].code
    assert status == (200 if found == "ok" else 401), found
    return found


def a_client(hub: Hub) -> Client:
    return hub.a_client(an_organisation(hub), key=CLIENT_KEY)


def test_a_revoked_certificate_is_refused_and_a_good_one_asks_once_an_hour(
    make_hub: MakeHub, site: Site, clock: SetClock
) -> None:
    hub = make_hub()
    good, bad = (AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url) for _ in range(2))
    client = a_client(hub)
    site.body = a_list(bad)
    assert [ask(hub, client, each) for each in (good, bad, good)] == [
        "ok",
        "assertion-certificate-revoked",
        "ok",
    ]
    assert len(site.visits) == 1
    site.body = a_list(bad, good, made_at=1)
    clock.forward(minutes=59)
    assert ask(hub, client, good) == "ok"
    clock.forward(minutes=2)
    assert ask(hub, client, good) == "assertion-certificate-revoked"
    assert len(site.visits) == 2


def test_a_list_is_good_until_its_end_though_the_site_fails_and_no_longer(
    make_hub: MakeHub, site: Site, clock: SetClock
) -> None:
    hub = make_hub()
    certificate, client = AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url), a_client(hub)
    site.body = a_list(hours=3)
    assert ask(hub, client, certificate) == "ok"
    site.status = 500
    clock.forward(hours=2)
    assert [ask(hub, client, certificate) for _ in range(3)] == ["ok"] * 3
    assert len(site.visits) == 2  # asked for again when old, once a minute at most
    clock.forward(hours=1)
    assert ask(hub, client, certificate) == "assertion-certificate-no-list"
    site.status, site.body = 200, a_list(made_at=3)
    assert ask(hub, client, certificate) == "assertion-certificate-no-list"
    clock.forward(minutes=1)
    assert ask(hub, client, certificate) == "ok"


_PART = x509.IssuingDistributionPoint


def _part(**more: Any) -> tuple[x509.ExtensionType, bool]:
    names = ("full_name", "relative_name", "only_contains_user_certs", "only_contains_ca_certs")
    others = ("only_some_reasons", "indirect_crl", "only_contains_attribute_certs")
    said: dict[str, Any] = dict.fromkeys((*names, *others), False)
    said |= dict.fromkeys(("full_name", "relative_name", "only_some_reasons"))
    return _PART(**(said | more)), True


UNUSABLE: dict[str, bytes] = {
    "no-list-at-all": b"not found",
    "signed-by-a-stranger": a_list(by=STRANGER),
    "out-of-date": a_list(hours=1, made_at=-2),
    "of-tomorrow": a_list(made_at=24),
    "about-authorities-alone": a_list(more=[_part(only_contains_ca_certs=True)]),
    "of-another-part": a_list(more=[_part(full_name=[x509.UniformResourceIdentifier("http://other/part")])]),
    "of-other-issuers-too": a_list(more=[_part(indirect_crl=True)]),
    "of-some-reasons": a_list(more=[_part(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))]),
    "a-difference-only": a_list(more=[(x509.DeltaCRLIndicator(1), True)]),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_list_that_does_not_tell_counts_as_none(make_hub: MakeHub, site: Site, what: str) -> None:
    hub = make_hub()
    site.body = UNUSABLE[what]
    certificate = AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url)
    assert ask(hub, a_client(hub), certificate) == "assertion-certificate-no-list"


def test_a_list_for_users_of_this_part_tells(make_hub: MakeHub, site: Site) -> None:
    hub = make_hub()
    name = [x509.UniformResourceIdentifier(site.url)]
    site.body = a_list(more=[_part(full_name=name, only_contains_user_certs=True)])
    assert ask(hub, a_client(hub), AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url)) == "ok"


def test_an_older_list_never_takes_the_place_of_a_newer_one(
    make_hub: MakeHub, site: Site, clock: SetClock
) -> None:
    hub = make_hub()
    certificate, client = AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url), a_client(hub)
    site.body = a_list(certificate)
    assert ask(hub, client, certificate) == "assertion-certificate-revoked"
    site.body = a_list(made_at=-1)
    clock.forward(hours=2)
    assert ask(hub, client, certificate) == "assertion-certificate-revoked"
    assert len(site.visits) == 2


NO_LIST, REVOKED = "assertion-certificate-no-list", "assertion-certificate-revoked"
# setting → what comes of a certificate without an address, of one whose address fails, and of one that was revoked
WITHOUT_A_LIST = {
    "required": (NO_LIST, NO_LIST, REVOKED),
    "when-reachable": ("ok", "ok", REVOKED),
    "ignored": ("ok", "ok", "ok"),
}


@pytest.mark.parametrize("setting", WITHOUT_A_LIST)
def test_the_operator_says_what_follows_without_a_list(
    make_hub: MakeHub, site: Site, clock: SetClock, setting: str
) -> None:
    hub = make_hub(revocation_lists=setting)
    client, certificate = a_client(hub), AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url)
    found = [ask(hub, client, AUTHORITY.certificate(CLIENT_KEY, OIN))]
    site.status = 503
    found.append(ask(hub, client, certificate))
    clock.forward(minutes=2)
    site.status, site.body = 200, a_list(certificate)
    found.append(ask(hub, client, certificate))
    assert tuple(found) == WITHOUT_A_LIST[setting]
    assert bool(site.visits) == (setting != "ignored")


def test_a_chain_that_does_not_hold_makes_nobody_fetch(make_hub: MakeHub, site: Site) -> None:
    hub = make_hub()
    certificate = STRANGER.certificate(CLIENT_KEY, OIN, list_at=site.url)
    assert ask(hub, a_client(hub), certificate) == "assertion-certificate-chain"
    assert not site.visits


def test_a_certificate_is_judged_anew_each_time_also_where_tokens_are_given_by_heart(
    make_hub: MakeHub, site: Site, clock: SetClock
) -> None:
    hub = make_hub()
    envelope = Envelope(hub.app, "1.0.0")
    hub.http = TestClient(
        TokenDoor(hub.app, hub.app.state.journal, envelope, envelope), base_url=hub.settings.base_url
    )
    certificate, client = AUTHORITY.certificate(CLIENT_KEY, OIN, list_at=site.url), a_client(hub)
    site.body = a_list()
    assert [ask(hub, client, certificate) for _ in range(2)] == ["ok", "ok"]
    site.body = a_list(certificate, made_at=1)
    clock.forward(hours=2)
    assert ask(hub, client, certificate) == "assertion-certificate-revoked"


def test_lists_may_come_by_plain_http_but_not_from_inside(tmp_path: Path) -> None:
    settings = some_settings(tmp_path, "sqlite://", is_egress_private=False)
    http.check_url("http://crl.example/latest.crl", settings, http.HTTPS_OR_HTTP)
    for url, ways in (
        ("http://crl.example/latest.crl", http.HTTPS),
        ("http://crl.example:8080/latest.crl", http.HTTPS_OR_HTTP),
        ("https://crl.example:80/latest.crl", http.HTTPS_OR_HTTP),
        ("ldap://crl.example/latest", http.HTTPS_OR_HTTP),
    ):
        with pytest.raises(http.AddressNotAllowed):
            http.check_url(url, settings, ways)
    with pytest.raises(http.AddressNotAllowed):
        http.get(settings, "http://127.0.0.1/latest.crl", 100, http.HTTPS_OR_HTTP)

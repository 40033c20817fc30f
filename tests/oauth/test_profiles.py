"""Security profiles: no client is weakened by what another profile allows, and each does what its specification says."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc.jwk import Key, RSAKey

from datahub.kernel import db
from datahub.oauth import Client, Profile
from datahub.oauth.profiles import PROFILES
from datahub.participants import LegalIdentifier, Participant
from tests.build import NOON, a_participant
from tests.oauth.making import ISSUER, KEYS, Hub, SetClock, a_hub, basic, public_jwk
from tests.oauth.test_token_endpoint import entries

NOW = int(NOON.timestamp())
ISHARE_ID = "EU.EORI.NL000000001"
EORI, OIN = "NL123456782", "00000001900000016000"


@dataclass
class Authority:
    """A root of trust, and the certificates it signs."""

    key: rsa.RSAPrivateKey
    root: x509.Certificate

    def certificate(
        self, key: Key, serial: str, *, days: int = 30, is_signer: bool = True, list_at: str = ""
    ) -> str:
        usage = x509.KeyUsage(is_signer, False, not is_signer, False, False, False, False, False, False)  # noqa: FBT003
        made = _builder(f"client {serial}", serial, self.root.subject, days).public_key(key.public_key)  # type: ignore[arg-type]
        if list_at:
            made = made.add_extension(x509.CRLDistributionPoints([_point(list_at)]), critical=False)
        leaf = made.add_extension(usage, critical=True).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        return base64.b64encode(leaf.sign(self.key, SHA256()).public_bytes(Encoding.DER)).decode()


def _point(url: str) -> x509.DistributionPoint:
    return x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)


def _builder(name: str, serial: str, issuer: x509.Name | None, days: int) -> x509.CertificateBuilder:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if serial:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    subject = x509.Name(attributes)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=365))
        .not_valid_after(NOON + timedelta(days=days))
    )


def an_authority() -> Authority:
    key = rsa.generate_private_key(65537, 2048)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)  # noqa: FBT003
    root = (
        _builder("root", "", None, 3650)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return Authority(key, root)


AUTHORITY, STRANGER = an_authority(), an_authority()
CLIENT_KEY = RSAKey.generate_key(2048)


@pytest.fixture
def trusting(tmp_path: Path, migrated_sqlite_url: str, clock: SetClock) -> Any:
    anchors = tmp_path / "anchors.pem"
    anchors.write_bytes(AUTHORITY.root.public_bytes(Encoding.PEM))
    more: dict[str, Any] = {"ishare_id": ISHARE_ID, "revocation_lists": "ignored"}
    made = a_hub(tmp_path, migrated_sqlite_url, clock, trust_anchors=anchors, **more)
    yield made
    made.engine.dispose()


def an_organisation(hub: Hub) -> Participant:
    owner = a_participant(hub.engine, "waterschap")
    with db.transaction(hub.engine) as session:
        for scheme, value in (("eori", EORI), ("oin", OIN)):
            session.add(LegalIdentifier(participant_id=owner.id, scheme=scheme, value=value))
    return owner


def clients(hub: Hub) -> Mapping[Profile, tuple[Client, str]]:
    """One client of each profile, all of one organisation, the keyed ones with the same RSA key; and secrets."""
    owner = an_organisation(hub)
    keys = {"keys": [public_jwk(CLIENT_KEY)]}
    found = {
        Profile.FAPI2: (hub.a_client(owner, jwks=keys, profile=Profile.FAPI2), "none"),
        Profile.NLGOV: (hub.a_client(owner, jwks=keys, profile=Profile.NLGOV), "none"),
        Profile.ISHARE: (
            hub.a_client(owner, jwks=keys, profile=Profile.ISHARE, alias=f"EU.EORI.{EORI}"),
            "none",
        ),
        Profile.BASIC: hub.a_basic_client(owner),
    }
    assert found.keys() == PROFILES.keys()
    return found


def ishare_header(key: Key = CLIENT_KEY, serial: str = f"EU.EORI.{EORI}", **more: Any) -> dict[str, Any]:
    return {"x5c": [AUTHORITY.certificate(key, serial, **more)]}


def ask_as(hub: Hub, profile: Profile, client: Client, secret: str, name: str) -> Any:
    """Ask for a token for a client in the way of a profile, as well as anybody could."""
    if profile is Profile.BASIC:
        form = {"grant_type": "client_credentials"}
        return hub.http.post("/oauth/token", data=form, headers=basic(name, secret))
    identity = {"iss": name, "sub": name}
    if profile is Profile.ISHARE:
        more: dict[str, Any] = {"aud": ISHARE_ID, "exp": NOW + 30, "header": ishare_header(), **identity}
        return hub.ask(client, assertion=hub.assertion(client, CLIENT_KEY, "RS256", **more))
    if profile is Profile.NLGOV:
        return hub.ask(client, assertion=hub.assertion(client, CLIENT_KEY, "RS256", **identity))
    proof = {"DPoP": hub.proof()}
    return hub.ask(client, assertion=hub.assertion(client, CLIENT_KEY, "PS256", **identity), headers=proof)


# Whose way is good enough for whom: what FAPI 2.0 asks for is good under the NL GOV profile too, never the reverse
STRONGER = {(Profile.FAPI2, Profile.NLGOV)}


def test_no_client_can_use_the_way_of_another_profile(trusting: Hub) -> None:
    for owner_profile, (client, secret) in clients(trusting).items():
        for way in PROFILES:
            for name in {client.id, client.alias or client.id}:
                answer = ask_as(trusting, way, client, secret, name)
                is_own = way is owner_profile and name == (client.alias or client.id)
                expected = 200 if is_own or (way, owner_profile) in STRONGER else 401
                assert answer.status_code == expected, (owner_profile, way, name, entries(trusting)[-1].code)
                if owner_profile is Profile.FAPI2 and expected == 200:
                    assert answer.json()["token_type"] == "DPoP"


FAPI2_REFUSES: list[tuple[str, str, dict[str, Any]]] = [
    ("assertion-algorithm", "RS256", {}),
    ("assertion-algorithm", "PS384", {}),
    ("assertion-aud", "PS256", {"aud": [ISSUER]}),
    ("assertion-aud", "PS256", {"aud": f"{ISSUER}/"}),
    ("assertion-aud", "PS256", {"aud": f"{ISSUER}/oauth/token"}),
    ("assertion-aud", "PS256", {"aud": f"{ISSUER}/oauth/par"}),
    ("assertion-aud", "PS256", {"aud": ISHARE_ID}),
    ("assertion-exp-too-far", "PS256", {"exp": NOW + 3600}),
    ("assertion-expired", "PS256", {"exp": NOW - 300}),
    ("assertion-claim-iat", "PS256", {"iat": NOW + 61}),
    ("assertion-typ", "PS256", {"typ": "dpop+jwt"}),
]
NLGOV_REFUSES: list[tuple[str, str, dict[str, Any]]] = [
    ("assertion-claim-missing", "RS256", {"iat": None}),
    ("assertion-exp-too-far", "RS256", {"iat": NOW - 200, "exp": NOW + 250}),
    ("assertion-aud", "RS256", {"aud": [ISSUER]}),
    ("assertion-algorithm", "RS384", {}),
    ("assertion-certificate-subject", "RS256", {"header": ishare_header()}),
    ("assertion-x5c", "RS256", {"header": {"x5c": ["no certificate"]}}),
    ("assertion-x5c", "RS256", {"header": {"x5c": []}}),
]
ISHARE_REFUSES: list[tuple[str, str, dict[str, Any]]] = [
    ("assertion-exp-too-far", "RS256", {"exp": NOW + 60}),
    ("assertion-exp-too-far", "RS256", {"iat": NOW - 5}),
    ("assertion-aud", "RS256", {"aud": ISSUER}),
    ("assertion-aud", "RS256", {"aud": [ISHARE_ID]}),
    ("assertion-algorithm", "PS256", {}),
    ("assertion-header-member", "RS256", {"kid": "a"}),
    ("assertion-x5c-missing", "RS256", {"header": {}}),
    ("assertion-certificate-subject", "RS256", {"header": ishare_header(serial="EU.EORI.NL999999999")}),
    ("assertion-certificate-chain", "RS256", {"header": ishare_header(days=-1)}),
    ("assertion-certificate-usage", "RS256", {"header": ishare_header(is_signer=False)}),
    (
        "assertion-certificate-chain",
        "RS256",
        {"header": {"x5c": [STRANGER.certificate(CLIENT_KEY, f"EU.EORI.{EORI}")]}},
    ),
    ("assertion-signature", "RS256", {"header": ishare_header(key=RSAKey.generate_key(2048))}),
]


def test_each_profile_refuses_what_its_specification_refuses(trusting: Hub) -> None:
    known = clients(trusting)
    for profile, cases in (
        (Profile.FAPI2, FAPI2_REFUSES),
        (Profile.NLGOV, NLGOV_REFUSES),
        (Profile.ISHARE, ISHARE_REFUSES),
    ):
        client = known[profile][0]
        base: dict[str, Any] = {}
        if profile is Profile.ISHARE:
            name = client.alias
            base = {"iss": name, "sub": name, "aud": ISHARE_ID, "exp": NOW + 30, "header": ishare_header()}
        for check, alg, changes in cases:
            assertion = trusting.assertion(client, CLIENT_KEY, alg, **(base | changes))
            answer = trusting.ask(client, assertion=assertion, headers={"DPoP": trusting.proof()})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), (check, changes)
            assert entries(trusting)[-1].code == check, changes


def test_a_certificate_with_the_organisations_oin_is_a_key_of_its_nlgov_client(trusting: Hub) -> None:
    client, _ = clients(trusting)[Profile.NLGOV]
    other = RSAKey.generate_key(2048)
    header = {"x5c": [AUTHORITY.certificate(other, OIN)]}
    for alg in ("RS256", "PS256"):
        assertion = trusting.assertion(client, other, alg, header=header)
        assert trusting.ask(client, assertion=assertion).status_code == 200, entries(trusting)[-1].code


def test_without_trust_anchors_no_certificate_counts(one_hub: Hub) -> None:
    client = one_hub.a_client(an_organisation(one_hub), key=CLIENT_KEY)
    assertion = one_hub.assertion(client, CLIENT_KEY, "RS256", header=ishare_header(serial=OIN))
    assert one_hub.ask(client, assertion=assertion).status_code == 401
    assert entries(one_hub)[-1].code == "assertion-no-trust-anchors"


def test_a_key_registered_for_one_algorithm_signs_by_no_other(one_hub: Hub) -> None:
    owner = a_participant(one_hub.engine, "waterschap")
    client = one_hub.a_client(owner, jwks={"keys": [{**public_jwk(KEYS["PS256"]), "alg": "PS256"}]})
    for alg, status in (("PS256", 200), ("RS256", 401)):
        assertion = one_hub.assertion(client, KEYS["PS256"], alg)
        assert one_hub.ask(client, assertion=assertion).status_code == status


def test_keys_of_one_kid_are_told_apart_by_their_type(one_hub: Hub) -> None:
    keys = {"keys": [{**public_jwk(KEYS[name]), "kid": "same"} for name in ("ES256", "PS256", "EdDSA")]}
    client = one_hub.a_client(a_participant(one_hub.engine, "waterschap"), jwks=keys)
    for alg in KEYS:
        assertion = one_hub.assertion(client, KEYS[alg], alg, kid="same")
        assert one_hub.ask(client, assertion=assertion).status_code == 200

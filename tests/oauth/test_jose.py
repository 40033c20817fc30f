"""Every kind of JWT goes through its own verifier and no other; nothing malformed passes, nothing crashes."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

import datahub
from datahub.oauth import Profile, jose
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.profiles import PROFILES
from tests.build import NOON
from tests.oauth.making import ISSUER, sign

KEY = ECKey.generate_key("P-256")
KEY.ensure_kid()
KID = str(KEY.kid)
KEYS = jose.public_keys({"keys": [KEY.as_dict(private=False)]})
NOW = int(NOON.timestamp())
CLIENT = "0190a0a0-0000-7000-8000-00000000000c"
# One header, and one set of claims, that is good for every kind, so that only the kind can tell them apart
HEADER: dict[str, Any] = {"alg": "ES256", "kid": KID, "jwk": KEY.as_dict(private=False)}
CLAIMS: dict[str, Any] = {
    "iss": CLIENT,
    "sub": CLIENT,
    "client_id": CLIENT,
    "aud": ISSUER,
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "one",
    "scope": "data:read",
    "participant_id": "p",
    "client_epoch": 1,
    "htm": "GET",
    "htu": ISSUER,
}


def as_assertion(token: str) -> object:
    rules = PROFILES[Profile.FAPI2].assertion
    assert rules is not None
    return jose.verify_client_assertion(
        token,
        lambda header: jose.choose_key(KEYS, header),
        rules,
        client_id=CLIENT,
        audience=ISSUER,
        now=NOON,
    )


def as_proof(token: str) -> object:
    return jose.verify_dpop_proof(token, method="GET", is_address=lambda htu: htu == ISSUER, now=NOON)


def as_access_token(token: str) -> object:
    return jose.verify_access_token(token, KEYS, issuer=ISSUER, now=NOON)


def as_text(typ: str) -> Callable[[str], object]:
    return lambda token: jose.verify_text(token, KEYS, typ)


VERIFIERS: dict[str, Callable[[str], object]] = {
    "JWT": as_assertion,
    "at+jwt": as_access_token,
    "dpop+jwt": as_proof,
    "agreement+jws": as_text("agreement+jws"),
    "receipt+jws": as_text("receipt+jws"),
}


def made(typ: str | None, **changes: Any) -> str:
    claims = CLAIMS | ({"iss": ISSUER} if typ == "at+jwt" else {}) | changes
    header = HEADER | ({"typ": typ} if typ is not None else {})
    return sign(header, claims, KEY)


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("typ", [*VERIFIERS, "logout+jwt", "", None])
def test_each_kind_passes_its_own_verifier_and_no_other(typ: str | None, verifier: str) -> None:
    # RFC 7523 asks for no typ, so a client assertion may come without one
    is_own = typ == verifier or (verifier == "JWT" and typ is None)
    if is_own:
        assert VERIFIERS[verifier](made(typ))
    else:
        with pytest.raises(JwtNotGood) as caught:
            VERIFIERS[verifier](made(typ))
        assert caught.value.check == "typ"


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


@pytest.mark.parametrize("typ", VERIFIERS)
@pytest.mark.parametrize(
    "alg", ["none", "None", "HS256", "RS256", "ES384", "ES256K", "Ed448", None, 7, ["ES256"]]
)
def test_no_other_algorithm_passes(typ: str, alg: Any) -> None:
    head = part({"alg": alg, "typ": typ, "kid": KID})
    signed = f"{head}.{part(CLAIMS)}"
    # The public key as an HMAC secret, in the forms an attacker would guess
    secrets = [orjson.dumps(KEY.as_dict(private=False)), KEY.as_bytes(encoding="PEM", private=False), b""]
    for secret in secrets:
        tag = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        for signature in (base64.urlsafe_b64encode(tag).rstrip(b"=").decode(), ""):
            with pytest.raises(JwtNotGood):
                VERIFIERS[typ](f"{signed}.{signature}")


@pytest.mark.parametrize("typ", VERIFIERS)
@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["b64"], "b64": False},
        {"b64": False},
        {"crit": []},
        {"kid": "another"},
        {"kid": 7},
        {"kid": None},
        {"typ": 7},
        {"x": "y" * 5000},
    ],
)
def test_headers_that_ask_for_more_are_refused(typ: str, header: dict[str, Any]) -> None:
    if typ == "dpop+jwt" and "kid" in header:
        return  # a proof shows its key itself, and names none
    claims = CLAIMS | ({"iss": ISSUER} if typ == "at+jwt" else {})
    assert VERIFIERS[typ](sign({**HEADER, "typ": typ}, claims, KEY))
    with pytest.raises(JwtNotGood):
        VERIFIERS[typ](sign({**HEADER, "typ": typ} | header, claims, KEY))


@pytest.mark.parametrize("typ", sorted(VERIFIERS.keys() - {"dpop+jwt"}))
def test_keys_named_in_a_header_are_never_followed(typ: str) -> None:
    other = ECKey.generate_key("P-256")
    header = {
        "alg": "ES256",
        "kid": KID,
        "typ": typ,
        "jwk": other.as_dict(private=False),
        "jku": "https://evil.example",
        "x5u": "https://evil.example",
    }
    with pytest.raises(JwtNotGood):
        VERIFIERS[typ](sign(header, CLAIMS | {"iss": ISSUER if typ == "at+jwt" else CLIENT}, other))


@pytest.mark.parametrize(
    "claims", [b"[]", b"7", b"{", b"[" * 3000, b'{"exp": NaN}', b'{"exp": 1e999}', b"\xff"]
)
def test_a_payload_that_is_no_object_is_refused(claims: bytes) -> None:
    from joserfc import jws

    for typ in ("JWT", "at+jwt", "dpop+jwt"):
        token = jws.serialize_compact({**HEADER, "typ": typ}, claims, KEY, algorithms=["ES256"])
        with pytest.raises(JwtNotGood):
            VERIFIERS[typ](token)


def test_oversized_tokens_are_refused_before_they_are_read() -> None:
    for verifier in VERIFIERS.values():
        with pytest.raises(JwtNotGood) as caught:
            verifier("a" * 2_000_000)
        assert caught.value.check == "too-long"


@given(st.data())
def test_no_changed_token_passes_and_none_crashes(data: st.DataObject) -> None:
    typ = data.draw(st.sampled_from(sorted(VERIFIERS)))
    good = made(typ)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + data.draw(st.text(max_size=3)) + good[at + data.draw(st.integers(0, 3)) :]
    if _bytes_of(changed) == _bytes_of(good):
        return
    with pytest.raises(JwtNotGood):
        VERIFIERS[typ](changed)


def _bytes_of(token: str) -> list[bytes] | str:
    try:
        return [base64.urlsafe_b64decode(p + "=" * (-len(p) % 4)) for p in token.split(".")]
    except ValueError:
        return token


@given(
    st.dictionaries(
        st.sampled_from([*sorted(CLAIMS), "nbf", "ath", "nonce"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**62), 2**62)
            | st.floats(allow_nan=False)
            | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        min_size=1,
    )
)
def test_claims_of_any_type_are_judged_never_a_crash(changes: dict[str, Any]) -> None:
    for typ in ("JWT", "at+jwt", "dpop+jwt"):
        try:
            verified = VERIFIERS[typ](made(typ, **changes))
        except JwtNotGood:
            continue
        if isinstance(verified, jose.VerifiedProof):
            assert {"htm": "GET", "htu": ISSUER}.items() <= (CLAIMS | changes).items()
            assert NOW - jose.PROOF_LIFE_S <= verified.iat <= NOW + jose.CLOCK_SKEW_S
            continue
        assert isinstance(verified, dict)
        assert verified["aud"] == ISSUER
        assert verified["exp"] > NOW


def test_only_one_module_of_the_server_touches_joserfc() -> None:
    # The command line and the client sign as clients do, with keys of their own
    source = Path(datahub.__file__).parent
    uses = re.compile(r"^\s*(from|import) joserfc", re.MULTILINE)
    users = {
        path.relative_to(source).as_posix() for path in source.rglob("*.py") if uses.search(path.read_text())
    }
    assert {user for user in users if not user.startswith(("cli/", "client/"))} == {
        "oauth/jose/jwks.py",
        "oauth/jose/kinds.py",
    }

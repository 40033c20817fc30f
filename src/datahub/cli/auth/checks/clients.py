"""How a client may not prove itself: each assertion that FAPI 2.0, RFC 7523 or RFC 8725 refuse, and each form."""

import base64
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from datahub.cli.auth.judge import Check, granted, must, refused
from datahub.cli.auth.probe import Answer, Probe, new_key, wall_clock

_CLIENT = ("invalid_client", "invalid_request", "invalid_grant")
_RACERS = 12
_ALLOWED = set(range(0x20, 0x22)) | set(range(0x23, 0x5C)) | set(range(0x5D, 0x7F))

Ask = Callable[[Probe], Answer]


def _asserting(**changes: Any) -> Ask:
    """Ask with an assertion that differs in these claims; a function gets the probe."""

    def ask(probe: Probe) -> Answer:
        made = {name: value(probe) if callable(value) else value for name, value in changes.items()}
        return probe.ask(assertion=probe.assertion(**made))

    return ask


def _in(seconds: int) -> Callable[[Probe], int]:
    return lambda _: wall_clock() + seconds


def _with_a_foreign_key(probe: Probe) -> Answer:
    key = new_key("ES256")
    known = probe.party.keys[probe.party.algorithm]
    return probe.ask(assertion=probe.assertion(alg="ES256", key=key, header={"kid": known.kid}))


def _by_hmac(probe: Probe) -> Answer:
    return probe.ask(assertion=probe.assertion(alg="HS256"))


def _by_rs256(probe: Probe) -> Answer:
    key = probe.party.keys.get("PS256") or new_key("PS256")
    return probe.ask(assertion=probe.assertion(alg="RS256", key=key))


def _as_another(probe: Probe) -> Answer:
    return probe.ask(assertion=probe.assertion(iss=probe.other.client_id, sub=probe.other.client_id))


def _with_anothers_id(probe: Probe) -> Answer:
    return probe.ask(client_id=probe.other.client_id)


def _without(probe: Probe) -> Answer:
    return probe.ask(client_assertion=None, client_assertion_type=None, client_id=probe.party.client_id)


def _with_a_secret(probe: Probe) -> Answer:
    pair = base64.b64encode(f"{probe.party.client_id}:secret".encode()).decode()
    none: dict[str, Any] = {"client_assertion": None, "client_assertion_type": None}
    return probe.ask(headers={"Authorization": f"Basic {pair}"}, **none)


def _two_ways(probe: Probe) -> Answer:
    pair = base64.b64encode(f"{probe.party.client_id}:secret".encode()).decode()
    return probe.ask(headers={"Authorization": f"Basic {pair}"})


def _foreign_kid(probe: Probe) -> Answer:
    return probe.ask(assertion=probe.assertion(header={"kid": "no-such-key"}))


def _of_nobody(probe: Probe) -> Answer:
    name = "00000000-0000-7000-8000-000000000000"
    return probe.ask(assertion=probe.assertion(iss=name, sub=name))


def _grant(name: str | None, **more: Any) -> Ask:
    return lambda probe: probe.ask(grant_type=name, **more)


def _twice(probe: Probe) -> Answer:
    return probe.ask(more=[("grant_type", "client_credentials")])


_REFUSED: tuple[tuple[str, str, Ask, tuple[str, ...]], ...] = (
    ("RFC 7521 §4.2; OIDF ensure-client-assertion-in-token-endpoint", "no-assertion", _without, _CLIENT),
    ("FAPI 2.0 §5.4.1-1; OIDF …-with-RS256-fails", "assertion-by-rs256", _by_rs256, _CLIENT),
    ("RFC 8725 §3.1", "assertion-by-hs256-with-the-public-key", _by_hmac, _CLIENT),
    ("RFC 8725 §3.2", "assertion-by-none", _asserting(alg="none"), _CLIENT),
    ("RFC 7523 §3-9", "assertion-with-a-foreign-key", _with_a_foreign_key, _CLIENT),
    ("RFC 7515 §4.1.4", "assertion-with-an-unknown-kid", _foreign_kid, _CLIENT),
    (
        "FAPI 2.0 §5.3.2.1-8; OIDF …-with-wrong-aud-fails",
        "aud-of-another",
        _asserting(aud="https://example.org"),
        _CLIENT,
    ),
    ("FAPI 2.0 §5.3.2.1-8", "aud-as-an-array", _asserting(aud=lambda p: [p.issuer]), _CLIENT),
    (
        "FAPI 2.0 §5.3.2.1-8",
        "aud-as-an-array-with-another",
        _asserting(aud=lambda p: [p.issuer, "https://example.org"]),
        _CLIENT,
    ),
    (
        "FAPI 2.0 §5.3.2.1-8",
        "aud-is-the-token-endpoint",
        _asserting(aud=lambda p: p.endpoint("token")),
        _CLIENT,
    ),
    ("FAPI 2.0 §5.3.2.1-8", "aud-with-a-slash-more", _asserting(aud=lambda p: f"{p.issuer}/"), _CLIENT),
    ("RFC 7523 §3-3", "aud-missing", _asserting(aud=None), _CLIENT),
    ("OIDF …-exp-is-5-minutes-in-past-fails", "exp-five-minutes-ago", _asserting(exp=_in(-300)), _CLIENT),
    ("RFC 7523 §3-4", "exp-missing", _asserting(exp=None), _CLIENT),
    ("OIDF …-with-no-sub-fails", "sub-missing", _asserting(sub=None), _CLIENT),
    ("RFC 7523 §3-1", "iss-missing", _asserting(iss=None), _CLIENT),
    ("RFC 7523 §3-1", "iss-is-not-sub", _asserting(iss="https://example.org"), _CLIENT),
    ("FAPI 2.0 §5.3.2.1; RFC 7523 §3-7", "jti-missing", _asserting(jti=None), _CLIENT),
    ("FAPI 2.0 §5.3.2.1-13", "nbf-90s-ahead", _asserting(nbf=_in(90)), _CLIENT),
    ("FAPI 2.0 §5.3.2.1-13", "iat-90s-ahead", _asserting(iat=_in(90)), _CLIENT),
    ("RFC 8725 §3.11", "proof-as-an-assertion", _asserting(header={"typ": "dpop+jwt"}), _CLIENT),
    ("RFC 7515 §4.1.11", "unknown-crit", _asserting(header={"crit": ["x"], "x": 1}), _CLIENT),
    ("OIDF ensure-client-id-in-token-endpoint", "another-clients-name", _as_another, _CLIENT),
    ("RFC 7521 §4.2", "another-clients-id-beside", _with_anothers_id, _CLIENT),
    ("RFC 6749 §5.2", "unknown-client", _of_nobody, _CLIENT),
    ("FAPI 2.0 §5.3.2.1-6", "secret-of-a-client-with-keys", _with_a_secret, _CLIENT),
    ("RFC 6749 §2.3", "two-ways-at-once", _two_ways, _CLIENT),
    ("RFC 6749 §3.2", "parameter-twice", _twice, ("invalid_request",)),
    ("FAPI 2.0 §5.3.2.1-2", "password-grant", _grant("password", username="a"), ()),
    (
        "RFC 6749 §5.2",
        "unknown-grant",
        _grant("urn:example:none"),
        ("unsupported_grant_type", "invalid_request"),
    ),
    ("RFC 6749 §4.4.2", "no-grant", _grant(None), ("invalid_request",)),
    ("RFC 6749 §3.3", "unknown-scope", lambda p: p.ask(scope="no-such-scope"), ("invalid_scope",)),
)


def _is_refused(ask: Ask, errors: tuple[str, ...]) -> Callable[[Probe], None]:
    return lambda probe: refused(ask(probe), errors)


def _replayed(probe: Probe) -> None:
    assertion = probe.assertion()
    granted(probe.ask(assertion=assertion))
    refused(probe.ask(assertion=assertion), _CLIENT)


def _raced(probe: Probe) -> None:
    assertion, url = probe.assertion(), probe.endpoint("token")
    granted(probe.ask())  # for a nonce that is good now
    shown = [probe.proof("POST", url) for _ in range(_RACERS)]
    with ThreadPoolExecutor(_RACERS) as pool:
        answers = list(pool.map(lambda proof: probe.ask(assertion=assertion, proofs=[proof]), shown))
    good = [each for each in answers if each.status_code == 200]  # noqa: PLR2004
    must(len(good) == 1, f"{len(good)} of {_RACERS} racing uses of one assertion succeeded")


def _still(probe: Probe) -> None:
    """After a refused request the same client is served."""
    refused(_with_a_foreign_key(probe))
    granted(probe.ask())


def _description(probe: Probe) -> None:
    bad = [probe.ask(scope='a"b\\c\r\n\té'), _without(probe), _grant('a"\r\nb')(probe)]
    for answer in bad:
        refused(answer)
        text = answer.json().get("error_description", "")
        must(
            set(map(ord, text)) <= _ALLOWED, "error_description holds characters that RFC 6749 §5.2 excludes"
        )
        must(
            "no-store" in answer.headers.get("cache-control", ""), "a refusal without Cache-Control: no-store"
        )


def _basic_challenge(probe: Probe) -> None:
    answer = _with_a_secret(probe)
    refused(answer, ["invalid_client"])
    must(answer.status_code == 401, f"expected 401 to a Basic header, got {answer.status_code}")  # noqa: PLR2004
    must("basic" in answer.headers.get("www-authenticate", "").lower(), "the 401 names no Basic challenge")


def _by_get(probe: Probe) -> None:
    answer = probe.http.get(probe.endpoint("token"), params={"grant_type": "client_credentials"})
    must(400 <= answer.status_code < 500, f"expected a refusal of GET, got {answer.status_code}")  # noqa: PLR2004


def _too_much(sent: Mapping[str, Any]) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        answer = probe.ask(**sent)
        must(400 <= answer.status_code < 500, f"expected a refusal, got {answer.status_code}")  # noqa: PLR2004

    return run


CHECKS = (
    *(Check(clause, f"refuses-{name}", _is_refused(ask, errors)) for clause, name, ask, errors in _REFUSED),
    Check("RFC 7523 §3-7", "assertion-works-once", _replayed),
    Check("RFC 7523 §3-7", "assertion-raced-works-once", _raced),
    Check("RFC 6749 §2.3.1; RFC 9700", "strangers-do-not-lock-out", _still),
    Check("RFC 6749 §5.2", "error-descriptions-are-clean", _description),
    Check("RFC 6749 §5.2", "basic-is-challenged", _basic_challenge),
    Check("RFC 6749 §3.2", "get-is-refused", _by_get),
    Check("CVE-2025-61920", "large-body-is-refused", _too_much({"x": "a" * 4_000_000})),
    Check("CVE-2025-61920", "large-assertion-is-refused", _too_much({"client_assertion": "a" * 60_000})),
)

"""The token endpoint doing its work: what a token and its answer are (FAPI 2.0, RFC 6749 §5.1, RFC 9068, RFC 9449 §5)."""

from collections.abc import Callable

from datahub.cli.auth.judge import Check, granted, must, refused
from datahub.cli.auth.probe import Missing, Probe, decoded

_SHORTEST = 22  # characters of base64 that 128 bits take
_CLAIMS = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


def _happy(probe: Probe) -> None:
    found = granted(probe.ask())
    must(str(found.get("token_type")).lower() == "dpop", f"token_type {found.get('token_type')}, not DPoP")
    must(isinstance(found.get("expires_in"), int) and found["expires_in"] > 0, "expires_in is missing")


def _second(probe: Probe) -> None:
    granted(probe.ask(party=probe.other))


def _no_refresh(probe: Probe) -> None:
    must("refresh_token" not in granted(probe.ask()), "a refresh token came (RFC 6749 §4.4.3)")


def _no_store(probe: Probe) -> None:
    answer = probe.ask()
    granted(answer)
    must("no-store" in answer.headers.get("cache-control", ""), "Cache-Control is not no-store")
    must(answer.headers.get("content-type", "").startswith("application/json"), "the answer is not JSON")


def _entropy(probe: Probe) -> None:
    tokens = [granted(probe.ask())["access_token"] for _ in range(4)]
    names = [decoded(each.split(".")[1])["jti"] if each.count(".") == 2 else each for each in tokens]  # noqa: PLR2004
    must(len(set(names)) == len(names), "two tokens have one name")
    must(min(map(len, names)) >= _SHORTEST, "the name of a token is shorter than 128 bits")


def _jwt(probe: Probe) -> None:
    token = granted(probe.ask())["access_token"]
    if token.count(".") != 2:  # noqa: PLR2004
        raise Missing("tokens are no JWTs")
    header, claims = (decoded(part) for part in token.split(".")[:2])
    must(header.get("typ", "").lower().removeprefix("application/") == "at+jwt", "typ is not at+jwt")
    must(header.get("alg") in {"PS256", "ES256", "EdDSA", "Ed25519"}, f"signed by {header.get('alg')}")
    missing = [name for name in _CLAIMS if name not in claims]
    must(not missing, f"without {', '.join(missing)}")
    must(claims["iss"] == probe.issuer, "iss is not the issuer")
    must(claims["client_id"] == probe.party.client_id, "client_id is not the client")


def _bound(probe: Probe) -> None:
    token = granted(probe.ask())["access_token"]
    if token.count(".") != 2:  # noqa: PLR2004
        raise Missing("tokens are no JWTs")
    jkt = decoded(token.split(".")[1]).get("cnf", {}).get("jkt")
    must(jkt == probe.proof_key.thumbprint(), "cnf.jkt is not the thumbprint of the proof's key")


def _signs(alg: str) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        if alg not in probe.party.keys:
            raise Missing(f"the client has no key for {alg}")
        granted(probe.ask(assertion=probe.assertion(alg=alg)))

    return run


def _ahead(probe: Probe) -> None:
    from datahub.cli.auth.probe import wall_clock

    later = wall_clock() + 8
    granted(probe.ask(assertion=probe.assertion(iat=later, nbf=later)))


def _unknown(probe: Probe) -> None:
    granted(probe.ask(not_known_to_anybody="1"))


def _client_id(probe: Probe) -> None:
    granted(probe.ask(client_id=probe.party.client_id))


def _nonce(probe: Probe) -> None:
    form = {"grant_type": "client_credentials", **probe.form, **probe.credential()}
    url = probe.endpoint("token")
    first = probe.post(url, form, proofs=[probe.proof("POST", url, nonce=None)])
    if first.status_code == 200:  # noqa: PLR2004
        raise Missing("the server asks for no nonce")
    refused(first, ["use_dpop_nonce"])
    must(first.headers.get("dpop-nonce"), "the challenge brings no DPoP-Nonce")
    granted(probe.post(url, form, proofs=[probe.proof("POST", url)]))


def _stale_nonce(probe: Probe) -> None:
    url = probe.endpoint("token")
    if probe.ask(proofs=[probe.proof("POST", url, nonce=None)]).status_code == 200:  # noqa: PLR2004
        raise Missing("the server asks for no nonce")
    answer = probe.ask(proofs=[probe.proof("POST", url, nonce="not-of-this-server")])
    refused(answer, ["use_dpop_nonce"])


CHECKS = (
    Check("FAPI 2.0 §5.3.2.1-4, -5; OIDF happy-flow", "token-is-given", _happy),
    Check("OIDF happy-flow", "second-client-is-given-one", _second),
    Check("RFC 6749 §4.4.3", "no-refresh-token", _no_refresh),
    Check("RFC 6749 §5.1", "answer-is-not-stored", _no_store),
    Check("FAPI 2.0 §5.4.1-4", "token-cannot-be-guessed", _entropy),
    Check("RFC 9068 §2", "token-is-at-jwt", _jwt),
    Check("RFC 9449 §6.1", "token-says-its-key", _bound),
    *(
        Check("FAPI 2.0 §5.4.1-1", f"assertion-by-{alg.lower()}-is-taken", _signs(alg))
        for alg in ("ES256", "PS256", "EdDSA")
    ),
    Check("FAPI 2.0 §5.3.2.1-13", "clock-8s-ahead-is-forgiven", _ahead),
    Check("RFC 6749 §3.2", "unknown-parameter-is-ignored", _unknown),
    Check("RFC 7521 §4.2", "client-id-beside-the-assertion", _client_id),
    Check("RFC 9449 §8; FAPI 2.0 §5.3.2.1", "nonce-challenge-can-be-answered", _nonce),
    Check("RFC 9449 §8", "foreign-nonce-is-refused", _stale_nonce),
)

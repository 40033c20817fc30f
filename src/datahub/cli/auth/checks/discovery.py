"""What a server says of itself: RFC 8414, RFC 9728, RFC 7517, and what FAPI 2.0 asks of it."""

from collections.abc import Mapping
from typing import Any

from datahub.cli.auth.judge import Check, must
from datahub.cli.auth.probe import Missing, Probe, decoded

FAPI = {"PS256", "ES256", "EdDSA", "Ed25519"}
_PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "k"}


def _issuer(probe: Probe) -> None:
    found = probe.metadata.get("issuer")
    must(found == probe.issuer, f"issuer {found!r} was found under {probe.issuer!r}")


def _endpoints(probe: Probe) -> None:
    for name in ("token_endpoint", "jwks_uri"):
        must(isinstance(probe.metadata.get(name), str), f"{name} is missing")


def _grants(probe: Probe) -> None:
    grants = set(probe.metadata.get("grant_types_supported", ()))
    must("client_credentials" in grants, "client_credentials is not among grant_types_supported")
    bad = grants & {"password", "implicit"}
    must(not bad, f"grant_types_supported holds {', '.join(sorted(bad))}")


def _methods(probe: Probe) -> None:
    methods = set(probe.metadata.get("token_endpoint_auth_methods_supported", ()))
    must("private_key_jwt" in methods, "private_key_jwt is not listed")
    bad = methods & {"none", "client_secret_post"}
    must(not bad, f"lists {', '.join(sorted(bad))}")


def _assertion_algorithms(probe: Probe) -> None:
    named = set(probe.metadata.get("token_endpoint_auth_signing_alg_values_supported", ()))
    must(named & FAPI, "names none of PS256, ES256, EdDSA")
    bad = {each for each in named if each == "none" or each.startswith("HS")}
    must(not bad, f"lists {', '.join(sorted(bad))}")


def _proof_algorithms(probe: Probe) -> None:
    named = set(probe.metadata.get("dpop_signing_alg_values_supported", ()))
    must(named, "dpop_signing_alg_values_supported is missing")
    must(named <= FAPI, f"lists {', '.join(sorted(named - FAPI))}")


def _details_types(probe: Probe) -> None:
    if "authorization_details_types_supported" not in probe.metadata:
        raise Missing("the server takes no authorization_details")
    must(probe.metadata["authorization_details_types_supported"], "names no type")


def _jwks(probe: Probe) -> None:
    answer = probe.http.get(str(probe.metadata["jwks_uri"]))
    keys = answer.json()["keys"]
    must(keys, "the key set is empty")
    for key in keys:
        must(not _PRIVATE & key.keys(), "a private key is published")
        must(key.get("kid"), "a key has no kid")
        must(key["kty"] != "oct", "a symmetric key is published")
        if key["kty"] == "RSA":
            bits = len(key["n"]) * 6
            must(bits >= 2048, f"an RSA key of about {bits} bits")  # noqa: PLR2004
    names = [(key["kid"], key["kty"]) for key in keys]
    must(len(names) == len(set(names)), "two keys of one type share a kid")


def _challenge(probe: Probe) -> None:
    answer = probe.keep(probe.http.get(probe.door))
    must(answer.status_code == 401, f"expected 401 without a token, got {answer.status_code}")  # noqa: PLR2004
    told = answer.headers.get("www-authenticate", "")
    must("dpop" in told.lower(), "WWW-Authenticate offers no DPoP")
    must("algs=" in told, "the DPoP challenge names no algs (RFC 9449 §7.1)")


def _protected_resource(probe: Probe) -> None:
    answer = probe.keep(probe.http.get(probe.door))
    told = answer.headers.get("www-authenticate", "")
    _, found, rest = told.partition('resource_metadata="')
    if not found:
        raise Missing("the challenge names no resource_metadata")
    metadata: Mapping[str, Any] = probe.http.get(rest.partition('"')[0]).json()
    must(
        metadata.get("resource") == probe.door,
        f"resource {metadata.get('resource')!r} is not the address called",
    )
    must(
        probe.issuer in metadata.get("authorization_servers", ()), "does not lead to the authorization server"
    )


def _token_keys(probe: Probe) -> None:
    token = probe.token()
    if token.count(".") != 2:  # noqa: PLR2004
        raise Missing("tokens are no JWTs")
    kid = decoded(token.partition(".")[0]).get("kid")
    published = probe.http.get(str(probe.metadata["jwks_uri"])).json()["keys"]
    must(kid in {key.get("kid") for key in published}, "the token's key is not published")


CHECKS = (
    Check("RFC 8414 §3.3", "issuer-is-its-address", _issuer),
    Check("RFC 8414 §2", "endpoints-are-named", _endpoints),
    Check("FAPI 2.0 §5.3.2.1-2; RFC 9700 §2.4", "grants-are-safe", _grants),
    Check("FAPI 2.0 §5.3.2.1-6", "private-key-jwt-is-listed", _methods),
    Check("FAPI 2.0 §5.4.1-1", "assertion-algorithms-are-listed", _assertion_algorithms),
    Check("RFC 9449 §5.1; FAPI 2.0 §5.4.1-1", "proof-algorithms-are-listed", _proof_algorithms),
    Check("RFC 9396 §10", "details-types-are-listed", _details_types),
    Check("RFC 7517 §5; FAPI 2.0 §5.4.1-2", "keys-are-public-and-strong", _jwks),
    Check("RFC 9068 §2.1", "key-of-the-token-is-published", _token_keys),
    Check("RFC 9449 §7.1", "challenge-offers-dpop", _challenge),
    Check("RFC 9728 §3.3, §5.1", "resource-leads-to-its-server", _protected_resource),
)

"""What is wrong with a client, told from its registration and from how its attempts to get tokens went. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from datahub.cli.nouns.doctor import BAD, OK, SKEW_S, WARN, Finding

# check that failed, or how its name begins → what to do
_TODO: Sequence[tuple[str, str]] = (
    ("assertion-unknown-key", "The program signs with a key that is not registered: datahub client rotate."),
    ("assertion-signature", "The program signs with another key than the registered one of this kid."),
    ("assertion-aud", "aud must be the issuer's address, alone and as a string (FAPI 2.0 §5.3.2.1)."),
    ("assertion-algorithm", "Sign with ES256, PS256 or Ed25519; RS256 for an nlgov client."),
    ("assertion-expired", "Make an assertion for each request, and set the machine's clock."),
    ("assertion-exp-too-far", "Let assertions live 5 minutes at most."),
    ("assertion-claim-", "Set the machine's clock: iat and nbf lie in the future, or a claim does not fit."),
    ("assertion-replayed", "Use each assertion once, with a jti of its own."),
    ("assertion-keys-not-fetched", "Its jwks_uri, or metadata document, does not answer with usable keys."),
    ("assertion-documents-not-taken", "The exchange no longer takes clients by a metadata document."),
    ("assertion-certificate-revoked", "Its certificate was revoked: get another from the authority."),
    (
        "assertion-certificate-no-list",
        "No revocation list (CRL) of its certificate's authority can be had: tell the operator, or try later.",
    ),
    (
        "assertion-certificate-chain",
        "Its certificate is expired, or leads to no root that the exchange trusts.",
    ),
    ("assertion-certificate-subject", "Its certificate does not bear the organisation's OIN or EORI number."),
    ("assertion-certificate-", "Its certificate is not one to sign with."),
    ("secret-", "The secret is not, or no longer, good: make one with POST /v1/clients/{id}/secrets."),
    ("wrong-method", "The client's security profile asks for another way to prove itself."),
    ("client-disabled", "datahub client enable."),
    ("participant-not-admitted", "Its organisation is not admitted, or suspended."),
    ("person-not-active", "The person it acts for is no longer active."),
    ("proof-nonce", "Nothing: the first proof gets the nonce, and is sent again with it."),
    ("proof-iat", "Set the machine's clock."),
    ("proof-", "Its DPoP proofs do not fit: one for each call, for its method and address (RFC 9449 §4.2)."),
    ("scope-not-held", "Give the client a role that carries the scope."),
    ("details-", "Its authorization_details are not covered by an agreement in force."),
    ("throttled", "Somebody tries keys or secrets on this client's id: nothing to do, unless it was you."),
)
_EXPECTED = frozenset({"ok", "proof-nonce"})


def findings(client: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Return what was found; `events` newest first."""
    return [*_state(client), *_keys(client), *_clock(events), *_attempts(events)]


def _state(client: Mapping[str, Any]) -> list[Finding]:
    is_active = client["state"] == "active"
    seen = f"{client['state']}, {client['securityProfile']}"
    return [Finding("state", OK if is_active else BAD, seen, "" if is_active else "datahub client enable.")]


def _keys(client: Mapping[str, Any]) -> list[Finding]:
    if client["securityProfile"] == "basic":
        count = len(client["secrets"])
        return [Finding("secrets", OK if count else BAD, f"{count}", "" if count else "Make one.")]
    if address := client["jwksUri"] or client["clientMetadataUri"]:
        return [Finding("keys", OK, f"published at {address}")]
    keys = (client["jwks"] or {}).get("keys", [])
    return [Finding("keys", OK if keys else WARN, f"{len(keys)}: {', '.join(key['kid'] for key in keys)}")]


def _clock(events: Sequence[Mapping[str, Any]]) -> list[Finding]:
    told = next((each["clockSkewS"] for each in events if each["clockSkewS"] is not None), None)
    if told is None:
        return [Finding("clock", WARN, "not known: no JWT of it told when it was made")]
    is_far = abs(told) > SKEW_S
    return [
        Finding(
            "clock",
            BAD if is_far else OK,
            f"{told:+d} s from the exchange's",
            "Set its machine's clock: proofs are good for minutes." if is_far else "",
        )
    ]


def _attempts(events: Sequence[Mapping[str, Any]]) -> list[Finding]:
    if not events:
        return [Finding("attempts", WARN, "none yet")]
    good = next((each["at"] for each in events if each["outcome"] != "refused"), None)
    found = [Finding("last success", OK if good else BAD, good or "none among the last attempts")]
    failed = Counter(each["check"] for each in events if each["check"] not in _EXPECTED)
    last_is_good = events[0]["outcome"] != "refused"
    for check, count in failed.most_common():
        todo = next(
            (text for prefix, text in _TODO if check.startswith(prefix)), "See datahub client events."
        )
        found.append(
            Finding(check, WARN if last_is_good else BAD, f"{count} of the last {len(events)}", todo)
        )
    return found

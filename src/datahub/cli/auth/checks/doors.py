"""The protected address: proofs with each call, revocation, scopes (FAPI 2.0 §5.3.4; OIDF dpop-negative-tests)."""

from collections.abc import Callable

from datahub.cli.auth.checks.proofs import BAD, GOOD, Call, Make
from datahub.cli.auth.judge import Check, closed, must, opened, told
from datahub.cli.auth.probe import Answer, Missing, Probe, new_key


def _call(probe: Probe) -> Call:
    door = probe.door
    return Call(probe, "GET", door, _token(probe))


def _token(probe: Probe) -> str:
    """Return a token that is good at the door, the same for all checks but those that use it up."""
    key = f"token {probe.door}"
    if key not in probe.kept:
        token = probe.token()
        opened(probe.call(token))
        probe.kept[key] = token
    return probe.kept[key]


def _refuses(make: Make) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        call = _call(probe)
        closed(probe.call(_token(probe), proofs=make(call)))
        opened(probe.call(_token(probe)))

    return run


def _takes(make: Make) -> Callable[[Probe], None]:
    return lambda probe: opened(probe.call(_token(probe), proofs=make(_call(probe))))


def _plain(probe: Probe) -> None:
    for accept in ("application/json", "*/*", "application/json;q=0.9, */*;q=0.1"):
        answer = probe.call(_token(probe), headers={"Accept": accept})
        opened(answer)
        must("date" in answer.headers, "the answer has no Date (RFC 9110 §6.6.1)")


def _scheme(scheme: str) -> Callable[[Probe], None]:
    return lambda probe: opened(probe.call(_token(probe), scheme=scheme))


def _no_proof(probe: Probe) -> None:
    closed(probe.call(_token(probe), proofs=[]))


def _bearer(probe: Probe) -> None:
    closed(probe.call(_token(probe), proofs=[], scheme="Bearer"))


def _bearer_with_proof(probe: Probe) -> None:
    closed(probe.call(_token(probe), scheme="Bearer"))


def _in_query(probe: Probe) -> None:
    answer = probe.keep(probe.http.get(probe.door, params={"access_token": _token(probe)}))
    closed(answer)


def _other_key(probe: Probe) -> None:
    proof = _call(probe).proof(key=new_key("ES256"))
    closed(probe.call(_token(probe), proofs=[proof]))


def _replayed(probe: Probe) -> None:
    proof = _call(probe).proof()
    opened(probe.call(_token(probe), proofs=[proof]))
    closed(probe.call(_token(probe), proofs=[proof]))


def _nonce(probe: Probe) -> None:
    answer = probe.call(_token(probe), proofs=[_call(probe).proof(nonce=None)])
    if answer.status_code < 300:  # noqa: PLR2004
        raise Missing("the resource asks for no nonce")
    closed(answer)
    must(
        "use_dpop_nonce" in answer.headers.get("www-authenticate", ""),
        "the challenge does not say use_dpop_nonce",
    )
    must(answer.headers.get("dpop-nonce"), "the challenge brings no DPoP-Nonce")
    opened(probe.call(_token(probe)))


def _mutated(probe: Probe) -> None:
    head, payload, signature = _token(probe).split(".")
    at = len(payload) // 2
    changed = payload[:at] + ("A" if payload[at] != "A" else "B") + payload[at + 1 :]
    for token in (
        f"{head}.{changed}.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}.{signature[:-4]}AAAA",
        "x",
    ):
        closed(probe.call(token))


def _scope(probe: Probe) -> None:
    held = str(probe.ask().json().get("scope", "")).split()
    if not held:
        raise Missing("tokens carry no scopes")
    told_scopes = {each: probe.call(probe.token(scope=each)).status_code for each in held}
    shut = [status for status in told_scopes.values() if status >= 300]  # noqa: PLR2004
    must(shut, "a token of any one scope opens the address")
    must(set(shut) == {403}, f"expected 403 for want of scope, got {sorted(set(shut))}")


def _asked(probe: Probe, endpoint: str, token: str, party: str = "party") -> Answer:
    form = {**probe.credential(getattr(probe, party)), "token": token}
    return probe.post(probe.endpoint(endpoint), form, proofs=[])


def _revoked(probe: Probe) -> None:
    token = probe.token()
    opened(probe.call(token))
    answer = _asked(probe, "revocation", token)
    must(answer.status_code == 200, f"revoking: {told(answer)}")  # noqa: PLR2004
    closed(probe.call(token))


def _introspected(probe: Probe) -> None:
    token = probe.token()
    found = _asked(probe, "introspection", token).json()
    must(found.get("active") is True, "a good token is not active")
    must("cnf" in found, "the key of a bound token is not told (RFC 9449 §6.2)")
    _asked(probe, "revocation", token)
    found = _asked(probe, "introspection", token).json()
    must(found == {"active": False}, "a revoked token is told more of than active: false")


def _introspected_by_nobody(probe: Probe) -> None:
    answer = probe.post(probe.endpoint("introspection"), {"token": probe.token()}, proofs=[])
    must(answer.status_code in (400, 401), f"a stranger asks about a token: {told(answer)}")


def _revoked_unknown(probe: Probe) -> None:
    answer = _asked(probe, "revocation", "not-a-token")
    must(answer.status_code == 200, f"revoking what is no token: {told(answer)}")  # noqa: PLR2004


CHECKS = (
    Check("OIDF happy-flow", "resource-answers", _plain),
    *(
        Check(
            "RFC 9110 §11.1; OIDF access-token-type-header-case-sensitivity", f"scheme-{name}", _scheme(name)
        )
        for name in ("dpop", "DPOP")
    ),
    Check("RFC 9449 §7.1", "resource-refuses-no-proof", _no_proof),
    Check("RFC 9449 §7.2", "resource-refuses-a-bound-token-as-bearer", _bearer),
    Check("RFC 9449 §7.2", "resource-refuses-bearer-with-a-proof", _bearer_with_proof),
    Check("FAPI 2.0 §5.3.4", "resource-refuses-a-token-in-the-address", _in_query),
    *(Check("RFC 9449 §4.3", f"resource-refuses-proof-{name}", _refuses(make)) for name, make in BAD.items()),
    Check("RFC 9449 §7", "resource-refuses-proof-ath-missing", _refuses(lambda c: [c.proof(ath=None)])),
    Check("RFC 9449 §7", "resource-refuses-proof-ath-wrong", _refuses(lambda c: [c.proof(ath="A" * 43)])),
    Check("RFC 9449 §7.1", "resource-refuses-another-key", _other_key),
    *(Check("RFC 9449 §4.3", f"resource-takes-proof-{name}", _takes(make)) for name, make in GOOD.items()),
    Check("RFC 9449 §11.1", "resource-takes-a-proof-once", _replayed),
    Check("RFC 9449 §9", "resource-nonce-challenge-can-be-answered", _nonce),
    Check("RFC 9068 §4", "resource-refuses-changed-tokens", _mutated),
    Check("RFC 6750 §3.1", "scope-too-small-is-403", _scope),
    Check("FAPI 2.0 §5.3.4; RFC 7009", "revoked-token-is-refused", _revoked),
    Check("RFC 7009 §2.2", "revoking-what-is-no-token", _revoked_unknown),
    Check("RFC 7662 §2.2", "introspection-tells", _introspected),
    Check("RFC 7662 §2.1", "introspection-needs-a-proven-client", _introspected_by_nobody),
)

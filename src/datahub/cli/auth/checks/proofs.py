"""DPoP proofs that fit and that do not, for the token endpoint and for resources (RFC 9449 §4.3; OIDF dpop-negative-tests)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from datahub.cli.auth.judge import Check, granted, refused
from datahub.cli.auth.probe import Probe, new_key, wall_clock

# RFC 9449 names no error for a proof that is not there, or for a second use
_PROOF = ("invalid_dpop_proof", "invalid_request", "use_dpop_nonce", "invalid_grant")


@dataclass(frozen=True)
class Call:
    """The call that a proof is made for."""

    probe: Probe
    method: str
    url: str
    token: str | None = None

    def proof(self, **changes: Any) -> str:
        """Make a proof that differs in this."""
        return self.probe.proof(self.method, self.url, token=self.token, **changes)


Make = Callable[[Call], Sequence[str]]


@cache
def _key(alg: str, bits: int = 2048) -> Any:
    return new_key(alg, bits)


def _header(**members: Any) -> Make:
    return lambda call: [call.proof(header=members)]


def _claims(**claims: Any) -> Make:
    return lambda call: [
        call.proof(**{name: value(call) if callable(value) else value for name, value in claims.items()})
    ]


def _broken(call: Call) -> list[str]:
    signed, _, signature = call.proof().rpartition(".")
    return [f"{signed}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"]


def _private(call: Call) -> list[str]:
    return [call.proof(header={"jwk": call.probe.proof_key.as_dict(private=True)})]


def _by(alg: str, key: str, bits: int = 2048) -> Make:
    return lambda call: [call.proof(alg=alg, key=_key(key, bits))]


def _in(seconds: int) -> Callable[[Call], int]:
    return lambda _: wall_clock() + seconds


def _upper_host(call: Call) -> str:
    parts = urlsplit(call.url)
    return f"{parts.scheme.upper()}://{parts.netloc.upper()}{parts.path}"


BAD: Mapping[str, Make] = {
    "two-proofs": lambda call: [call.proof(), call.proof()],
    "no-jwt": lambda _: ["not-a-jwt"],
    "typ-missing": _header(typ=None),
    "typ-of-another-kind": _header(typ="JWT"),
    "alg-missing": lambda call: [call.proof(header={"alg": None})],
    "alg-none": lambda call: [call.proof(header={"alg": "none"})],
    "alg-rs256": _by("RS256", "PS256"),
    "jwk-missing": _header(jwk=None),
    "jwk-private": _private,
    "jwk-small": _by("PS256", "PS256", 1024),
    "bad-signature": _broken,
    "jti-missing": _claims(jti=None),
    "htm-missing": _claims(htm=None),
    "htm-of-another-method": _claims(htm="PUT"),
    "htu-missing": _claims(htu=None),
    "htu-of-another-address": _claims(htu=lambda call: f"{call.url}/other"),
    "iat-missing": _claims(iat=None),
    "iat-hour-ago": _claims(iat=_in(-3600)),
    "iat-hour-ahead": _claims(iat=_in(3600)),
}
GOOD: Mapping[str, Make] = {
    "iat-10s-ago": _claims(iat=_in(-10)),
    "iat-10s-ahead": _claims(iat=_in(9)),
    "nbf-and-exp": _claims(nbf=_in(-5), exp=_in(30)),
    "htu-with-query-and-fragment": _claims(htu=lambda call: f"{call.url}?a=b#c"),
    "htu-in-upper-case": _claims(htu=_upper_host),
    "more-members-and-claims": lambda call: [call.proof(header={"x-more": "1"}, more={"a": 1})],
}


def _token_call(probe: Probe) -> Call:
    return Call(probe, "POST", probe.endpoint("token"))


def _refuses(make: Make) -> Callable[[Probe], None]:
    def run(probe: Probe) -> None:
        refused(probe.ask(proofs=make(_token_call(probe))), _PROOF)

    return run


def _takes(make: Make) -> Callable[[Probe], None]:
    return lambda probe: void(granted(probe.ask(proofs=make(_token_call(probe)))))


def void(_: object) -> None:
    """Drop what a check found, once it was found."""


def _none(probe: Probe) -> None:
    refused(probe.ask(proofs=[]), _PROOF)


def _replayed(probe: Probe) -> None:
    proof = _token_call(probe).proof()
    granted(probe.ask(proofs=[proof]))
    refused(probe.ask(proofs=[proof]), _PROOF)


CHECKS = (
    Check("RFC 9449 §5; OIDF ensure-holder-of-key-required", "token-refuses-no-proof", _none),
    *(Check("RFC 9449 §4.3", f"token-refuses-proof-{name}", _refuses(make)) for name, make in BAD.items()),
    *(Check("RFC 9449 §4.3", f"token-takes-proof-{name}", _takes(make)) for name, make in GOOD.items()),
    Check("RFC 9449 §11.1", "token-takes-a-proof-once", _replayed),
)

"""Security profiles: what a client of each must do to prove itself, and what tokens it gets. Data, and no decision.

One engine reads these records (`client_authentication`, `jose`, `dpop`); a client has exactly one of them, so what one
profile allows is never open to a client of another. FAPI 2.0 Security Profile §5.3.2.1 and §5.4; NL GOV Assurance profile
for OAuth 2.0 §2 and §3; iSHARE Trust Framework, "Client assertion"; RFC 6749 §2.3.1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from datahub.oauth.models import Profile


class Method(StrEnum):
    """How a client proves itself, in the words of RFC 8414."""

    PRIVATE_KEY_JWT = "private_key_jwt"
    SECRET_BASIC = "client_secret_basic"  # noqa: S105 — the name of a method


class KeySource(StrEnum):
    """Where the key of an assertion may come from: the client's own JWKS, or a certificate in the assertion's header."""

    JWKS = "jwks"
    X5C = "x5c"


class Audience(StrEnum):
    """Whom an assertion must name, alone and as a string."""

    ISSUER = "issuer"
    ISHARE_ID = "ishare-id"


@dataclass(frozen=True, eq=False)
class AssertionRules:
    """What a client's own JWT must be. `only_header`: nothing else may stand in its header; None: anything harmless."""

    algorithms: tuple[str, ...]
    keys: frozenset[KeySource]
    audience: Audience = Audience.ISSUER
    max_life_s: int = 300
    is_iat_needed: bool = False
    only_header: frozenset[str] | None = None


@dataclass(frozen=True)
class SecurityProfile:
    """One profile. `assertion` is None where a client has no keys; `is_bound`: tokens with a DPoP key only."""

    method: Method
    assertion: AssertionRules | None
    is_bound: bool
    max_token_life_s: int
    identifier_scheme: str | None = (
        None  # of the organisation's legal identifier that its certificate must bear
    )


# FAPI 2.0 §5.4.1-1; both names of Ed25519, because RFC 9864 replaces the second by the first.
FAPI_ALGORITHMS = ("ES256", "PS256", "Ed25519", "EdDSA")

PROFILES: Mapping[Profile, SecurityProfile] = {
    Profile.FAPI2: SecurityProfile(
        method=Method.PRIVATE_KEY_JWT,
        assertion=AssertionRules(FAPI_ALGORITHMS, frozenset({KeySource.JWKS})),
        is_bound=True,
        max_token_life_s=3600,
    ),
    Profile.NLGOV: SecurityProfile(
        method=Method.PRIVATE_KEY_JWT,
        assertion=AssertionRules(
            ("RS256", *FAPI_ALGORITHMS), frozenset({KeySource.JWKS, KeySource.X5C}), is_iat_needed=True
        ),
        is_bound=False,
        max_token_life_s=6 * 3600,
        identifier_scheme="oin",
    ),
    Profile.ISHARE: SecurityProfile(
        method=Method.PRIVATE_KEY_JWT,
        assertion=AssertionRules(
            ("RS256", "RS384", "RS512"),
            frozenset({KeySource.X5C}),
            audience=Audience.ISHARE_ID,
            max_life_s=30,
            is_iat_needed=True,
            only_header=frozenset({"alg", "typ", "x5c"}),
        ),
        is_bound=False,
        max_token_life_s=3600,
        identifier_scheme="eori",
    ),
    Profile.BASIC: SecurityProfile(
        method=Method.SECRET_BASIC, assertion=None, is_bound=False, max_token_life_s=600
    ),
}

METHODS = tuple(dict.fromkeys(profile.method for profile in PROFILES.values()))
ASSERTION_ALGORITHMS = tuple(
    dict.fromkeys(
        algorithm
        for profile in PROFILES.values()
        if profile.assertion is not None
        for algorithm in profile.assertion.algorithms
    )
)


def rules_of(profile: str) -> SecurityProfile:
    """Return the record of a profile by its name."""
    return PROFILES[cast("Profile", profile)]  # a text that equals the name finds it

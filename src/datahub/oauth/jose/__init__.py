"""All signing and verifying of the exchange, and the only package that touches joserfc.

One verifier for each kind of JWT, with its types, algorithms, sizes, lifetime and audience fixed here, so that no kind
passes for another (RFC 8725 §3.11). Read: RFC 7515, 7517, 7519, 7523 §3, 7638, 8037, 9068 §4, 9449 §4, 9864.
"""

from datahub.oauth.jose.id_tokens import verify_id_token
from datahub.oauth.jose.jwks import (
    MAX_KEYS,
    PrivateKey,
    PublicKey,
    PublicKeys,
    bare_key,
    choose_key,
    key_fault,
    key_of_certificate,
    load_private_key,
    nobodys_keys,
    public_keys,
)
from datahub.oauth.jose.kinds import (
    DPOP_ALGORITHMS,
    SIGNING_ALGORITHM,
    VerifiedClaims,
    unverified_subject,
)
from datahub.oauth.jose.verify import (
    CLOCK_SKEW_S,
    MAX_JTI_LENGTH,
    PROOF_LIFE_S,
    VerifiedProof,
    make_private_key,
    sign_access_token,
    sign_text,
    verify_access_token,
    verify_client_assertion,
    verify_dpop_proof,
    verify_text,
)

__all__ = [
    "CLOCK_SKEW_S",
    "DPOP_ALGORITHMS",
    "MAX_JTI_LENGTH",
    "MAX_KEYS",
    "PROOF_LIFE_S",
    "SIGNING_ALGORITHM",
    "PrivateKey",
    "PublicKey",
    "PublicKeys",
    "VerifiedClaims",
    "VerifiedProof",
    "bare_key",
    "choose_key",
    "key_fault",
    "key_of_certificate",
    "load_private_key",
    "make_private_key",
    "nobodys_keys",
    "public_keys",
    "sign_access_token",
    "sign_text",
    "unverified_subject",
    "verify_access_token",
    "verify_client_assertion",
    "verify_dpop_proof",
    "verify_id_token",
    "verify_text",
]

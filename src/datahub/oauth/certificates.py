"""The key of a client that shows a chain of certificates in the header of its assertion (RFC 7515 §4.1.6).

The chain must lead to one of the operator's trust anchors now, and its subject must bear the client's own identifier:
the OIN in a PKIoverheid certificate (NL GOV profile), the EORI in an eIDAS seal (iSHARE). RFC 5280 §6.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from datahub.kernel.settings import Settings
from datahub.oauth import jose
from datahub.oauth.errors import JwtNotGood

_MAX_CHAIN = 6
_IDENTIFIERS = (NameOID.SERIAL_NUMBER, NameOID.ORGANIZATION_IDENTIFIER)


@dataclass(frozen=True)
class ClientChain:
    """A chain from a client's certificate to a trust anchor, both included, and the key of the first."""

    chain: Sequence[x509.Certificate]
    key: jose.PublicKey


def read_chain(settings: Settings, x5c: object, identifier: str | None, now: datetime) -> ClientChain:
    """Return a chain that holds now, whose first certificate bears the identifier; its revocation is not yet asked.

    Raises JwtNotGood.
    """
    anchors = _anchors(settings.trust_anchors) if settings.trust_anchors is not None else []
    if not anchors:
        raise JwtNotGood("no-trust-anchors")
    if not isinstance(x5c, list) or not 0 < len(x5c) <= _MAX_CHAIN:
        raise JwtNotGood("x5c")
    leaf, *others = [_certificate(each) for each in x5c]
    verifier = (
        PolicyBuilder()
        .store(Store(anchors))
        .time(now.replace(tzinfo=None))
        # A seal of an organisation is no TLS client: its own extensions are judged below
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all()
        )
        .build_client_verifier()
    )
    try:
        chain = verifier.verify(leaf, others).chain
    except (VerificationError, ValueError) as fault:
        raise JwtNotGood("certificate-chain") from fault
    if not _may_sign(leaf):
        raise JwtNotGood("certificate-usage")
    if identifier is None or identifier not in _borne(leaf):
        raise JwtNotGood("certificate-subject")
    return ClientChain(chain, jose.key_of_certificate(leaf.public_key()))


@lru_cache(maxsize=4)
def _anchors(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def _certificate(text: object) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64.b64decode(str(text), validate=True))
    except (binascii.Error, ValueError) as fault:
        raise JwtNotGood("x5c") from fault


def _may_sign(leaf: x509.Certificate) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:  # two of the same, or one that is not well-formed
        return False
    return usage.digital_signature or usage.content_commitment


def _borne(leaf: x509.Certificate) -> set[str]:
    return {
        str(attribute.value) for oid in _IDENTIFIERS for attribute in leaf.subject.get_attributes_for_oid(oid)
    }

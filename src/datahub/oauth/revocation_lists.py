"""Whether a certificate was revoked, by the list that its issuer publishes (CRL): RFC 5280 §5 and §6.3.

A list is fetched from the address in the certificate, after the chain held, so that strangers name no addresses. It is
kept for all workers, asked for anew when an hour old, and good until its `nextUpdate`. What follows when there is none
is the operator's to say: `DATAHUB_REVOCATION_LISTS`.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import Engine

from datahub.kernel import db, http
from datahub.kernel.context import Context
from datahub.kernel.errors import Refusal
from datahub.kernel.settings import Settings
from datahub.oauth import store
from datahub.oauth.errors import JwtNotGood
from datahub.oauth.fetching import RETRY, Wanted
from datahub.oauth.models import FetchedList

FRESH = timedelta(hours=1)
MAX_LIST_BYTES = 4 << 20
_MAX_ADDRESSES = 4
_MAX_ADDRESS_LENGTH = 500
_CLOCK_SKEW = timedelta(minutes=5)  # between the issuer's clock and ours


class ListWanted(Wanted):
    """The revocation list of an issuer must be fetched before its certificate can be judged."""

    def __init__(self, url: str, issuer: x509.Certificate) -> None:
        """Name where the list is and who must have signed it."""
        super().__init__(url)
        self.url = url
        self.issuer = issuer

    def fetch(self, engine: Engine, settings: Settings, now: datetime) -> None:
        """Fetch the list and keep it, if it is its issuer's and not older than what there was."""
        with db.transaction(engine) as session:
            if not store.claim_fetch(session, FetchedList, self.url, now, now - RETRY):
                return
        fault, content = None, b""
        try:
            content = http.get(settings, self.url, MAX_LIST_BYTES, http.HTTPS_OR_HTTP)
            found = _read(content, self.issuer)
            with db.transaction(engine, is_read=True) as session:
                kept = store.list_content(session, self.url)
            if kept and found.last_update_utc < x509.load_der_x509_crl(kept).last_update_utc:
                fault = "what came is older than what was there"
        except (Refusal, ValueError) as failed:
            fault = str(failed)[:300]
        with db.transaction(engine) as session:
            row = session.get_one(FetchedList, self.url)
            row.fault = fault
            if fault is None:
                row.content, row.digest, row.fetched_at = content, hashlib.sha256(content).hexdigest(), now


def check_chain(ctx: Context, chain: Sequence[x509.Certificate]) -> None:
    """Pass when no certificate of a verified chain was revoked, the anchor aside, which nobody can revoke.

    Raises JwtNotGood: it was, or no list tells and one is required. Raises ListWanted: fetch it, and ask again.
    """
    if ctx.settings.revocation_lists == "ignored":
        return
    for certificate, issuer in pairwise(chain):
        found = _list_for(ctx, certificate, issuer)
        # A list on which nobody stands is false, and tells a lot
        entry = (
            None
            if found is None
            else found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        )
        if entry is not None:
            raise JwtNotGood(
                "certificate-revoked",
                serial=f"{certificate.serial_number:x}",
                revoked_at=entry.revocation_date_utc.isoformat(),
            )
        if found is None and ctx.settings.revocation_lists == "required":
            raise JwtNotGood("certificate-no-list", serial=f"{certificate.serial_number:x}")


def _list_for(
    ctx: Context, certificate: x509.Certificate, issuer: x509.Certificate
) -> x509.CertificateRevocationList | None:
    """Return a list that tells about the certificate now, None when none can be had. Raises ListWanted."""
    wanted = None
    for url in _addresses(certificate):
        digest, fetched_at, tried_at = store.fetched_list(ctx.session, url) or (None, None, None)
        found = _known(ctx, url, digest, issuer) if digest is not None else None
        is_good = found is not None and _holds(found, ctx.now) and _tells_about(found, certificate, url)
        is_fresh = fetched_at is not None and ctx.now - fetched_at < FRESH
        may_try = tried_at is None or ctx.now - tried_at >= RETRY
        if is_good and (is_fresh or not may_try):
            return found
        if may_try:
            wanted = wanted or ListWanted(url, issuer)
    if wanted is not None:
        raise wanted
    return None


def _addresses(certificate: x509.Certificate) -> Sequence[str]:
    """Return where the whole list is: another issuer's, or one for some reasons only, is not asked for."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    names = [
        name.value
        for point in points
        if point.full_name and not point.crl_issuer and not point.reasons
        for name in point.full_name
        if isinstance(name, x509.UniformResourceIdentifier)
    ]
    return [url for url in names if len(url) <= _MAX_ADDRESS_LENGTH and url.startswith("http")][
        :_MAX_ADDRESSES
    ]


# Parsed and their signatures verified, by digest and issuer: a list may be megabytes.
_read_before: dict[tuple[str, bytes], x509.CertificateRevocationList] = {}
_MAX_READ = 32


def _known(
    ctx: Context, url: str, digest: str, issuer: x509.Certificate
) -> x509.CertificateRevocationList | None:
    name = (digest, issuer.fingerprint(SHA256()))
    if name not in _read_before:
        try:
            found = _read(store.list_content(ctx.session, url), issuer)
        except ValueError:
            return None
        if len(_read_before) >= _MAX_READ:
            _read_before.clear()
        _read_before[name] = found
    return _read_before[name]


def _read(content: bytes, issuer: x509.Certificate) -> x509.CertificateRevocationList:
    """Return a list that the issuer signed. Raises ValueError."""
    try:
        found = x509.load_der_x509_crl(content)
        is_signed = found.issuer == issuer.subject and found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except (TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound) as fault:
        msg = "the list cannot be verified"
        raise ValueError(msg) from fault
    if not is_signed or not usage.crl_sign:
        msg = "the list is not signed by the issuer of the certificate"
        raise ValueError(msg)
    return found


def _holds(found: x509.CertificateRevocationList, now: datetime) -> bool:
    until = found.next_update_utc
    return found.last_update_utc <= now + _CLOCK_SKEW and until is not None and now < until


def _tells_about(found: x509.CertificateRevocationList, certificate: x509.Certificate, url: str) -> bool:
    """Tell whether a list is about all certificates like this one (RFC 5280 §6.3.3 (b)); deltas never are."""
    for extension in found.extensions:
        point = extension.value
        if isinstance(point, x509.IssuingDistributionPoint):
            is_other_part = point.full_name is not None and url not in [
                each.value for each in point.full_name
            ]
            is_other_kind = (
                point.only_contains_user_certs if _is_authority(certificate) else point.only_contains_ca_certs
            )
            is_partial = point.relative_name or point.only_some_reasons or point.only_contains_attribute_certs
            if is_other_part or is_other_kind or is_partial or point.indirect_crl:
                return False
        elif extension.critical:
            return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False

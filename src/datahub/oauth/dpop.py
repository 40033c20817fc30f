"""Proof that whoever shows a token holds its key (RFC 9449): at the token endpoint, and at every door.

Everything is verified first; that a proof works once is for the caller to hold, last of all, with `Proof.use`.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from datahub.kernel.settings import Settings
from datahub.oauth import jose, nonces, replay
from datahub.oauth.errors import JwtNotGood

_DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 3986 §2.3 and §3.3: what stands in a path as it is; all else, and what was encoded, is written one way
_PATH_SAFE = "-._~!$&'()*+,;=:@"


class Proof(NamedTuple):
    """A proof that is good for this call; `use` is yet to be used up, `is_nonce_old`: the client should get a new one."""

    key_id: str
    use: replay.Use
    is_nonce_old: bool


def check_proof(
    settings: Settings,
    unverified_proofs: tuple[str, ...],
    *,
    method: str,
    path: str,
    now: datetime,
    ath: str | None = None,
) -> Proof:
    """Return the one proof that came with a call, all checks of RFC 9449 §4.3 done but its single use. Raises JwtNotGood.

    `ath`: the digest of the token it is shown with. Its check `nonce` alone means: the same again, with our nonce.
    """
    if len(unverified_proofs) != 1:
        raise JwtNotGood("one-proof" if unverified_proofs else "no-proof")
    address = settings.base_url + path
    found = jose.verify_dpop_proof(unverified_proofs[0], method=method, is_address=_is(address), now=now)
    if ath is not None and found.ath != ath:
        raise JwtNotGood("ath")
    if found.nonce is None or not nonces.is_nonce(settings, found.nonce, now):
        raise JwtNotGood("nonce")
    expires_at = found.iat + jose.PROOF_LIFE_S
    return Proof(
        found.key_id,
        replay.use_of("dpop", f"{found.key_id}\n{method} {address}", found.jti, expires_at),
        found.nonce != nonces.nonce_now(settings, now),
    )


def digest_of_token(token: str) -> str:
    """Return the `ath` of a token (RFC 9449 §4.2)."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _is(address: str) -> Callable[[str], bool]:
    return lambda htu: htu == address or (normal_address(htu) or None) == normal_address(address)


@lru_cache(maxsize=1024)
def normal_address(url: str) -> str:
    """Return an address in one form, without query and fragment (RFC 3986 §6.2.2, §6.2.3); empty when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or not url.isascii():
        return ""
    where = host if port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{where}{_normal_path(parts.path)}"


def _normal_path(path: str) -> str:
    # `%2F` is not `/`: each segment is decoded and written anew by itself
    segments = [quote(unquote(each, "latin-1"), _PATH_SAFE, "latin-1") for each in path.split("/")]
    kept: list[str] = []
    for segment in segments[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    is_folder = segments[-1:] in (["."], [".."])
    return "/" + "/".join(kept) + ("/" if is_folder and kept else "")

"""What the headers of tus 1.0 say, and what may follow. Pure.

https://tus.io/protocols/resumable-upload (1.0.0): core, creation, creation-with-upload, checksum, expiration,
termination.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from datahub.catalog.errors.uploads import InvalidUploadHeader
from datahub.kernel.errors import Fault

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
OFFSET_OCTETS = "application/offset+octet-stream"
ALGORITHMS = ("sha256", "sha1")
KEPT_FOR = timedelta(days=7)
"""An upload that nothing came for this long is removed."""
MAX_OPEN = 100
"""Uploads under way per organisation."""
MAX_METADATA = 4096
MAX_LENGTH = (1 << 63) - 1


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    value: bytes


def whole_number(name: str, sent: str | None) -> int:
    """Return a header's number of bytes. Raises InvalidUploadHeader."""
    if sent is None or not (sent.isascii() and sent.isdecimal()) or len(sent) > 19 or int(sent) > MAX_LENGTH:  # noqa: PLR2004 — digits of 2^63
        raise _invalid(name, "is missing" if sent is None else "is not a number of bytes")
    return int(sent)


def length_of(headers: Mapping[str, str]) -> int:
    """Return how long a new upload will be. Raises InvalidUploadHeader."""
    for name in ("upload-defer-length", "upload-concat"):
        if name in headers:
            raise _invalid(name, "belongs to an extension that is not offered here; see Tus-Extension")
    return whole_number("Upload-Length", headers.get("upload-length"))


def checksum_of(sent: str | None) -> Checksum | None:
    """Read Upload-Checksum: an algorithm, a blank, base64. Raises InvalidUploadHeader."""
    if sent is None:
        return None
    algorithm, _, text = sent.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise _invalid("Upload-Checksum", f"names none of {', '.join(ALGORITHMS)}")
    value = _decoded(text.strip())
    wanted = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if value is None or len(value) != wanted:
        raise _invalid("Upload-Checksum", f"{algorithm} needs {wanted} bytes in base64")
    return Checksum(algorithm, value)


def metadata_of(sent: str | None) -> Mapping[str, str]:
    """Read Upload-Metadata: pairs of a key and base64, parted by commas. Raises InvalidUploadHeader."""
    if sent is None or not sent.strip():
        return MappingProxyType({})
    if len(sent) > MAX_METADATA:
        raise _invalid("Upload-Metadata", f"has more than {MAX_METADATA} characters")
    found: dict[str, str] = {}
    for pair in sent.split(","):
        key, _, text = pair.strip().partition(" ")
        value = _decoded(text.strip())
        if not key or not key.isascii() or not key.isprintable() or key in found or value is None:
            raise _invalid("Upload-Metadata", "must be pairs `key base64`, parted by commas, each key once")
        found[key] = value.decode("utf-8", "replace")
    return MappingProxyType(found)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode(), validate=True)
    except (binascii.Error, ValueError):
        return None


def _invalid(name: str, detail: str) -> InvalidUploadHeader:
    title = "-".join(part.title() for part in name.split("-"))
    fault = Fault(f"/header/{title}", detail, "upload-header")
    return InvalidUploadHeader(f"{title} {detail}.", faults=[fault])

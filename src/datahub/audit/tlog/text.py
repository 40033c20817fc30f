"""The small pieces all text formats of a log are made of: numbers, base64, lines. One way to write each."""

import base64
import binascii

from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.tree import HASH_BYTES, MAX_SIZE


def parse_number(text: str, what: str) -> int:
    """Return a size or index: ASCII digits, no leading zero, at most MAX_SIZE. Raises TlogFault."""
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(MAX_SIZE)) or text != str(int(text)):
        raise TlogFault(f"the {what} is not a decimal number without leading zeroes")
    if int(text) > MAX_SIZE:
        raise TlogFault(f"the {what} is larger than {MAX_SIZE}")
    return int(text)


def decode_base64(text: str, what: str) -> bytes:
    """Return what standard base64 with padding stands for (RFC 4648 §4). Raises TlogFault."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TlogFault(f"the {what} is not base64") from None


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")


def parse_hash(text: str) -> bytes:
    """Return a hash written in the one canonical base64 form of 32 bytes. Raises TlogFault."""
    value = decode_base64(text, "hash")
    if len(value) != HASH_BYTES or encode_base64(value) != text:
        raise TlogFault("a hash is 32 bytes in canonical base64")
    return value


def decode_text(data: bytes, limit: int, what: str) -> str:
    """Return UTF-8 text within a limit and without control characters but the newline. Raises TlogFault."""
    if len(data) > limit:
        raise TlogFault(f"the {what} is longer than {limit} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise TlogFault(f"the {what} is not UTF-8") from None
    if any(each < " " and each != "\n" for each in text):
        raise TlogFault(f"the {what} holds a control character")
    return text

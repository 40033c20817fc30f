"""A line of syslog (RFC 5424), framed for a stream by counting octets (RFC 6587 §3.4.1, RFC 5425 §4.3). Pure."""

from collections.abc import Mapping
from typing import Any

import orjson

_LOG_AUDIT, _NOTICE, _INFO = 13, 5, 6
# Private enterprise number reserved for examples and documentation (RFC 5612).
_STRUCTURED = "datahub@32473"
_WELL = frozenset({"done", "permit", "finished"})
_SHOWN = ("action", "outcome", "code", "provider_id", "consumer_id", "dataset_id", "purpose")


def frame(entry: Mapping[str, Any], event: Mapping[str, Any], host: str) -> bytes:
    """Return an entry as one framed message, whose text is the OCSF event."""
    priority = _LOG_AUDIT * 8 + (_INFO if entry["outcome"] in _WELL else _NOTICE)
    data = " ".join(f'{name}="{_quoted(str(entry[name]))}"' for name in _SHOWN if entry.get(name) is not None)
    head = f"<{priority}>1 {entry['at']} {_name(host, 255)} datahub - {_name(entry['action'], 32)}"
    message = f"{head} [{_STRUCTURED} {data}] ".encode() + b"\xef\xbb\xbf" + orjson.dumps(event)
    return f"{len(message)} ".encode() + message


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _name(text: str, most: int) -> str:
    return "".join(c for c in text if "!" <= c <= "~")[:most] or "-"

"""One table of forms: how an entry, as its reader may see it, is written as one line of a file.

An entry is here a mapping from column to value; what the reader may not see, or what does not apply, is absent or None.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from datahub.audit.profiles import nen7513, ocsf

Shown = Mapping[str, Any]

# column → its name in JSON and CSV, in the order of a line
NAMES: Mapping[str, str] = {
    "id": "id",
    "at": "at",
    "action": "action",
    "outcome": "outcome",
    "code": "code",
    "trace_id": "traceId",
    "actor_client_id": "actorClientId",
    "actor_participant_id": "actorParticipantId",
    "actor_person_id": "actorPersonId",
    "thing_id": "thingId",
    "provider_id": "providerId",
    "consumer_id": "consumerId",
    "dataset_id": "datasetId",
    "dataset_version": "datasetVersion",
    "columns": "columns",
    "agreement_id": "agreementId",
    "offer_id": "offerId",
    "offer_version": "offerVersion",
    "policy_hash": "policyHash",
    "purpose": "purpose",
    "decision_id": "decisionId",
    "of_entry_id": "ofEntryId",
    "rows": "rows",
    "bytes": "bytes",
    "details": "details",
}


@dataclass(frozen=True)
class Form:
    """How a file of entries is written: its name, its first line, and the line of an entry."""

    file: str
    media_type: str
    line: Callable[[Shown], bytes]
    header: bytes = b""


def csv_line(entry: Shown) -> bytes:
    """Write an entry as a line of CSV (RFC 4180); lists and details are JSON in their cell.

    What a spreadsheet would run as a formula is given an apostrophe (OWASP, CSV injection).
    """
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow([_harmless(_cell(entry.get(name))) for name in NAMES])
    return out.getvalue().encode()


def json_line(entry: Shown) -> bytes:
    """Write an entry as a line of JSON, without what does not apply."""
    shown = {name: value for column, name in NAMES.items() if (value := plain(entry.get(column))) is not None}
    return orjson.dumps(shown) + b"\n"


def plain(value: Any) -> Any:
    """Write an instant as text; leave all else as it is."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return orjson.dumps(value).decode() if isinstance(value, list | dict) else str(plain(value))


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _as_json(shape: Callable[[Shown], Mapping[str, Any]]) -> Callable[[Shown], bytes]:
    return lambda entry: orjson.dumps(shape({k: plain(v) for k, v in entry.items()})) + b"\n"


FORMS: Mapping[str, Form] = {
    "csv": Form("entries.csv", "text/csv", csv_line, ",".join(NAMES.values()).encode() + b"\r\n"),
    "jsonl": Form("entries.jsonl", "application/x-ndjson", json_line),
    "ocsf": Form("entries.ocsf.jsonl", "application/x-ndjson", _as_json(ocsf.event)),
    "nen7513": Form("entries.nen7513.jsonl", "application/x-ndjson", _as_json(nen7513.event)),
}

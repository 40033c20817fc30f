"""Entries as events of the Open Cybersecurity Schema Framework, OCSF 1.3: API Activity and Datastore Activity.

A delivery of data is Datastore Activity (class 6005), all else API Activity (class 6003), both of the category
Application Activity (6). What OCSF has no attribute for (purpose, agreement, policy, columns) is in the extension
object `data_exchange`; `unmapped` stays unused.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

VERSION = "1.3.0"
CATEGORY = 6
API_ACTIVITY, DATASTORE_ACTIVITY = 6003, 6005
_CLASS_NAMES = {API_ACTIVITY: "API Activity", DATASTORE_ACTIVITY: "Datastore Activity"}
_CREATE, _READ, _UPDATE, _DELETE, _OTHER = 1, 2, 3, 4, 99
_NAMES = {_CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete", _OTHER: "Other"}
# the verb of an action → API Activity's activity
_ACTIVITIES: Mapping[str, int] = {
    **dict.fromkeys(("create", "register", "publish", "conclude", "open", "place", "upload"), _CREATE),
    **dict.fromkeys(("read", "export", "count", "prove", "stream", "search", "query", "decide"), _READ),
    **dict.fromkeys(("update", "change", "edit", "suspend", "resume", "transition"), _UPDATE),
    **dict.fromkeys(("delete", "remove", "erase", "revoke", "withdraw", "end"), _DELETE),
}
_READS_DATA = 1  # Datastore Activity: Read
_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL, _LOW = 1, 2
_WELL = frozenset({"done", "permit", "finished"})
# columns that OCSF has no attribute for → their names in `data_exchange`
_EXTENSION: Mapping[str, str] = {
    "provider_id": "provider_uid",
    "consumer_id": "consumer_uid",
    "dataset_id": "dataset_uid",
    "dataset_version": "dataset_version",
    "columns": "columns",
    "agreement_id": "agreement_uid",
    "offer_id": "offer_uid",
    "offer_version": "offer_version",
    "policy_hash": "policy_hash",
    "purpose": "purpose_of_use",
    "decision_id": "decision_uid",
    "of_entry_id": "attempt_uid",
    "thing_id": "thing_uid",
    "rows": "row_count",
    "bytes": "byte_count",
    "details": "details",
}


def event(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry as an OCSF event."""
    action, outcome = entry["action"], entry["outcome"]
    is_delivery = action == "data.deliver"
    kind = DATASTORE_ACTIVITY if is_delivery else API_ACTIVITY
    verb = action.rpartition(".")[2]
    activity = _READS_DATA if is_delivery else _ACTIVITIES.get(verb, _OTHER)
    is_well = outcome in _WELL
    shown: dict[str, Any] = {
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": kind,
        "class_name": _CLASS_NAMES[kind],
        "activity_id": activity,
        "activity_name": "Read" if is_delivery else verb if activity == _OTHER else _NAMES[activity],
        "type_uid": kind * 100 + activity,
        "type_name": f"{_CLASS_NAMES[kind]}: {'Read' if is_delivery else _NAMES[activity]}",
        "severity_id": _INFORMATIONAL if is_well else _LOW,
        "severity": "Informational" if is_well else "Low",
        "status_id": _SUCCESS if is_well else _FAILURE,
        "status": "Success" if is_well else "Failure",
        "status_code": entry["code"],
        "status_detail": outcome,
        "time": int(datetime.fromisoformat(entry["at"]).timestamp() * 1000),
        "metadata": {
            "version": VERSION,
            "uid": entry["id"],
            "correlation_uid": entry["trace_id"],
            "product": {"name": "Datahub", "vendor_name": "Datahub"},
            "extension": {"name": "data_exchange", "uid": "999", "version": "1.0.0"},
        },
        "actor": _actor(entry),
        "src_endpoint": {
            "svc_name": entry.get("actor_client_id") or "datahub",
            "uid": entry.get("actor_participant_id") or "datahub",
        },
        "data_exchange": {
            name: entry[column] for column, name in _EXTENSION.items() if entry.get(column) not in (None, {})
        },
    }
    if is_delivery:
        dataset = entry.get("dataset_id") or "unknown"
        shown["table"] = {"uid": dataset, "name": dataset}
        shown["type_id"], shown["type"] = 3, "Table"
    else:
        shown["api"] = {
            "operation": action,
            "service": {"name": "datahub"},
            "request": {"uid": entry["trace_id"]},
        }
        if entry.get("dataset_id"):
            shown["resources"] = [{"uid": entry["dataset_id"], "type": "dataset"}]
    return shown


def _actor(entry: Mapping[str, Any]) -> dict[str, Any]:
    organisation = entry.get("actor_participant_id")
    user = {"uid": entry.get("actor_person_id") or entry.get("actor_client_id") or "datahub"}
    if organisation:
        user["org"] = {"uid": organisation}
    return {"user": user, "app_uid": entry.get("actor_client_id") or "datahub"}

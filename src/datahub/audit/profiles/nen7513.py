"""Entries with the fields that NEN 7513 and ISO 27789 ask of the log of a health record, by the names of their model.

Field names as in the NEN 7513 extension of the Dutch standard for logging of data processing; codes as in DICOM PS3.15
A.5 (audit trail messages). Which client it was about is not in the log: its subjects are tags under a person's key.
"""

from collections.abc import Mapping
from typing import Any

# the verb of an action → EventActionCode: create, read, update, delete, execute
_ACTION_CODES: Mapping[str, str] = {
    **dict.fromkeys(("create", "register", "publish", "conclude", "upload"), "C"),
    **dict.fromkeys(("read", "deliver", "export", "count", "query"), "R"),
    **dict.fromkeys(("update", "change", "edit"), "U"),
    **dict.fromkeys(("delete", "remove", "erase"), "D"),
}
# EventOutcomeIndicator: 0 success, 4 minor failure, 8 serious failure
_OUTCOMES: Mapping[str, int] = {"done": 0, "permit": 0, "finished": 0, "aborted": 4, "deny": 8, "refused": 8}
_ORGANISATION, _SYSTEM_OBJECT = 3, 2
_RESOURCE, _DOMAIN = 4, 3


def event(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry as an event of NEN 7513."""
    action = entry["action"]
    shown: dict[str, Any] = {
        "EventID": entry["id"],
        "EventActionCode": _ACTION_CODES.get(action.rpartition(".")[2], "E"),
        "EventDateTime": entry["at"],
        "EventOutcomeIndicator": _OUTCOMES[entry["outcome"]],
        "eventTypeCode": action,
        "users": [_user(entry)],
        "participants": _objects(entry),
        "source": {
            "AuditEnterpriseSiteID": entry.get("provider_id"),
            "AuditSourceId": "datahub",
            "AuditSourceTypeCode": 4,  # application server process
        },
        "autorisatieProtocol": entry.get("policy_hash"),
        "behandelrelatieProtocol": entry.get("agreement_id"),
        "toestemmingsProfiel": entry.get("offer_id"),
        "controles": {"decision": entry.get("decision_id"), "code": entry["code"]},
    }
    return {name: _given(each) for name, each in shown.items() if each is not None}


def _user(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "userID": entry.get("actor_person_id") or entry.get("actor_client_id") or "datahub",
        "alternateUserID": entry.get("actor_client_id"),
        "userName": entry.get("actor_participant_id"),
        "userIsRequestor": True,
        "purposeOfUse": entry.get("purpose"),
        "networkAccessPointTypeCode": 5,  # a URI
        "networkAccessPointID": entry["trace_id"],
    }


def _objects(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = [
        (entry.get("dataset_id"), _SYSTEM_OBJECT, _RESOURCE, "dataset"),
        (entry.get("provider_id"), _ORGANISATION, _DOMAIN, "provider"),
        (entry.get("consumer_id"), _ORGANISATION, _DOMAIN, "consumer"),
    ]
    objects = [
        {
            "participantObjectTypeCode": kind,
            "participantObjectTypeCodeRole": role,
            "participantObjectIDTypeCode": what,
            "participantObjectID": each,
        }
        for each, kind, role, what in named
        if each is not None
    ]
    if objects and entry.get("dataset_id"):
        more = {"columns": entry.get("columns"), "rows": entry.get("rows"), "bytes": entry.get("bytes")}
        objects[0]["participantObjectDetail"] = more
    return objects


def _given(value: Any) -> Any:
    """Leave out what does not apply, however deep."""
    if isinstance(value, dict):
        return {name: _given(each) for name, each in value.items() if each is not None}
    return [_given(each) for each in value] if isinstance(value, list) else value

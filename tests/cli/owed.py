"""What commands about duties act on: a report owed under an agreement, and a person who asks to be erased."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.client.region import Region
from tests.server import HTTP


def a_right(region: Region, dataset_id: str, person: str) -> str:
    """Have a person in the city's data ask the city to be erased; return the duty's id."""
    rule = {
        "subjects": ["station"],
        "keySpace": "citizen",
        "purposes": [{"purpose": "dpv:Marketing", "basis": "consent", "recipients": ["class:participants"]}],
        "notice": {"nl": "Wij vragen.", "en": "We ask."},
        "handling": {"address": "Plein 1", "retention": "P1Y"},
    }
    region.city.call("POST", f"/v1/datasets/{dataset_id}/consent-rules", body=rule)
    where = f"/v1/datasets/{dataset_id}/consent-links"
    link = region.city.call("POST", where, body={"subject": person}).json()
    url, token = region.server.url, link["url"].partition("#")[2]
    session = HTTP.post(f"{url}/v1/me/sessions", json={"token": token}).json()["accessToken"]
    headers = {"Authorization": f"Bearer {session}"}
    made = HTTP.post(f"{url}/v1/me/requests", json={"kind": "erasure"}, headers=headers)
    return str(made.json()["id"])


def a_duty(region: Region, ref: str, *moves: tuple[str, dict[str, Any]]) -> str:
    """Have the university owe the city a report by tomorrow, make moves on that as one of them; return its id."""
    end = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    term = {"leftOperand": "dh:dueBy", "operator": "lteq", "rightOperand": end}
    permission = {"action": "use", "duty": [{"action": "dh:reportUse", "constraint": [term]}]}
    at = f"/v1/datasets/{region.city.datasets[ref].id}/offers"
    body = {"title": {"en": "With a report"}, "policy": {"@type": "Offer", "permission": [permission]}}
    offer = region.city.call("POST", at, body=body).json()["id"]
    region.city.call("POST", f"{at}/{offer}/transitions", body={"move": "open"})
    request = region.university.datasets[ref].request_access(purpose="dpv:AcademicResearch")
    agreed = region.city.requests.get(request.id).approve().agreement_id
    until = time.monotonic() + 60
    while not (found := list(region.city.items("/v1/duties", {"agreement": agreed}))):
        assert time.monotonic() < until, "the worker entered no duty"
        time.sleep(0.2)
    duty = str(found[0]["id"])
    for who, move in moves:
        getattr(region, who).call("POST", f"/v1/duties/{duty}/transitions", body=move)
    return duty

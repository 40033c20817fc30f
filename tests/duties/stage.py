"""An exchange where a university has agreements with a clinic, under terms that leave duties behind."""

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import httpx2

from datahub.kernel.clock import rfc3339
from datahub.participants import Role
from tests.hub import Hub, Party

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
DELETE: dict[str, Any] = {
    "action": "delete",
    "constraint": [
        {"leftOperand": "dh:deadline", "operator": "lteq", "rightOperand": "P30D"},
        {"leftOperand": "dh:evidence", "operator": "eq", "rightOperand": "attestation"},
    ],
}
ETHICS: dict[str, Any] = {"action": "dh:ethicsApproval"}
SAID = {"text": "Deleted, two of us looked."}


def a_policy(*duties: dict[str, Any]) -> dict[str, Any]:
    """Return an offer that permits use, with these duties."""
    return {"@type": "Offer", "permission": [{"action": "use", "duty": list(duties)}]}


@dataclass
class Deal:
    """A provider and a consumer, and a dataset between them."""

    hub: Hub
    clinic: Party
    university: Party
    dataset_id: str

    def at(self, days: int) -> str:
        """Return an instant some days from now, as the exchange writes it."""
        return rfc3339(self.hub.clock() + timedelta(days=days))

    def report(self, days: int = 30, action: str = "dh:reportUse") -> dict[str, Any]:
        """Return a duty to be done within some days from now."""
        end = {"leftOperand": "dh:dueBy", "operator": "lteq", "rightOperand": self.at(days)}
        return {"action": action, "constraint": [end]}

    def may_read(self, agreement_id: str) -> bool:
        """Tell whether the university gets data under an agreement now."""
        detail = {
            "type": "dataset",
            "identifier": self.dataset_id,
            "actions": ["read"],
            "agreement": agreement_id,
        }
        answer = self.university.ask_token(authorization_details=json.dumps([detail]))
        if answer.status_code != 200:
            return False
        at = f"/v1/datasets/{self.dataset_id}/versions/1/data"
        return self.university.get(at, token=answer.json()["access_token"]).status_code == 200

    def agree(self, *duties: dict[str, Any], supersedes: str | None = None) -> str:
        """Come to an agreement under these duties; return its id."""
        at = f"/v1/datasets/{self.dataset_id}/offers"
        body = {"title": {"en": "For research"}, "policy": a_policy(*duties)}
        offer = self.clinic.done("POST", at, 201, json=body)
        self.clinic.done("POST", f"{at}/{offer['id']}/transitions", 201, json={"move": "open"})
        wanted = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
        if supersedes:
            wanted["supersedes"] = supersedes
        asked = self.university.done("POST", "/v1/access-requests", 201, json=wanted)
        where = f"/v1/access-requests/{asked['id']}/transitions"
        agreed = self.clinic.done("POST", where, 201, json={"move": "approve"})
        self.hub.work()
        return str(agreed["agreementId"])

    def duties(self, who: Party | None = None, **filters: Any) -> list[dict[str, Any]]:
        """List duties, the university's view unless told."""
        found = (who or self.university).get("/v1/duties", params=filters)
        assert found.status_code == 200, found.text
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    def move(self, who: Party, duty_id: str, move: str, **more: Any) -> httpx2.Response:
        """Make a move on a duty; the answer as it came."""
        return who.post(f"/v1/duties/{duty_id}/transitions", json={"move": move, **more})

    def state_of(self, agreement_id: str) -> str:
        """Return where an agreement is."""
        return str(self.clinic.done("GET", f"/v1/agreements/{agreement_id}", 200)["state"])

    def end(self, agreement_id: str) -> None:
        """End an agreement, and let the worker hear of it."""
        where = f"/v1/agreements/{agreement_id}/transitions"
        self.university.done("POST", where, 201, json={"move": "end"})
        self.hub.work()


_numbers = count(1)


def a_deal(hub: Hub) -> Deal:
    """Put a clinic with a published dataset, and a university, in the exchange: new ones at each call."""
    number = next(_numbers)
    clinic = hub.party(f"clinic-{number}", Role.PUBLISHER, Role.APPROVER, Role.AUDITOR)
    university = hub.party(f"university-{number}", Role.REQUESTER)
    body = {
        "slug": "visits",
        "kind": "table",
        "title": {"en": "Visits"},
        "description": {"en": "Visits."},
        "accessRights": "RESTRICTED",
    }
    dataset_id = clinic.done("POST", "/v1/datasets", 201, json=body)["id"]
    at = f"/v1/datasets/{dataset_id}"
    csv = {"Content-Type": "text/csv"}
    clinic.done("POST", f"{at}/versions", 201, content=b"area,visits\nnorth,3\n", headers=csv)
    clinic.done("POST", f"{at}/transitions", 201, json={"move": "publish"})
    return Deal(hub, clinic, university, dataset_id)

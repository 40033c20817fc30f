"""A dataset about people, its consent rule, and what is said about them; valid by default."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

from datahub.participants import Role
from tests.hub import Hub, Party

RESEARCH = "https://w3id.org/dpv#ResearchAndDevelopment"
ACADEMIC = "https://w3id.org/dpv#AcademicResearch"
MARKETING = "https://w3id.org/dpv#Marketing"
UNTIL = "2027-01-01T00:00:00Z"
CSV = b"person,partner,area,visits\nann,,north,3\nbob,cat,north,1\ncat,,south,2\n,,south,9\n"
COLUMNS = [
    {"name": "person", "type": "string", "sensitivity": "personal"},
    {"name": "partner", "type": "string", "sensitivity": "personal"},
    {"name": "area", "type": "string"},
    {"name": "visits", "type": "int64"},
]


def a_purpose(purpose: str = RESEARCH, **more: Any) -> dict[str, Any]:
    """Return one purpose of a rule: explicit consent, for any participant."""
    said = {"purpose": purpose, "basis": "consent", "explicit": True, "recipients": ["class:participants"]}
    return {**said, **more}


def a_rule(**more: Any) -> dict[str, Any]:
    """Return a consent rule for research."""
    rule: dict[str, Any] = {
        "subjects": ["person"],
        "keySpace": "citizen",
        "purposes": [a_purpose()],
        "notice": {"nl": "Wij vragen uw toestemming.", "en": "We ask your consent."},
        "handling": {"address": "Plein 1, 1000 AA Amsterdam", "retention": "P5Y"},
    }
    return {**rule, **more}


@dataclass
class Clinic:
    """A provider with a dataset about people."""

    hub: Hub
    party: Party
    dataset_id: str
    people: dict[str, str] = field(default_factory=dict)

    @property
    def at(self) -> str:
        """The dataset's address."""
        return f"/v1/datasets/{self.dataset_id}"

    def rule(self, status: int = 201, **more: Any) -> Any:
        """Write the next version of the rule."""
        return self.party.done("POST", f"{self.at}/consent-rules", status, json=a_rule(**more))

    def publish(self) -> httpx2.Response:
        """Publish the dataset; the answer as it came."""
        return self.party.post(f"{self.at}/transitions", json={"move": "publish"})

    def say(self, subject: str, move: str, status: int = 201, **more: Any) -> Any:
        """Report a decision."""
        body: dict[str, Any] = {"subject": subject, "purpose": RESEARCH, "move": move, "channel": "paper"}
        if move in ("give", "renew"):
            body |= {"validUntil": UNTIL, "explicit": True}
        return self.party.done("POST", f"{self.at}/consents", status, json={**body, **more})

    def link(self, subject: str, **more: Any) -> str:
        """Make a link and return its token."""
        made = self.party.done("POST", f"{self.at}/consent-links", 201, json={"subject": subject, **more})
        return str(made["url"]).partition("#")[2]

    def session(self, subject: str, **more: Any) -> str:
        """Return the token of a person's own session."""
        answer = self.hub.http.post("/v1/me/sessions", json={"token": self.link(subject, **more)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["accessToken"])

    def mine(self, token: str, method: str, path: str, **more: Any) -> httpx2.Response:
        """Call as the person."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        return self.hub.http.request(method, f"/v1/me{path}", headers=headers, **more)

    def send(self, content: bytes, form: str = "application/x-ndjson", query: str = "channel=paper") -> Any:
        """Send a file of decisions and let the worker work it off; return the import."""
        at = f"{self.at}/consent-imports"
        made = self.party.done("POST", f"{at}?{query}", 202, content=content, headers={"Content-Type": form})
        while self.party.done("GET", f"{at}/{made['id']}", 200)["state"] not in ("done", "failed"):
            self.hub.work()
        return self.party.done("GET", f"{at}/{made['id']}", 200)


def a_clinic(hub: Hub, columns: list[dict[str, Any]] | None = None, slug: str = "clinic") -> Clinic:
    """Put a provider with a draft dataset about four rows of people in the exchange."""
    party = hub.party(slug, Role.PUBLISHER, Role.APPROVER, Role.AUDITOR)
    body = {
        "slug": "visits",
        "kind": "table",
        "title": {"nl": "Bezoeken", "en": "Visits"},
        "description": {"en": "Visits of people."},
        "accessRights": "RESTRICTED",
        "columns": columns or COLUMNS,
    }
    dataset_id = party.done("POST", "/v1/datasets", 201, json=body)["id"]
    at = f"/v1/datasets/{dataset_id}/versions"
    party.done("POST", at, 201, content=CSV, headers={"Content-Type": "text/csv"})
    return Clinic(hub, party, dataset_id)

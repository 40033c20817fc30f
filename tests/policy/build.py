"""Plain builders for policy tests: valid by default."""

from datetime import UTC, datetime
from typing import Any

from datahub.policy import Facts, Policy, read_policy

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
UNIVERSITY = "did:web:university.example"
CITY = "did:web:city.example"


def a_constraint(left: str, operator: str, right: object) -> dict[str, object]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def a_document(*constraints: object, **members: object) -> dict[str, Any]:
    rule: dict[str, object] = {"action": "use"}
    if constraints:
        rule["constraint"] = list(constraints)
    return {"@id": "urn:test:policy", "@type": "Offer", "permission": [rule], **members}


def a_policy(*constraints: object, **members: object) -> Policy:
    return read_policy(a_document(*constraints, **members))


def some_facts(**given: Any) -> Facts:
    for name in ("now", "agreed_at", "published_at", "first_used_at"):
        if isinstance(given.get(name), str):
            given[name] = datetime.fromisoformat(given[name])
    return Facts(**{"action": "read", "now": NOW, "recipient": [UNIVERSITY], **given})

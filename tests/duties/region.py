"""A clinic with people in its data, a consent rule, and universities that received rows."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from datahub.catalog import version_of
from datahub.consent import Named, digest_of_key
from datahub.consent.service.disclosures import Leaving, note_persons
from datahub.kernel.clock import rfc3339
from datahub.kernel.context import ANONYMOUS
from datahub.participants import Role
from tests.consent.building import RESEARCH, Clinic, a_clinic, a_rule
from tests.hub import Hub, Party

HIDDEN: dict[str, Any] = {"template": "columns-without", "parameters": {"columns": ["person", "partner"]}}
MASKED: dict[str, Any] = {
    "template": "columns-masked",
    "parameters": {"columns": ["person", "partner"], "method": "hmac"},
}
WHOLE: dict[str, Any] = {"template": "purpose", "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]}}


@dataclass
class Region:
    """The clinic, and what its data is under."""

    hub: Hub
    clinic: Clinic

    def university(self, slug: str) -> Party:
        """Put one more university in the exchange."""
        return self.hub.party(slug, Role.REQUESTER)

    def agree(self, who: Party, terms: dict[str, Any]) -> str:
        """Come to an agreement for research; return its id."""
        at = f"{self.clinic.at}/offers"
        body = {"title": {"en": "For research"}, **terms}
        offer = self.clinic.party.done("POST", at, 201, json=body)
        self.clinic.party.done("POST", f"{at}/{offer['id']}/transitions", 201, json={"move": "open"})
        wanted = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": RESEARCH}
        asked = who.done("POST", "/v1/access-requests", 201, json=wanted)
        where = f"/v1/access-requests/{asked['id']}/transitions"
        agreed = self.clinic.party.done("POST", where, 201, json={"move": "approve"})
        return str(agreed["agreementId"])

    def at(self, days: int) -> str:
        """Return an instant some days from now."""
        return rfc3339(self.hub.clock() + timedelta(days=days))

    def give(self, person: str) -> None:
        """Report a person's yes to research, for 200 days."""
        self.clinic.say(person, "give", validUntil=self.at(200))

    def receive(self, agreement_id: str, *keys: str) -> None:
        """Have rows about people leave under an agreement, as a delivery records it."""
        with self.hub.context(ANONYMOUS) as ctx:
            version = version_of(ctx.session, self.clinic.dataset_id)
            assert version is not None
            named = Named(self.clinic.party.id, "citizen", ("person",))
            leaving = Leaving(agreement_id, self.clinic.dataset_id, version.id, RESEARCH, named)
            provider = self.clinic.party.id
            note_persons(
                ctx, "", leaving, [digest_of_key(ctx.settings, provider, "citizen", k) for k in keys]
            )

    def recalls(self, who: Party) -> list[dict[str, Any]]:
        """Return a consumer's recalls, newest first."""
        items: list[dict[str, Any]] = who.done("GET", "/v1/duties?ground=recall", 200)["items"]
        return items

    def people(self, who: Party, duty: dict[str, Any]) -> list[dict[str, Any]]:
        """Return whom a duty is about, as who owes it knows them."""
        items: list[dict[str, Any]] = who.done("GET", f"/v1/duties/{duty['id']}/subjects", 200)["items"]
        return items

    def go_out(self) -> None:
        """Let the time pass in which people are added to recalls."""
        self.hub.work()
        self.hub.clock.forward(seconds=self.hub.settings.recall_gather_s)
        self.hub.work()


def a_region(hub: Hub, slug: str = "clinic", **rule: Any) -> Region:
    """Put a clinic with published data about ann, bob, cat in the exchange; all three said yes to research."""
    clinic = a_clinic(hub, slug=slug)
    clinic.party.done("POST", f"{clinic.at}/consent-rules", 201, json=a_rule(**rule))
    assert clinic.publish().status_code == 201
    region = Region(hub, clinic)
    for person in ("ann", "bob", "cat"):
        region.give(person)
    return region

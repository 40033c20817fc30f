"""Who plays in the story: the exchange, four organisations of the region, and a small maker of an app.

Every organisation, number and person is made up; the numbers pass their registers' check digits.
"""

from dataclasses import dataclass, field

from datahub.cli.demo.caller import Caller
from datahub.cli.demo.data import REGION


@dataclass
class Organisation:
    """An organisation of the region."""

    name: str
    slug: str
    identifiers: dict[str, str]
    id: str = ""

    @property
    def email(self) -> str:
        """Return where to write to it."""
        return f"data@{self.slug}.example"

    def application(self) -> dict[str, object]:
        """Return its application to join."""
        return {
            "name": self.name,
            "slug": self.slug,
            "contactEmail": self.email,
            "legalIdentifiers": self.identifiers,
        }


@dataclass
class Cast:
    """Everybody in the story, and what they made so far: datasets, offers and agreements by short names."""

    admin: Caller
    municipality: Organisation = field(
        default_factory=lambda: Organisation(
            f"Municipality of {REGION}", "municipality", {"oin": "00000001900000016000"}
        )
    )
    transport: Organisation = field(
        default_factory=lambda: Organisation(
            f"{REGION} Transport Authority", "transport", {"kvk": "90000025"}
        )
    )
    health: Organisation = field(
        default_factory=lambda: Organisation(
            f"{REGION} Public Health Service", "health", {"kvk": "90000033", "did": "did:web:health.example"}
        )
    )
    university: Organisation = field(
        default_factory=lambda: Organisation(
            f"University of {REGION}", "university", {"kvk": "90000041", "did": "did:web:university.example"}
        )
    )
    streetlens: Organisation = field(
        default_factory=lambda: Organisation("Streetlens", "streetlens", {"kvk": "90000058"})
    )
    city_desk: Caller = field(default_factory=lambda: Caller("municipality, data desk"))
    travel_desk: Caller = field(default_factory=lambda: Caller("transport, data desk"))
    care_desk: Caller = field(default_factory=lambda: Caller("health service, data desk"))
    approver: Caller = field(default_factory=lambda: Caller("health service, Noor (approver)"))
    researcher: Caller = field(default_factory=lambda: Caller("university, research desk"))
    app: Caller = field(default_factory=lambda: Caller("Streetlens, smart-city app"))
    auditor: Caller = field(default_factory=lambda: Caller("exchange, auditor"))
    datasets: dict[str, str] = field(default_factory=dict)
    offers: dict[str, dict[str, str]] = field(default_factory=dict)
    agreements: dict[str, str] = field(default_factory=dict)

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        """Return the organisations that join."""
        return (self.municipality, self.transport, self.health, self.university, self.streetlens)

    def name_of(self, organisation_id: str | None) -> str:
        """Return what an organisation is called in tables."""
        known = {each.id: each.slug for each in self.organisations}
        return known.get(organisation_id or "", "exchange" if organisation_id else "anybody")

    def dataset_called(self, dataset_id: str | None) -> str:
        """Return the short name of a dataset."""
        return next((slug for slug, each in self.datasets.items() if each == dataset_id), "")

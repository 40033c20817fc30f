"""A real exchange in a process of its own, with a city that publishes and a university that reads, as clients see it."""

from pathlib import Path

from datahub.client import Hub, Profile
from datahub.client.credentials import new_key
from tests.server import Server


class Region:
    """An exchange with a city that publishes and a university that reads."""

    def __init__(self, home: Path) -> None:
        self.server = Server(home, f"sqlite:///{home / 'hub.sqlite3'}")
        self.server.init()
        self.server.start()
        self.admin = Hub(self.server.url, client_id=self.server.admin[0], secret=self.server.admin[1])
        self.city = self._join("city", "12345678", ["publisher", "approver"])
        self.university = self._join("university", "90000041", ["requester"])

    def _join(self, slug: str, kvk: str, roles: list[str]) -> Hub:
        application = {
            "name": slug.title(),
            "slug": slug,
            "contactEmail": f"data@{slug}.example",
            "legalIdentifiers": {"kvk": kvk},
        }
        anybody = Hub(self.server.url)
        made = anybody.call("POST", "/v1/participants", body=application).json()
        anybody.close()
        moved = f"/v1/participants/{made['id']}/transitions"
        self.admin.call("POST", moved, body={"move": "admit"})
        private, public = new_key()
        body = {"name": "desk", "participantId": made["id"], "roles": roles, "jwks": {"keys": [public]}}
        client = self.admin.call("POST", "/v1/clients", body=body).json()
        return Hub(profile=Profile(url=self.server.url, client_id=client["id"], private_key=private))

    def close(self) -> None:
        for hub in (self.admin, self.city, self.university):
            hub.close()
        self.server.stop()

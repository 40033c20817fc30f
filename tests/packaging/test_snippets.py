"""What the pages show beside the sessions of the tour and the guides: messages are sent, servers are started."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from datahub.consent.rules.logins import read_logins
from tests.cli.owed import a_duty
from tests.client.region import Region
from tests.server import HTTP, START_DEADLINE_S, free_port

DOCS = Path(__file__).parents[2] / "docs"
ROWS = "person,area,visits,city,born,income\n" + "".join(
    f"p{n},north,{n % 5},{('Amsterdam', 'Zaanstad')[n % 2]},{1980 + n % 3}-05-01,{30_000 + n % 2}\n"
    for n in range(60)
)
RESEARCH = "dpv:AcademicResearch"


def shown(page: str, language: str, at: int = 0) -> str:
    """Return one fenced block of a page."""
    text = (DOCS / f"{page}.md").read_text()
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return blocks[at]


def message(page: str, at: int = 0, **filled: str) -> dict[str, Any]:
    """Return a JSON block with what it leaves open filled in, and its year moved on with the clock."""
    text = shown(page, "json", at).replace("2027-", f"{datetime.now(UTC).year + 1}-")
    found: dict[str, Any] = json.loads(text)
    return found | filled


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    home = tmp_path_factory.mktemp("snippets")
    (home / "people.csv").write_text(ROWS)
    region = Region(home)
    made = region.city.datasets.create("people", title="People", description="Made up.")
    made.upload(home / "people.csv")
    made.move("publish")
    yield region
    region.close()


def test_a_rule_of_consent_and_a_decision_under_it(region: Region) -> None:
    at = f"/v1/datasets/{region.city.datasets['city/people'].id}"
    rule = region.city.call("POST", f"{at}/consent-rules", body=message("consent"))
    assert rule.status_code == httpx2.codes.CREATED
    given = region.city.call("POST", f"{at}/consents", body=message("consent", 1, subject="p1"))
    assert given.json()["state"] == "given"


def test_a_file_of_logins() -> None:
    (login,) = read_logins(shown("consent", "toml"))
    assert (login.issuer, login.claim) == ("https://login.city.example", "citizen_number")


def test_a_question_of_a_gateway(region: Region) -> None:
    question = message("decisions")
    dataset = region.city.datasets["city/people"]
    question["subject"]["id"] = region.city.ask_token().text
    question["resource"]["id"] = str(dataset.id)
    answer = region.city.call("POST", "/v1/decisions", body=question).json()
    assert answer["decision"] is True


def test_how_a_duty_is_fulfilled(region: Region) -> None:
    done = message("duties")
    done["evidence"]["sha256"] = "0" * 64
    duty = a_duty(region, "city/people")
    moved = region.university.call("POST", f"/v1/duties/{duty}/transitions", body=done).json()
    assert moved["state"] == "fulfilled"


def test_a_live_api(region: Region) -> None:
    made = region.city.datasets.create("sensors", title="Sensors", description="Made up.")
    _, _, body = shown("live-apis", "http").partition("\n")
    answer = region.city.call(
        "PUT", f"/v1/datasets/{made.id}/api", body=json.loads(body.replace("…", "k3y"))
    ).json()
    assert answer["paths"][0]["path"] == "/stations/{station}/values"
    assert "k3y" not in json.dumps(answer)


def test_a_question_to_a_clean_room(region: Region) -> None:
    dataset = region.city.datasets.create("residents", title="Residents", description="Made up.")
    dataset.upload(region.server.home / "people.csv")
    dataset.move("publish")
    parameters = {"minimumGroup": 10, "entityKey": "person", "purposes": [RESEARCH]}
    region.city.datasets["city/residents"].offer("results-only", parameters)
    asked = region.university.datasets["city/residents"].request_access(purpose=RESEARCH)
    region.city.requests.get(asked.id).approve()
    where = f"/v1/datasets/{dataset.id}/queries"
    details = [{"type": "dataset", "identifier": dataset.id, "actions": ["query"], "purpose": RESEARCH}]
    answer = region.university._transport.json("POST", where, body=message("queries"), details=details)
    assert answer["rows"]


@contextmanager
def running(at: int, port: int, **instead: str) -> Iterator[None]:
    """Run the session at the prompt that starts a server, on a port and in places of our own, until it answers."""
    script = "\n".join(line.removeprefix("$ ") for line in shown("running", "console", at).splitlines())
    for theirs, ours in {"datahub serve": f"datahub serve --port {port}", **instead}.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATAHUB_BASE_URL": f"http://127.0.0.1:{port}",
    }
    with subprocess.Popen(["bash", "-ec", script], env=environment, start_new_session=True) as bash:
        try:
            until = time.monotonic() + START_DEADLINE_S
            while not answers(port):
                assert bash.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)
            yield
        finally:
            os.killpg(bash.pid, signal.SIGKILL)


def answers(port: int) -> bool:
    """Tell whether a server is ready at this port."""
    try:
        return HTTP.get(f"http://127.0.0.1:{port}/health/ready").status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def test_an_exchange_in_one_folder_is_started_and_its_schema_moved_on(tmp_path: Path) -> None:
    home = str(tmp_path / "datahub")
    with running(0, free_port(), **{" --port 8000": "", "/srv/datahub": home}):
        assert (tmp_path / "datahub/master.key").stat().st_mode & 0o077 == 0
    migrate = shown("running", "console", 3).removeprefix("$ ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", migrate], env={"PATH": path, "DATAHUB_HOME": home}, check=True)


def test_an_exchange_on_postgresql_is_started_with_a_worker_beside_it(
    postgres_url: str, tmp_path: Path
) -> None:
    theirs = "postgresql+psycopg://datahub:…@db.internal/datahub"
    places = {"/srv/datahub-pg": str(tmp_path), theirs: postgres_url, "--workers 4": "--workers 2"}
    with running(2, free_port(), **places):
        pass

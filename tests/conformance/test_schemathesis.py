"""Schemathesis against a running exchange: every operation, as described, for each persona; no failure.

Its four phases (examples, coverage, fuzzing, stateful) with all of its checks, and ours (`schemathesis_hooks.py`). A
short run stands with the other tests, one of ten minutes for each persona with the drills.
"""

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from datahub.app import build
from tests.build import some_settings
from tests.server import Server, a_server

ROLES = ("publisher", "requester", "approver", "auditor", "admin")
PERSONAS = ("anonymous", "consumer", "provider", "exchange")
# What each persona tries in the short run; the long one has it all.
SHORT = {
    "anonymous": "fuzzing",
    "consumer": "fuzzing",
    "provider": "examples,fuzzing",
    "exchange": "fuzzing",
}
HOOKS = Path(__file__).parent / "schemathesis_hooks.py"
OFFER = {
    "title": {"en": "For research"},
    "template": "purpose",
    "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]},
}
# How many operations must have been reached and have done what was asked, so that a run of refusals is no success.
REACHED = {"anonymous": 12, "consumer": 14, "provider": 30, "exchange": 14}


@dataclass
class Stage:
    """Two organisations with things of their own on a running exchange, and what each may not see."""

    server: Server
    tokens: dict[str, str] = field(default_factory=dict)
    unseen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        server = self.server
        self.tokens["exchange"] = server.token()
        for name, kvk in (("provider", "34366966"), ("consumer", "12345679")):
            _, credential = server.organisation(name, kvk, *ROLES)
            self.tokens[name] = server.token(credential)
        published, offer = self.dataset("provider", "published")
        at = f"/v1/datasets/{published}"
        self.post("provider", f"{at}/transitions", move="publish")
        self.post("provider", f"{at}/offers/{offer['id']}/transitions", move="open")
        asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": "dpv:AcademicResearch"}
        for is_agreed in (True, False):
            request = self.post("consumer", "/v1/access-requests", **asked)["id"]
            self.hide(request, "anonymous")
            if is_agreed:
                where = f"/v1/access-requests/{request}/transitions"
                self.hide(self.post("provider", where, move="approve")["agreementId"], "anonymous")
        for name, other in (("provider", "consumer"), ("consumer", "provider")):
            draft, offer = self.dataset(name, "draft")
            client = self.post(name, "/v1/clients", name="script", securityProfile="basic", roles=["auditor"])
            for hidden in (draft, offer["id"], client["id"]):
                self.hide(hidden, other, "anonymous")

    def post(self, who: str, path: str, **body: Any) -> Any:
        """Make something."""
        return self.server.call("POST", path, 201, self.tokens[who], json=body)

    def hide(self, identifier: str, *personas: str) -> None:
        """Note what these must never be told of."""
        for persona in personas:
            self.unseen[persona].append(identifier)

    def dataset(self, who: str, slug: str) -> tuple[str, Any]:
        """Make a draft dataset with a version and a draft offer."""
        said = {"title": {"en": slug}, "description": {"en": slug}, "accessRights": "RESTRICTED"}
        made = self.post(who, "/v1/datasets", slug=slug, kind="table", **said)["id"]
        csv = {"content": b"a,b\n1,x\n2,y\n", "headers": {"Content-Type": "text/csv"}}
        self.server.call("POST", f"/v1/datasets/{made}/versions", 201, self.tokens[who], **csv)
        return made, self.post(who, f"/v1/datasets/{made}/offers", **OFFER)


def _attack(home: Path, database_url: str, persona: str, *options: str) -> dict[str, set[int]]:
    """Let Schemathesis loose on a fresh exchange; return which statuses each operation gave. Fails on any failure."""
    with a_server(home, database_url, DATAHUB_TOKEN_LIFETIME_S="3600") as server:
        stage = Stage(server)
        document = build(some_settings(home / "described", base_url=server.url)).state.openapi.full
        (home / "openapi.json").write_text(json.dumps(document))
        (home / "schemathesis.toml").write_text("")
        told = home / "told.ndjson"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(home / "schemathesis.toml")),
            *("run", str(home / "openapi.json"), "--url", server.url),
            *("--report", "ndjson", "--report-ndjson-path", str(told), *options),
        ]
        if persona in stage.tokens:
            command += ["--header", f"Authorization: Bearer {stage.tokens[persona]}"]
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "DATAHUB_UNSEEN": json.dumps(stage.unseen[persona]),
        }
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, _failures(done.stdout) or done.stderr[-3000:]
        log = (home / "server.log").read_text()
        assert "Traceback" not in log, log[-3000:]
        assert f"Tested: {len(_operations(document))}" in done.stdout, done.stdout[-3000:]
    return _statuses(told)


def _failures(said: str) -> str:
    return said[said.find("= FAILURES =") :][:8000] if "= FAILURES =" in said else said[-3000:]


def _operations(document: dict[str, Any]) -> list[str]:
    return [
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if isinstance(operation, dict)
    ]


def _statuses(told: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    with told.open() as lines:
        for line in lines:
            told_of = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
            for name, exchange in told_of.get("interactions", {}).items():
                case = told_of["cases"][name]["value"]
                if exchange.get("response"):
                    found[f"{case['method']} {case['path']}"].add(exchange["response"]["status_code"])
    return found


def _must_have_reached(persona: str, statuses: dict[str, set[int]]) -> None:
    reached = sorted(operation for operation, seen in statuses.items() if any(200 <= s < 300 for s in seen))
    assert len(reached) >= REACHED[persona], reached
    assert not [operation for operation, seen in statuses.items() if any(s >= 500 for s in seen)]


@pytest.mark.timeout(1500)  # every operation, from a program of its own: minutes on a busy machine
@pytest.mark.parametrize(("persona", "phases"), SHORT.items())
def test_a_short_run_of_schemathesis_finds_nothing(
    tmp_path: Path, sqlite_url: str, persona: str, phases: str
) -> None:
    statuses = _attack(
        tmp_path, sqlite_url, persona, "--phases", phases, "--max-examples", "1", "--seed", "1"
    )
    _must_have_reached(persona, statuses)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
@pytest.mark.parametrize("persona", PERSONAS)
def test_a_long_run_of_schemathesis_finds_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, persona: str, database: str
) -> None:
    url = request.getfixturevalue(database)
    _must_have_reached(persona, _attack(tmp_path, url, persona, "--max-time", "600"))

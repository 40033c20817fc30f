"""The commands that call an exchange: every one has help with an example, and every example runs."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from string import Template
from typing import Any

import click
import pytest
from click.testing import CliRunner

from datahub.cli import known, main
from datahub.client.profiles import save
from tests.cli import consented, logged
from tests.cli.owed import a_duty, a_right
from tests.client.region import Region

# Held by tests of their own: they need no exchange, or are one.
ELSEWHERE = {"auth", "policy", "demo", "init", "migrate", "serve", "worker", "sequencer", "openapi"}
# Of a noun that calls, but itself without an exchange, or beside its database.
OFFLINE = {("log", "verify"), ("log", "restart"), ("log", "subject-scan")}
CSV = "station,day,pm25\nQuay,2026-05-01,7.5\nMarket,2026-05-01,11.0\n"
_NUMBER = count()


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


REMOTE = {
    path: command for path, command in commands(main) if path[0] not in ELSEWHERE and path not in OFFLINE
}


@dataclass
class World:
    """A region, profiles for everybody in it, and what the examples name."""

    region: Region
    home: Path
    made: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATAHUB_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATAHUB_CONFIG": str(self.home / "profiles.toml"),
            "DATAHUB_NO_KEYRING": "1",
            "HUB": self.region.server.url,
        }

    def run(self, line: str, profile: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.home,
            env=self.environment | {"DATAHUB_PROFILE": profile} | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def must_run(
        self, line: str, profile: str, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]
    ) -> None:
        """Run a line that must succeed; in this process where it asks nothing of the shell, which is faster."""
        if any(sign in line for sign in "|>;&"):
            done = self.run(line, profile, **variables)
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            return
        known = self.environment | {"DATAHUB_PROFILE": profile} | dict(variables)
        words = [Template(word).substitute(known) for word in shlex.split(line)]
        monkeypatch.chdir(self.home)
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("DATAHUB_")]:
                patch.delenv(name)
            result = CliRunner().invoke(main, words[1:], env=known)
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.exception!r}"

    def dataset(self, *moves: str) -> str:
        made = self.region.city.datasets.create(f"d{next(_NUMBER)}", title="Air", description="Air.")
        made.upload(self.home / "air.csv")
        for move in moves:
            made.move(move)
        return made.ref

    def offered(self) -> tuple[str, str]:
        ref = self.dataset("publish")
        offer = self.region.city.datasets[ref].offer("purpose", {"purposes": ["dpv:ResearchAndDevelopment"]})
        return ref, str(offer["id"])

    def request(self) -> str:
        ref, _ = self.offered()
        return self.region.university.datasets[ref].request_access(purpose="dpv:AcademicResearch").id

    def agreement(self, *moves: str) -> str:
        request = self.region.city.requests.get(self.request()).approve()
        agreement = self.region.city.agreements.get(str(request.agreement_id))
        for move in moves:
            agreement.move(move, reason="x")
        return agreement.id

    def duty(self, *moves: tuple[str, dict[str, Any]]) -> str:
        return a_duty(self.region, self.dataset("publish"), *moves)

    def right(self) -> str:
        dataset = self.region.city.datasets[self.dataset("publish")].id
        return a_right(self.region, str(dataset), f"p{next(_NUMBER)}")

    def participant(self, *moves: str) -> str:
        number = 90_100_000 + next(_NUMBER)
        body = {
            "name": "P",
            "slug": f"p{number}",
            "contactEmail": "p@p.example",
            "legalIdentifiers": {"kvk": str(number)},
        }
        made = str(self.region.admin.call("POST", "/v1/participants", body=body).json()["id"])
        for move in moves:
            self.region.admin.call(
                "POST", f"/v1/participants/{made}/transitions", body={"move": move, "reason": "x"}
            )
        return made

    def draft_offer(self, *moves: str) -> dict[str, str]:
        dataset = self.region.city.datasets[self.dataset("publish")]
        made = dataset.offer("open", title="Open", is_open=False)
        where = f"/v1/datasets/{dataset.id}/offers/{made['id']}/transitions"
        for move in moves:
            self.region.city.call("POST", where, body={"move": move})
        return {"OFFER": str(made["id"]), "city/air": dataset.ref}

    def review(self) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = list(self.region.admin.items("/v1/log-reviews", {"state": "open"}))
            if found:
                return str(found[0]["id"])
            time.sleep(0.5)
        raise AssertionError("the worker found nothing")

    def forward(self) -> str:
        body = {"url": "https://collector.example/log"}
        return str(self.region.admin.call("POST", "/v1/log-forwards", body=body).json()["id"])

    def client(self) -> str:
        body = {
            "name": "c",
            "participantId": self.participant("admit"),
            "roles": ["requester"],
            "securityProfile": "basic",
        }
        made = str(self.region.admin.call("POST", "/v1/clients", body=body).json()["id"])
        self.region.admin.call("POST", f"/v1/clients/{made}/secrets", body={})
        return made


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("commands")
    region = Region(home)
    world = World(region, home)
    (home / "air.csv").write_text(CSV)
    where = {"DATAHUB_CONFIG": str(home / "profiles.toml"), "DATAHUB_NO_KEYRING": "1"}
    for name, hub in (("admin", region.admin), ("city", region.city), ("university", region.university)):
        save(type(hub.profile)(**{**vars(hub.profile), "name": name}), where)
    save(type(region.city.profile)("anybody", region.server.url), where)
    air = region.city.datasets.publish(
        home / "air.csv",
        slug="air",
        title="Air quality",
        description="Fine particles.",
        policy="purpose",
        parameters={"purposes": ["dpv:ResearchAndDevelopment"]},
    )
    request = region.university.datasets["city/air"].request_access(purpose="dpv:AcademicResearch")
    region.city.requests.get(request.id).approve()
    entry = next(iter(region.city.log.entries(action="dataset.publish")))
    region.university.datasets["city/air"].to_arrow()
    read = next(iter(region.city.log.entries(action="data.read")))
    world.made |= {"AIR": air.id, "ENTRY": str(entry["id"]), "DECISION": str(read["decisionId"])}
    yield world
    region.close()


DONE = {"move": "fulfil", "evidence": {"text": "Reported."}}
# path → who calls, and what its example names; made anew, because many examples end what they name.
Given = Callable[[World], Mapping[str, str]]
GIVEN: Mapping[tuple[str, ...], tuple[str, Given]] = {
    ("participant", "admit"): ("admin", lambda w: {"PARTICIPANT": w.participant()}),
    ("participant", "decline"): ("admin", lambda w: {"PARTICIPANT": w.participant()}),
    ("participant", "reinstate"): ("admin", lambda w: {"PARTICIPANT": w.participant("admit", "suspend")}),
    ("participant",): ("admin", lambda w: {"PARTICIPANT": w.participant("admit")}),
    ("client", "enable"): ("admin", lambda w: {"CLIENT": _disabled(w)}),
    ("client", "rotate"): ("admin", lambda w: {"CLIENT": _saved(w, "night")}),
    ("client",): ("admin", lambda w: {"CLIENT": w.client(), "PARTICIPANT": w.participant("admit")}),
    ("profile", "remove"): ("admin", lambda w: {"CLIENT": _saved(w, "night")}),
    ("profile",): ("admin", lambda w: {"CLIENT": "c", "SECRET": "s"}),
    ("dataset", "release"): ("city", lambda w: {"DATASET": w.dataset()}),
    ("dataset", "restore"): ("city", lambda w: {"DATASET": w.dataset("publish", "deprecate")}),
    ("dataset",): ("city", lambda w: {"DATASET": w.dataset("publish")}),
    ("offer", "open"): ("city", lambda w: w.draft_offer()),
    ("offer", "close"): ("city", lambda w: w.draft_offer("open")),
    ("offer", "reopen"): ("city", lambda w: w.draft_offer("open", "close")),
    ("offer",): ("city", lambda w: w.draft_offer()),
    ("request", "create"): ("university", lambda w: {}),
    ("request", "withdraw"): ("university", lambda w: {"REQUEST": w.request()}),
    ("request", "accept"): ("university", lambda w: {"REQUEST": _returned(w)}),
    ("request",): ("city", lambda w: {"REQUEST": w.request()}),
    ("agreement", "resume"): ("city", lambda w: {"AGREEMENT": w.agreement("suspend")}),
    ("agreement",): ("city", lambda w: {"AGREEMENT": w.agreement()}),
    ("duty", "fulfil"): ("university", lambda w: {"DUTY": w.duty()}),
    ("duty", "people"): ("university", lambda w: {"DUTY": w.duty()}),
    ("duty", "retract"): ("university", lambda w: {"DUTY": w.duty(("university", DONE))}),
    ("duty", "return"): ("city", lambda w: {"DUTY": w.duty(("university", DONE))}),
    ("duty", "restore"): ("city", lambda w: {"DUTY": w.duty(("city", {"move": "waive", "reason": "so"}))}),
    ("duty", "decline"): ("city", lambda w: {"DUTY": w.right()}),
    ("duty",): ("city", lambda w: {"DUTY": w.duty()}),
    ("data",): ("university", lambda w: {}),
    **logged.GIVEN,
    (): ("city", lambda w: w.made),
    **consented.GIVEN,
}


def _disabled(world: World) -> str:
    made = world.client()
    world.region.admin.call("POST", f"/v1/clients/{made}/transitions", body={"move": "disable"})
    return made


def _saved(world: World, name: str) -> str:
    world.run(f"datahub profile remove {name} --yes", "admin")
    line = f"datahub client create --name night --role requester --participant $P --save-as {name} --json id"
    said = world.run(line, "admin", P=world.participant("admit"))
    assert said.returncode == 0, said.stderr
    return str(json.loads(said.stdout)["id"])


def _returned(world: World) -> str:
    made = world.request()
    world.region.city.requests.get(made).move("return", reason="Shorter.", validUntil="2027-01-01T00:00:00Z")
    return made


def example_lines(command: click.Command) -> list[str]:
    return [line.strip() for line in (command.epilog or "").splitlines() if "datahub " in line]


@pytest.mark.parametrize("path", REMOTE, ids=" ".join)
def test_every_command_has_help_and_an_example_that_runs(
    world: World, path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = REMOTE[path]
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    lines = example_lines(command)
    assert lines
    profile, given = next(GIVEN[path[:n]] for n in range(len(path), -1, -1) if path[:n] in GIVEN)
    variables = dict(given(world))
    if path[:2] == ("client", "create"):
        world.run("datahub profile remove night --yes", "admin")
    if path == ("profile", "add"):
        world.run("datahub profile remove city-two --yes", "admin")
        lines = [line.replace("--name city", "--name city-two") for line in lines]
    # Offers are opened on a dataset of their own, or everybody could read the one that the others use.
    where = variables.pop("city/air", "city/air")
    lines = [line.replace("city/air", where) for line in lines]
    for line in lines:
        assert f"datahub {' '.join(path)}" in line
        world.must_run(line, profile, monkeypatch, variables)
    if path == ("log", "witness"):
        logged.forget_witnesses(world)


def test_each_form_of_output_is_what_it_says(world: World) -> None:
    found = json.loads(world.run("datahub dataset show city/air -o json", "city").stdout)
    assert found["ref"] == "city/air"
    picked = world.run("datahub dataset list -q 'Air quality' --json ref,title.en", "anybody").stdout
    assert {"ref": "city/air", "title.en": "Air quality"} in json.loads(picked)
    lines = world.run("datahub dataset list -o jsonl --json ref", "anybody").stdout.splitlines()
    assert {"ref": "city/air"} in [json.loads(line) for line in lines]
    rows = world.run("datahub dataset list -o csv --json ref,state", "anybody").stdout.splitlines()
    assert rows[0] == "ref,state"
    assert "city/air,published" in rows
    table = world.run("datahub data head city/air", "university").stdout.splitlines()
    assert table == ["STATION  DAY         PM25", "Quay     2026-05-01  7.5", "Market   2026-05-01  11.0"]


def test_data_goes_to_standard_output_and_talk_does_not(world: World) -> None:
    done = world.run("datahub data get city/air", "university")
    assert done.stdout == '"station","day","pm25"\n"Quay",2026-05-01,7.5\n"Market",2026-05-01,11.0\n'
    assert done.stderr == ""


def test_a_dry_run_sends_nothing(world: World) -> None:
    before = len(list(world.region.city.datasets.search(publisher="city")))
    done = world.run("datahub dataset create --slug dry --title x --description x --dry-run", "city")
    assert done.returncode == 0
    assert json.loads(done.stdout)["path"] == "/v1/datasets"
    assert len(list(world.region.city.datasets.search(publisher="city"))) == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_references_and_ids_are_completed_from_the_exchange_and_kept(world: World, shell: str) -> None:
    agreement = next(iter(world.region.city.items("/v1/agreements")))["id"]
    for line, profile, wanted in (
        ("datahub data get city/ai", "anybody", "city/air"),
        (f"datahub agreement show {agreement[:9]}", "city", agreement),
    ):
        words = {
            "COMP_WORDS": line,
            "COMP_CWORD": line.split()[-1] if shell == "fish" else "3",
            "_DATAHUB_COMPLETE": f"{shell}_complete",
        }
        (world.home / "cache" / "known.json").unlink(missing_ok=True)
        done = world.run("datahub", profile, **words)
        # A busy machine may be slower than TAB waits; then it shows nothing, and never a fault.
        assert wanted in done.stdout or not done.stdout.strip()
        assert done.stderr == ""


def test_what_was_completed_is_kept_for_one_caller_and_shown_without_a_call(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAHUB_CONFIG", str(tmp_path / "profiles.toml"))
    monkeypatch.setattr(known, "TIMEOUT_S", 60)
    context = click.Context(main)
    context.params |= {"profile": None, "url": world.region.server.url}
    argument = click.Argument(["ref"], metavar="DATASET")
    assert "city/air" in [each.value for each in known.complete(context, argument, "city/a")]
    (kept,) = tmp_path.rglob("known.json")
    kept.write_text(kept.read_text().replace("city/air", "city/airship"))
    assert "city/airship" in [each.value for each in known.complete(context, argument, "city/a")]
    context.params["url"] = "http://127.0.0.1:9"
    assert known.complete(context, argument, "city/a") == []


def test_doctor_says_what_is_wrong_and_what_to_do(world: World) -> None:
    good = json.loads(world.run("datahub doctor -o json", "city").stdout)
    assert {each["check"]: each["result"] for each in good}["token"] == "ok"
    bad = world.run("DATAHUB_CLIENT_ID=x DATAHUB_CLIENT_SECRET=y datahub doctor", "city")
    assert bad.returncode == 1
    assert "✗ token" in bad.stdout
    assert "→" in bad.stdout

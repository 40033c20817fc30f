"""`datahub policy` on files: what it says, and the exit codes a pipeline goes by."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from datahub.cli import main
from datahub.cli.policy import policy as group

RESEARCH = {"template": "purpose", "parameters": {"purposes": ["dpv:ResearchAndDevelopment"]}}
ACADEMIC = {"template": "purpose", "parameters": {"purposes": ["dpv:AcademicResearch"]}}
EXAMPLES = [
    {"title": "A university", "purpose": "dpv:AcademicResearch", "expect": "allow"},
    {"title": "Selling", "purpose": "dpv:Marketing", "expect": "deny"},
]
TWICE = {"@type": "Offer", "@id": "urn:x", "permission": [{"action": "use"}, {"action": "read"}]}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name, document in {
        "research.json": RESEARCH,
        "offer.json": {"title": {"en": "x"}, **RESEARCH, "examples": EXAMPLES},
        "agreed.json": RESEARCH,
        "proposed.json": ACADEMIC,
        "attempt.json": {"purpose": "dpv:AcademicResearch", "when": "2026-06-01T00:00:00Z"},
        "unknown.json": {"policy": {"@type": "Offer", "permission": [{"action": "fly"}]}, "examples": [{}]},
        "twice.json": TWICE,
        "candidates.json": [{"who": "did:web:a.example", "purpose": "dpv:AcademicResearch"}, {}],
    }.items():
        (tmp_path / name).write_text(json.dumps(document))
    (tmp_path / "broken.json").write_text("{")

    def call(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(main, ["policy", *words], input=stdin)

    return call


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("lint research.json offer.json", 0),
        ("lint research.json unknown.json", 1),
        ("lint broken.json", 1),
        ("lint twice.json", 0),
        ("lint twice.json --strict", 1),
        ("lint", 2),
        ("lint nowhere.json", 2),
        ("render research.json", 0),
        ("render unknown.json", 1),
        ("simulate research.json --purpose dpv:AcademicResearch", 0),
        ("simulate research.json --purpose dpv:Marketing", 4),
        ("simulate research.json", 4),
        ("simulate research.json --purpose dpv:WorldPeace", 2),
        ("simulate research.json --row {", 2),
        ("simulate research.json --attempt candidates.json", 2),
        ("explain research.json --purpose dpv:Marketing", 0),
        ("who-can research.json", 0),
        ("who-can research.json --purpose dpv:Marketing", 4),
        ("who-can research.json --candidates candidates.json", 0),
        ("who-can research.json --candidates research.json", 2),
        ("who-can research.json --candidates broken.json", 2),
        ("test offer.json", 0),
        ("test proposed.json --examples candidates.json", 1),
        ("test research.json", 2),
        ("diff agreed.json agreed.json", 0),
        ("diff agreed.json proposed.json", 0),
        ("diff proposed.json agreed.json", 1),
        ("templates", 0),
        ("templates magic", 1),
        ("templates purpose", 0),
        ("templates open", 0),
        ("templates purpose --fill {}", 1),
        ("templates purpose --fill []", 2),
        ("templates purpose --fill {", 2),
    ],
)
def test_the_exit_code_says_how_it_went(run: Any, words: str, code: int) -> None:
    answer = run(*words.split())
    assert answer.exit_code == code, answer.output
    as_json = run(*words.split(), "-o", "json") if not words.startswith("render") else answer
    assert as_json.exit_code == code
    if code in (0, 4) and not words.startswith("render"):
        json.loads(as_json.stdout)


def test_faults_name_the_place_and_the_remedy(run: Any) -> None:
    answer = run("lint", "unknown.json", "-o", "json")
    (found,) = json.loads(answer.stdout)
    assert [(each["pointer"], each["code"]) for each in found["faults"]] == [
        ("/permission/0/action", "unknown-action"),
        ("/examples/0/expect", "unknown-choice"),
    ]
    assert "/permission/0/action" in run("lint", "unknown.json").stdout


def test_nothing_is_dropped_of_terms_that_name_something_twice(run: Any, tmp_path: Path) -> None:
    twice = tmp_path / "twice.json"
    twice.write_text('{"policy": {"@type": "Offer", "permission": [{"action": "use"}], "permission": []}}')
    found = run("lint", str(twice))
    assert (found.exit_code, "duplicate-key" in found.output) == (1, True)


def test_a_rule_without_effect_is_a_warning(run: Any) -> None:
    (found,) = json.loads(run("lint", "twice.json", "-o", "json").stdout)
    assert found["faults"] == []
    assert [(each["pointer"], each["code"]) for each in found["warnings"]] == [("/permission/1", "shadowed")]


def test_a_policy_comes_by_standard_input(run: Any) -> None:
    filled = run("templates", "purpose", "--fill", json.dumps(RESEARCH["parameters"]))
    said = run("render", "-", "--lang", "nl", stdin=filled.stdout)
    assert "alleen als" in said.stdout


def test_a_denial_is_explained_with_the_nearest_change(run: Any) -> None:
    said = json.loads(run("simulate", "research.json", "--purpose", "dpv:Marketing", "-o", "json").stdout)
    assert (said["isPermitted"], said["code"]) == (False, "purpose-not-met")
    assert said["wouldPermit"] == [
        {
            "code": "purpose-not-met",
            "rule": "/permission/0",
            "change": "change-purpose",
            "sentence": "Ask for a purpose that fits: the purpose is, or falls under, "
            "“Research and Development” (dpv:ResearchAndDevelopment).",
        }
    ]
    assert "Toegestaan" not in said["explanation"]
    shown = run("explain", "research.json", "--purpose", "dpv:Marketing").stdout
    assert "/permission/0  no" in shown
    assert "change-purpose" in shown


def test_only_sub_purposes_of_what_is_permitted_can(run: Any) -> None:
    can = json.loads(run("who-can", "research.json", "-o", "json").stdout)
    assert {"dpv:AcademicResearch", "dpv:ResearchAndDevelopment"} <= {each["purpose"] for each in can}
    assert all(each["can"] for each in can)
    tried = json.loads(run("who-can", "research.json", "--all", "-o", "json").stdout)
    assert len(tried) > len(can)


def test_a_broken_example_is_named_with_the_reason(run: Any) -> None:
    Path("offer.json").write_text(
        json.dumps(
            {
                **ACADEMIC,
                "examples": [{"purpose": "dpv:ResearchAndDevelopment", "expect": "allow", "title": "Firms"}],
            }
        )
    )
    answer = run("test", "offer.json")
    assert answer.exit_code == 1
    assert re.search(r"BROKEN +allow +Firms +Not permitted", answer.stdout)


def test_a_wider_policy_is_shown_with_an_attempt(run: Any) -> None:
    said = json.loads(run("diff", "proposed.json", "agreed.json", "-o", "json").stdout)
    assert said["verdict"] == "wider"
    assert "purpose" in said["onlyNewPermits"]
    assert (
        json.loads(run("diff", "agreed.json", "proposed.json", "-o", "json").stdout)["verdict"] == "narrower"
    )


def _examples() -> list[str]:
    context = click.Context(group)
    commands = [group, *(group.get_command(context, name) for name in group.list_commands(context))]
    lines = [line.strip() for each in commands if each for line in (each.epilog or "").splitlines()]
    return [line for line in lines if line.startswith("datahub policy")]


@pytest.mark.parametrize("line", _examples())
def test_the_examples_in_the_help_run(run: Any, line: str) -> None:
    command, _, target = line.removeprefix("datahub policy ").partition(" > ")
    answer = run(*shlex.split(command))
    assert answer.exit_code in (0, 4), answer.output
    assert target in ("", "research.json")


def test_without_the_solver_no_gate_is_open_that_nobody_looked_at(run: Any) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[str]:
        program = "import sys; sys.modules['z3'] = None; from datahub.cli import main; main()"
        command = [sys.executable, "-c", program, "policy", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    linted = call("lint", "research.json")
    assert (linted.returncode, "analysis" in linted.stderr) == (0, True)
    assert call("lint", "research.json", "--strict").returncode == 2
    compared = call("diff", "agreed.json", "proposed.json")
    assert (compared.returncode, "not proved" in compared.stdout) == (1, True)
    assert call("diff", "agreed.json", "agreed.json").returncode == 0


def test_the_commands_load_no_server() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from datahub.cli import main;"
        "CliRunner().invoke(main, ['policy', 'templates']);"
        "heavy = {'fastapi', 'sqlmodel', 'sqlalchemy', 'pydantic', 'pyarrow', 'duckdb', 'z3', 'sqlglot', 'rdflib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TURTLE = """
@prefix odrl: <http://www.w3.org/ns/odrl/2/> .
@prefix dpv: <https://w3id.org/dpv#> .
<urn:example:research> a odrl:Offer ; odrl:permission [
    odrl:action odrl:use ;
    odrl:constraint [ odrl:leftOperand odrl:purpose ; odrl:operator odrl:isA ; odrl:rightOperand dpv:%s ] ] .
"""


def test_every_command_reads_turtle_as_it_reads_json(run: Any, tmp_path: Path) -> None:
    turtle, wider = tmp_path / "research.ttl", tmp_path / "wider.ttl"
    turtle.write_text(TURTLE % "AcademicResearch")
    wider.write_text(TURTLE % "ResearchAndDevelopment")
    assert run("lint", str(turtle)).exit_code == 0
    assert "“Academic Research”" in run("render", str(turtle)).stdout
    assert run("simulate", str(turtle), "--purpose", "dpv:Marketing").exit_code == 4
    assert "change-purpose" in run("explain", str(turtle), "--purpose", "dpv:Marketing").stdout
    assert "dpv:AcademicResearch" in run("who-can", str(turtle)).stdout
    assert run("diff", str(wider), str(turtle)).exit_code == 0
    assert run("diff", str(turtle), str(wider)).exit_code == 1
    broken = tmp_path / "broken.ttl"
    broken.write_text((TURTLE % "Reserch")[:-6])
    refused = run("lint", str(broken))
    assert refused.exit_code == 1
    assert "broken.ttl" in refused.stdout + refused.stderr

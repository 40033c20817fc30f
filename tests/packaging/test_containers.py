"""The container files, judged without a container engine: by the compose specification's own schema and by ours."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from datahub.cli import main
from datahub.kernel.settings import Settings

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(
    files("check_jsonschema.builtin_schemas.vendor").joinpath("compose-spec.json").read_bytes()
)


@pytest.fixture
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


@pytest.fixture
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_the_compose_file_follows_the_specification(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)


def test_the_specification_would_notice_a_slip(compose: dict[str, Any]) -> None:
    compose["services"]["hub"]["port"] = ["8000"]
    with pytest.raises(jsonschema.ValidationError, match="'port' was unexpected"):
        jsonschema.validate(compose, SCHEMA)


def test_it_runs_the_hub_a_worker_postgresql_and_a_store(compose: dict[str, Any]) -> None:
    assert {"hub", "worker", "database", "store"} <= set(compose["services"])


def test_every_service_waits_for_services_that_exist(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {name for each in services.values() for name in each.get("depends_on", ())} <= set(services)


def test_no_secret_has_a_value_of_its_own() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY|SECRET|TOKEN)\w*)([^}]*)\}", text)
    assert secrets, "the file names its secrets"
    assert [name for name, rest in secrets if not rest.startswith(":?")] == []
    plain = re.findall(r"^\s*\w*(?:PASSWORD|SECRET|MASTER_KEY|TOKEN)\w*:\s*(?!\$\{)\S+", text, re.MULTILINE)
    assert plain == []


def test_only_the_hub_is_reached_from_outside_and_only_on_this_machine(compose: dict[str, Any]) -> None:
    ports = {name: each["ports"] for name, each in compose["services"].items() if "ports" in each}
    assert set(ports) == {"hub"}
    assert all(port.startswith("127.0.0.1:") for port in ports["hub"])


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    images = [each["image"] for each in compose["services"].values()]
    assert [image for image in images if ":" not in image or image.endswith(":latest")] == []


def test_every_setting_is_one_the_exchange_knows(compose: dict[str, Any], dockerfile: str) -> None:
    named = {name for each in compose["services"].values() for name in each.get("environment", ())}
    named |= set(re.findall(r"DATAHUB_\w+(?==)", dockerfile))
    known = {f"DATAHUB_{field.upper()}" for field in Settings.model_fields}
    assert {name for name in named if name.startswith("DATAHUB_")} <= known


def test_every_command_is_one_the_exchange_knows(compose: dict[str, Any], dockerfile: str) -> None:
    commands = [each["command"] for each in compose["services"].values() if each["image"] == "datahub:local"]
    commands.append(json.loads(dockerfile.rpartition("\nCMD ")[2]))
    group = click.Context(main)
    for name, *arguments in commands:
        command = main.get_command(group, name)
        assert command is not None, name
        command.make_context(name, arguments)  # raises for an option it does not know


def test_the_image_runs_as_nobody_in_particular(dockerfile: str) -> None:
    last_stage = dockerfile.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+)", last_stage, re.MULTILINE)
    assert user is not None
    assert user[1] != "0"


def test_the_image_says_when_it_is_ready(dockerfile: str) -> None:
    assert re.search(r"^HEALTHCHECK .*?/health/ready", dockerfile, re.MULTILINE | re.DOTALL)


def test_the_image_takes_in_only_what_it_is_made_of(dockerfile: str) -> None:
    first, *let_in = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith(("#", "**"))
    ]
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
        for name in line.split()
    }
    assert first == "*"
    assert {line.removeprefix("!") for line in let_in} == copied
    assert all((ROOT / name).exists() for name in copied)

"""`datahub consent` beyond its examples: keys stay off the command line, files tell their faults, a no is one command."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from datahub.cli import main
from datahub.client.profiles import save
from tests.cli.consented import RULE, People
from tests.client.region import Region


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    home = tmp_path_factory.mktemp("consent")
    region = Region(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAHUB_NO_KEYRING", "1")
        where = {"DATAHUB_CONFIG": str(home / "profiles.toml")}
        save(type(region.city.profile)(**{**vars(region.city.profile), "name": "city"}), where)
    yield People(region, home)
    region.close()


def run(people: People, *words: str, said: str | None = None, **variables: str) -> Result:
    known = {
        "DATAHUB_CONFIG": str(people.home / "profiles.toml"),
        "DATAHUB_NO_KEYRING": "1",
        "DATAHUB_PROFILE": "city",
        **variables,
    }
    return CliRunner().invoke(main, ["consent", *words], input=said, env=known)


def test_a_persons_key_may_come_from_standard_input(people: People) -> None:
    done = run(people, "find", "city/people", "--person", "@-", "-o", "json", said="nobody-yet\n")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == []
    gone = run(people, "find", "city/people", "--person", "@no-such-file")
    assert gone.exit_code == 2
    assert "no-such-file" in gone.stderr


def test_a_file_is_sent_followed_and_its_faults_are_told(people: People) -> None:
    file = people.home / "some.ndjson"
    good = {"subject": "cat", "purpose": "dpv:AcademicResearch", "move": "give", "at": "2026-01-01T00:00:00Z"}
    wrong = {**good, "subject": "dan", "purpose": "dpv:Marketing"}
    late = {**good, "validUntil": "2099-01-01T00:00:00Z"}
    file.write_text("".join(f"{json.dumps(each)}\n" for each in (wrong, late)))
    done = run(people, "import", "city/people", str(file), "--channel", "email", "-o", "json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["state"], told["lines"], told["faulty"], told["channel"]) == ("done", 2, 2, "email")
    assert "line 1 /purpose" in done.stderr
    assert "line 2 /validUntil" in done.stderr
    assert "dan" not in done.output, "what a line said names a person"
    found = run(people, "faults", "city/people", told["id"], "-o", "csv").stdout.splitlines()
    assert found[0] == "line,pointer,code,detail"
    assert len(found) == 3


def test_a_check_of_a_file_changes_no_consent(people: People) -> None:
    def count() -> int:
        return len(json.loads(run(people, "list", "city/people", "-o", "json").stdout))

    before = count()
    file = str(people.home / "consents.csv")
    done = run(people, "import", "city/people", file, "--channel", "paper", "--check", "-o", "json")
    assert done.exit_code == 0, done.output
    assert (json.loads(done.stdout)["applied"], json.loads(done.stdout)["isDry"]) == (2, True)
    assert count() == before
    assert run(people, "import", "city/people", file, "--channel", "paper").exit_code == 0
    assert count() == before + 2
    again = run(people, "import", "city/people", file, "--channel", "paper", "-o", "json")
    assert json.loads(again.stdout)["unchanged"] == 2


def test_a_file_whose_name_says_nothing_is_not_guessed_at(people: People, tmp_path: Path) -> None:
    odd = tmp_path / "consents.xlsx"
    odd.write_bytes(b"x")
    done = run(people, "import", "city/people", str(odd), "--channel", "paper")
    assert done.exit_code == 2
    assert ".ndjson" in done.stderr


def test_a_rule_tells_what_must_be_asked_anew(people: People) -> None:
    rule: dict[str, Any] = dict(RULE)
    purposes = [*rule["purposes"], {**rule["purposes"][0], "purpose": "dpv:Marketing"}]
    wider = {**rule, "purposes": purposes}
    done = run(
        people, "rule", "set", "city/people", "--rule", json.dumps(wider), "--validate-only", "-o", "json"
    )
    assert done.exit_code == 0, done.output
    assert "Marketing, for class:participants, about all columns" in done.stderr
    assert "Kept nothing" in done.stderr
    stale = run(people, "rule", "set", "city/people", "--rule", json.dumps(RULE), "--based-on", "0")
    assert stale.exit_code == 6


def test_the_person_decides_alone_and_the_publisher_sees_how_it_came(people: People) -> None:
    person = People(people.region, people.home)
    known = {"DATAHUB_URL": person.region.server.url}
    opened = run(people, "my", "open", "--link", person.link())
    assert opened.exit_code == 0, opened.output
    known["DATAHUB_SESSION"] = opened.stdout.strip()
    about = ("--dataset", person.dataset_id, "--purpose", "dpv:AcademicResearch")
    assert run(people, "my", "give", *about, **known).exit_code == 0
    [topic] = json.loads(run(people, "my", "list", "-o", "json", **known).stdout)
    assert topic["consent"]["state"] == "given"
    assert topic["isInForce"]
    assert run(people, "my", "withdraw", *about, **known).exit_code == 0
    consent = topic["consent"]["id"]
    events = json.loads(run(people, "show", consent, "--events", "-o", "json").stdout)
    assert [(each["move"], each["collector"], each["channel"]) for each in events] == [
        ("give", "person", "exchange-link"),
        ("withdraw", "person", "exchange-link"),
    ]
    signed = run(people, "my", "receipt", consent, "--as", "signed", **known).stdout
    assert signed.count(".") == 2
    over = run(people, "my", "list", **{**known, "DATAHUB_SESSION": "dhs_none"})
    assert over.exit_code == 3


def test_a_guardian_is_named_whole(people: People) -> None:
    done = run(people, "link", "city/people", "--person", "kid", "--guardian", "parent")
    assert done.exit_code == 2
    assert "go together" in done.stderr

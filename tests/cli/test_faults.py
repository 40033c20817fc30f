"""What goes wrong on the command line: a sentence, what to do, and an exit code that says its kind; never a traceback."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import pytest
from click.testing import CliRunner, Result

import datahub.client.errors as tree
from datahub.cli import main, progress
from datahub.cli.remote import EXIT_OF, talking
from datahub.client import Hub, Profile
from datahub.client.profiles import save
from tests.client.region import Region

CSV = "station,day,pm25\nQuay,2026-05-01,7.5\nMarket,2026-05-01,11.0\n"
TERMS = {"purposes": ["dpv:ResearchAndDevelopment"]}
NOWHERE = "http://127.0.0.1:9"


@dataclass
class World:
    """A region, profiles for everybody in it, and what the lines name."""

    region: Region
    home: Path
    named: dict[str, str] = field(default_factory=dict)

    def said(self, line: str, profile: str) -> Result:
        """Run a line in this process; `NAME=value` before the command is its environment."""
        known = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DATAHUB_")},
            **self.environment(profile),
        }
        words = shlex.split(Template(line).substitute(self.named))
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            known[name] = value
        gone = {name: None for name in os.environ if name not in known}
        return CliRunner().invoke(main, words[1:], env={**gone, **known})

    def environment(self, profile: str) -> dict[str, str]:
        return {
            "DATAHUB_CONFIG": str(self.home / "profiles.toml"),
            "DATAHUB_NO_KEYRING": "1",
            "DATAHUB_PROFILE": profile,
        }

    def dataset(self, slug: str, hub: Hub | None = None) -> str:
        made = self.region.city.datasets.publish(
            self.home / "air.csv",
            slug=slug,
            title="Air",
            description="Air.",
            policy="purpose",
            parameters=TERMS,
        )
        return made.ref

    def agreement(self, ref: str) -> str:
        request = self.region.university.datasets[ref].request_access(purpose="dpv:AcademicResearch")
        return str(self.region.city.requests.get(request.id).approve().agreement_id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("faults")
    region = Region(home)
    made = World(region, home)
    (home / "air.csv").write_text(CSV)
    (home / "odd.csv").write_text('a,b\n1\n2,3,4\n"x')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAHUB_NO_KEYRING", "1")
        where = {"DATAHUB_CONFIG": str(home / "profiles.toml")}
        for name, hub in (("admin", region.admin), ("city", region.city), ("university", region.university)):
            save(Profile(**{**vars(hub.profile), "name": name}), where)
        save(Profile("anybody", region.server.url), where)
    made.named = {
        "HOME": str(home),
        "AIR": made.dataset("air"),
        "OTHER": made.dataset("other"),
        "OVER": made.dataset("over"),
    }
    made.named["AGREEMENT"] = made.agreement(made.named["AIR"])
    region.city.agreements.get(made.agreement(made.named["OVER"])).move("revoke", reason="Over.")
    yield made
    region.close()


FAULTS: Mapping[str, tuple[str, str, int, str]] = {
    "no such dataset": ("datahub dataset show city/nothing", "city", 5, "no dataset city/nothing"),
    "no reference": ("datahub dataset show air", "city", 5, "organisation/dataset"),
    "no credential": ("datahub data get $AIR", "anybody", 3, "Token required"),
    "no role": ("datahub dataset create --slug x --title x --description x", "university", 3, "Request id"),
    "no agreement": ("datahub data get $OTHER", "university", 4, "Code: agreement-required"),
    "its decision": ("datahub data get $OTHER", "university", 4, "datahub log decision"),
    "agreement over": ("datahub data get $OVER", "university", 4, "Code: agreement-revoked"),
    "other purpose": (
        "datahub data get $AIR --purpose dpv:Marketing",
        "university",
        4,
        "Code: purpose-not-agreed",
    ),
    "what would permit": (
        "datahub request create $AIR --purpose dpv:Marketing --yes",
        "university",
        4,
        "Would permit",
    ),
    "no such purpose": ("datahub request create $AIR --purpose dpv:Nope --yes", "university", 1, "/purpose"),
    "explained": ("datahub data explain $AIR --purpose dpv:Marketing", "university", 4, ""),
    "no such file": (
        "datahub dataset publish none.csv --slug x --title x --policy open",
        "city",
        2,
        "none.csv",
    ),
    "odd file": (
        "datahub dataset publish $HOME/odd.csv --slug odd --title x --policy open",
        "city",
        1,
        "  line 2 has fewer",
    ),
    "odd slug": (
        "datahub dataset publish $HOME/air.csv --slug 'A b' --title x --policy open",
        "city",
        2,
        "lower-case",
    ),
    "no parameter": (
        "datahub dataset publish $HOME/air.csv --slug y --title x --policy purpose",
        "city",
        1,
        "datahub policy templates",
    ),
    "no template": (
        "datahub offer create $AIR --title x --template nope",
        "city",
        1,
        "datahub policy templates",
    ),
    "no JSON": ("datahub offer create $AIR --title x --template open --parameters {", "city", 2, "not JSON"),
    "no profile": ("datahub dataset show $AIR -p nobody", "city", 2, "no profile “nobody”"),
    "no server": (f"datahub dataset list --url {NOWHERE}", "anybody", 8, "does not answer"),
    "no address": ("datahub dataset list --url hub.example", "anybody", 2, "is no address"),
    "no key": ("DATAHUB_CLIENT_ID=c DATAHUB_PRIVATE_KEY=x datahub dataset list", "city", 2, "private key"),
    "no key file": (
        "DATAHUB_CLIENT_ID=c DATAHUB_PRIVATE_KEY_FILE=/none datahub dataset list",
        "city",
        2,
        "/none",
    ),
    "wrong secret": (
        "DATAHUB_CLIENT_ID=x DATAHUB_CLIENT_SECRET=y datahub request list",
        "city",
        3,
        "Invalid client",
    ),
    "wrong token": ("DATAHUB_TOKEN=x datahub request list", "city", 3, ""),
    "no confirmation": ("datahub agreement revoke $AGREEMENT", "city", 2, "--yes"),
    "taken": (
        "datahub dataset create --slug air --title x --description x",
        "city",
        6,
        "already has a dataset",
    ),
    "not now": ("datahub dataset release $AIR", "city", 6, "Move not possible"),
    "no column": ("datahub data get $AIR --columns nope", "university", 1, "no column 'nope'"),
    "no operator": ("datahub data get $AIR --filter pm25:big:8", "university", 1, "isNull"),
    "no folder": ("datahub data get $AIR --to /none/x.csv", "university", 2, "no folder /none"),
    "a folder": ("datahub data get $AIR --to $HOME", "university", 2, "name a file"),
    "no format": ("datahub data get $AIR --to $HOME/air.xlsx", "university", 2, "--format"),
    "no path": ("datahub api GET v1/datasets", "city", 2, "begins with /"),
    "no method": ("datahub api FETCH /v1/datasets", "city", 2, "FETCH"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_sentence_and_an_exit_code(world: World, name: str) -> None:
    line, profile, code, says = FAULTS[name]
    result = world.said(line, profile)
    assert result.exit_code == code, f"{result.stderr}\n{result.exception!r}"
    assert says in result.stderr
    assert isinstance(result.exception, SystemExit)


def test_terms_that_cannot_be_are_told_before_a_long_upload(world: World) -> None:
    world.said("datahub dataset publish $HOME/air.csv --slug late --title x --policy nope", "city")
    assert world.region.city.datasets["city/late"].versions() == []


def test_the_exit_codes_are_those_of_the_tree_of_errors() -> None:
    assert all(hasattr(tree, name) for name in EXIT_OF)


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (OSError(28, "No space left on device", "air.csv"), 1, "air.csv: No space left on device"),
        (PermissionError(13, "Permission denied", "air.csv"), 1, "air.csv: Permission denied"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (KeyboardInterrupt(progress.GOES_ON), 130, "the same command goes on from there"),
    ],
    ids=range(4),
)
def test_a_full_disk_and_a_hand_on_ctrl_c_are_told_as_such(
    fault: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, talking():
        raise fault
    assert ended.value.code == code
    assert says in capsys.readouterr().err


def test_whoever_stops_listening_hears_nothing_more(world: World) -> None:
    """A pipe that closes early (`| head -1`) is no fault to report."""
    done = subprocess.run(
        ["bash", "-c", "datahub data get city/air | head -1; echo ${PIPESTATUS[0]}"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **world.environment("university"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == '"station","day","pm25"'

"""Who may call what: persona × operation × own or foreign thing, from the table in `matrix.toml`.

OWASP API1:2023 (object level) and API5:2023 (function level). Every operation has a row; every cell is called, and a
call that is refused, or only reads, must leave everything but the log as it was.
"""

import re
import sqlite3
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.routing import compile_path

from datahub.app import build
from datahub.audit.rows import unpack
from datahub.audit.unrolling import unroll
from datahub.kernel import db
from datahub.kernel.ids import new_id
from tests.build import some_settings
from tests.conformance.world import PERSONAS, World, a_world
from tests.conftest import copy_database

TABLE = tomllib.loads((Path(__file__).parent / "matrix.toml").read_text())
# What a read or a refused call may leave behind.
# What a read leaves behind on purpose: its line, and which people it could have given.
LOG = {"log_entry", "log_pending", "decision", "live_calls", "consent_reserved_people"}
# What each persona must never be told of, whatever it calls.
PRIVATE = {
    "upload",
    "consent",
    "consentImport",
    "draft",
    "draftOffer",
    "hiddenOffer",
    "person",
    "webhook",
    "client",
    "secret",
}
BETWEEN_TWO = {"openRequest", "finishedRequest", "agreement", "decision", "entry", "query"}
UNSEEN = {
    "anonymous": PRIVATE | BETWEEN_TWO | {"applicant", "suspended", "consumerClient"},
    "outsider": PRIVATE | BETWEEN_TWO | {"applicant", "suspended", "consumerClient"},
    "suspended": PRIVATE | BETWEEN_TWO | {"applicant", "consumerClient"},
    "consumer": PRIVATE | {"applicant", "suspended"},
    "provider": {"applicant", "suspended", "consumerClient"},
    "clerk": {"applicant", "suspended", "consumerClient"},
    "exchange": set(),
}


@dataclass(frozen=True)
class Row:
    """One call, and what each persona gets for it."""

    call: str
    expect: dict[str, int]
    json: Any = None
    form: Any = None
    csv: str | None = None
    match: bool = False
    hidden: str | None = None
    client: bool = False
    agreed: bool = False
    accept: str | None = None
    headers: dict[str, str] | None = None

    @property
    def method(self) -> str:
        return self.call.split()[0]

    @property
    def path(self) -> str:
        return self.call.split()[1]

    def __str__(self) -> str:
        move = self.json.get("move") if isinstance(self.json, dict) else None
        return f"{self.call} {move}" if move else self.call

    def ask(self, world: World, persona: str, path: str) -> httpx2.Response:
        """Make the call."""
        more: dict[str, Any] = {"headers": {"If-Match": "*"} if self.match else {}}
        if self.path.startswith("/v1/uploads"):
            more["headers"]["Tus-Resumable"] = "1.0.0"
        more["headers"] |= self.headers or {}
        if self.accept is not None:
            more["headers"]["Accept"] = self.accept
        if self.json is not None:
            more["json"] = world.fill(self.json)
        if self.form is not None:
            more["data"] = world.fill(self.form)
        if self.csv is not None:
            more["content"] = self.csv.encode()
            more["headers"]["Content-Type"] = "text/csv"
        if not self.client:
            name = "agreed" if self.agreed and persona == "consumer" else persona
            return world.call(name, self.method, path, **more)
        party = world.parties.get(persona)
        auth = httpx2.BasicAuth(party.client_id, party.secret) if party else httpx2.USE_CLIENT_DEFAULT
        return world.hub.http.request(self.method, path, auth=auth, **more)


def _rows() -> list[Row]:
    rows = []
    for given in TABLE["row"]:
        statuses = [int(status) for status in given["expect"].split()]
        expect = dict(zip(TABLE["personas"], statuses, strict=True))
        rows.append(Row(**{**given, "expect": expect}))
    return rows


ROWS = _rows()
CELLS = [pytest.param(row, persona, id=f"{persona} {row}") for row in ROWS for persona in PERSONAS]


class Stand:
    """The world on SQLite, put back as it was after each call that changed it."""

    def __init__(self, world: World, file: Path) -> None:
        self.world = world
        with db.transaction(world.hub.engine) as session:
            unroll(session)  # the tokens made so far: whoever reads the log would do so
        self._files = [sqlite3.connect(f"{file}{suffix}") for suffix in ("", db.SPOOL_SUFFIX)]
        self._kept = [sqlite3.connect(":memory:") for _ in self._files]
        for live, kept in zip(self._files, self._kept, strict=True):
            live.execute("pragma synchronous=off")
            live.backup(kept)
        self.state = self.contents()

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return every row of every table but the log's."""
        return {
            name: file.execute(f"select * from {name}").fetchall()
            for file in self._files
            for (name,) in file.execute("select name from sqlite_master where type = 'table'").fetchall()
            if name not in LOG
        }

    def entries(self) -> set[str]:
        """Return the ids of all entries of the log, those that are only spooled too."""
        database, spool = self._files
        ids = {
            line[1] for (lines,) in spool.execute("select lines from log_spool") for line in unpack(lines)[0]
        }
        return ids | {each for (each,) in database.execute("select id from log_entry")}

    def restore(self) -> None:
        """Put the database back."""
        for live, kept in zip(self._files, self._kept, strict=True):
            kept.backup(live)

    def close(self) -> None:
        """Let go of the database."""
        for each in (*self._files, *self._kept):
            each.close()


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Stand]:
    home = tmp_path_factory.mktemp("matrix")
    file = home / "datahub.sqlite3"
    copy_database(sqlite_template, file)
    with a_world(home, f"sqlite:///{file}") as world:
        stand = Stand(world, file)
        yield stand
        stand.close()


@pytest.fixture
def postgres_world(tmp_path: Path, migrated_postgres_url: str) -> Iterator[World]:
    with a_world(tmp_path, migrated_postgres_url) as world:
        yield world


def _operations(tmp_path: Path) -> set[tuple[str, str]]:
    paths = build(some_settings(tmp_path)).state.openapi.full["paths"]
    return {
        (method.upper(), path)
        for path, item in paths.items()
        for method, each in item.items()
        if isinstance(each, dict)
    }


def test_every_operation_has_a_row_and_every_row_an_operation(tmp_path: Path) -> None:
    left = operations = _operations(tmp_path)
    for row in ROWS:
        bare = row.path.partition("?")[0].replace("{", "").replace("}", "")
        found = {(m, p) for m, p in operations if m == row.method and compile_path(p)[0].match(bare)}
        assert found, f"{row.call}: no such operation"
        left = left - found
    assert not left, "operations without a row in matrix.toml"


def test_the_table_knows_the_personas_of_the_world() -> None:
    assert tuple(TABLE["personas"]) == PERSONAS
    assert set(UNSEEN) == set(PERSONAS)


@pytest.mark.parametrize(("row", "persona"), CELLS)
def test_each_persona_gets_what_the_table_says(stand: Stand, row: Row, persona: str) -> None:
    world, before = stand.world, stand.entries()
    answer = row.ask(world, persona, world.fill(row.path))
    left = stand.entries() - before
    is_refused = answer.status_code >= 400
    try:
        assert answer.status_code == row.expect[persona], answer.text
        told = [name for name in UNSEEN[persona] if world.ids[name] in answer.text]
        assert not told, "names what this persona must not know of"
        if is_refused or row.method == "GET":
            assert stand.contents() == stand.state, "a read or a refusal left something behind"
        if answer.status_code == 404:
            _looks_like_nothing(world, row, persona, answer)
        # OAuth answers in its own form, often to nobody who is known; what hides a thing does not tell by a name.
        if not row.path.startswith("/oauth/") and answer.status_code != 404:
            named = answer.headers.get("datahub-log-entry")
            assert (named in left) if left else named is None, "does not name the entry that it left"
    finally:
        stand.restore()  # the log too: it tells who calls what addresses they tried


def test_on_postgresql_reads_and_refusals_are_the_same(postgres_world: World) -> None:
    """What changes nothing, in one go: there is no putting back here, so the log is read before it fills."""
    world = postgres_world
    wrong = []
    for row in sorted(ROWS, key=lambda row: not row.path.startswith("/v1/log")):
        for persona, status in row.expect.items():
            if row.method == "GET" or status >= 400:
                answer = row.ask(world, persona, world.fill(row.path))
                told = [name for name in UNSEEN[persona] if world.ids[name] in answer.text]
                if answer.status_code != status or told:
                    wrong.append((persona, str(row), answer.status_code, status, told))
                elif status == 404:
                    _looks_like_nothing(world, row, persona, answer)
    assert wrong == []


def _looks_like_nothing(world: World, row: Row, persona: str, hidden: httpx2.Response) -> None:
    """The answer for what may not be seen is the answer for what is not there, but for the id of the request."""
    names = re.findall(r"\{(\w+)\}", row.path)
    name = row.hidden or (names[-1] if names else "")
    path = row.path.replace(f"{{{name}}}", new_id()) if names else row.path
    missing = row.ask(world, persona, world.fill(path))
    assert missing.status_code == 404
    assert _said(missing) == _said(hidden)
    assert missing.headers.keys() == hidden.headers.keys()


def _said(answer: httpx2.Response) -> dict[str, Any]:
    said = answer.json() if answer.content else {}  # HEAD has none
    return {name: value for name, value in said.items() if name != "requestId"}

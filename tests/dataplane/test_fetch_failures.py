"""When something breaks: without a line in the log not a byte leaves, and every permit ends in an outcome."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from datahub.dataplane.routes import delivery
from datahub.kernel.rest import Envelope
from tests.dataplane.conftest import World

MANY = b"name,country,value\n" + b"".join(f"row {i},NL,{i}\n".encode() for i in range(400_000))


@pytest.mark.parametrize("broken", ["log_entry", "decision"])
def test_when_the_log_cannot_be_written_not_a_byte_is_sent(world: World, broken: str) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    engine = world.hub.engine
    if engine.dialect.name == "sqlite":
        refusal = (
            f"create trigger broken before insert on {broken} begin select raise(abort, 'disk full'); end"
        )
    else:
        refusal = f"alter table {broken} rename to lost"
    with engine.begin() as connection:
        connection.execute(text(refusal))
    answer = world.fetch(dataset)
    assert (answer.status_code, answer.json()["code"]) == (503, "log-unavailable")
    assert answer.headers["retry-after"]
    assert b"Dam" not in answer.content


def test_when_the_commit_fails_not_a_byte_is_sent(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    engine = world.hub.engine
    # A deferred constraint is checked at the very commit: the latest moment at which the log can fail.
    if engine.dialect.name == "sqlite":
        statements = [
            "create table nobody (id integer primary key)",
            "create table late (id integer references nobody(id) deferrable initially deferred)",
            "create trigger broken after insert on log_entry begin insert into late values (1); end",
        ]
    else:
        statements = [
            """create function fail() returns trigger language plpgsql as
            $$ begin raise exception 'disk full' using errcode = '53100'; end $$""",
            """create constraint trigger broken after insert on log_entry deferrable initially deferred
            for each row execute function fail()""",
        ]
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    answer = world.fetch(dataset)
    assert (answer.status_code, answer.json()["code"]) == (503, "log-unavailable")
    assert b"Dam" not in answer.content


def test_a_missing_object_is_an_answer_and_an_aborted_delivery(world: World) -> None:
    dataset = world.dataset("report", b"some bytes", kind="files")
    world.offer(dataset, "open")
    root = Path(world.hub.settings.storage_url.removeprefix("file://"))
    for stored in root.rglob("*"):
        if stored.is_file():
            stored.unlink()
    answer = world.fetch(dataset)
    assert (answer.status_code, answer.json()["code"]) == (503, "data-unavailable")
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code, outcome.bytes) == ("aborted", "storage-failed", 0)


def drive(
    world: World, path: str, after_first_block: Callable[[], None], *, leaves: bool, token: str | None = None
) -> list[Any]:
    """Fetch by bare ASGI, the way a server does; do something after the first block, or leave then."""
    taken: list[Any] = []

    async def run() -> None:
        gone = asyncio.Event()
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            taken.append(message)
            if message["type"] == "http.response.body" and len(taken) == 2:
                after_first_block()
                if leaves:
                    gone.set()
                    await asyncio.sleep(0.2)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                *([(b"authorization", f"Bearer {token}".encode())] if token else []),
            ],
            "server": ("127.0.0.1", 8000),
            "client": ("127.0.0.1", 5000),
        }
        await Envelope(world.hub.app, "1.0.0")(scope, receive, send)

    asyncio.run(run())
    return taken


def test_a_client_that_leaves_is_an_aborted_delivery_with_what_it_took(world: World) -> None:
    dataset = world.dataset("rows", MANY)
    world.offer(dataset, "open")
    taken = drive(world, f"/v1/datasets/{dataset}/data", lambda: None, leaves=True)
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code) == ("aborted", "client-gone")
    assert outcome.bytes is not None
    assert 0 <= outcome.bytes < len(MANY)
    assert taken[-1].get("more_body", True) is True  # nothing says that this was the end


def test_a_withdrawal_while_data_flows_cuts_the_stream(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.0)
    dataset = world.dataset("rows", MANY)
    world.offer(dataset, "open")

    def withdraw() -> None:
        with world.hub.engine.begin() as connection:
            connection.execute(text("update dataset set state = 'withdrawn'"))

    with pytest.raises(BaseException):  # noqa: B017, PT011 — the server cuts the connection on whatever is raised
        drive(world, f"/v1/datasets/{dataset}/data", withdraw, leaves=False)
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code) == ("aborted", "no-longer-permitted")


@pytest.mark.parametrize("stops", ["token", "client", "agreement"])
def test_authority_that_ends_while_data_flows_cuts_the_stream(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, stops: str
) -> None:
    world = sqlite_world
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.0)
    dataset = world.dataset("rows", MANY)
    agreement = world.agreement(dataset)
    token = world.token(dataset, agreement=agreement)
    consumer = world.consumer

    def stop() -> None:
        match stops:
            case "token":
                credential = (consumer.client_id, consumer.secret)
                world.hub.http.post("/oauth/revoke", data={"token": token}, auth=credential)
            case "client":
                where = f"/v1/clients/{consumer.client_id}/transitions"
                world.hub.admin.done("POST", where, 201, json={"move": "disable", "reason": "a test"})
            case _:
                where = f"/v1/agreements/{agreement}/transitions"
                world.provider.done("POST", where, 201, json={"move": "suspend", "reason": "a test"})

    with pytest.raises(BaseException):  # noqa: B017, PT011 — as above
        drive(world, f"/v1/datasets/{dataset}/data", stop, leaves=False, token=token)
    _, outcome = world.last()
    assert (outcome.outcome, outcome.code) == ("aborted", "no-longer-permitted")


def test_every_permit_has_exactly_one_outcome(world: World) -> None:
    dataset = world.dataset("rivers")
    world.offer(dataset, "open")
    for more in (
        {},
        {"method": "HEAD"},
        {"params": {"format": "parquet"}, "headers": {"Range": "bytes=0-3"}},
    ):
        world.fetch(dataset, **more)
    attempts = [e.id for e in world.entries("data.read")]
    assert [e.of_entry_id for e in world.entries("data.deliver")] == attempts


def test_what_is_refused_before_a_decision_is_in_the_log_once(world: World) -> None:
    dataset = world.dataset("rivers")
    world.agreement(dataset)
    token = world.token(dataset)
    assert world.fetch(dataset, token, params={"fields": "colour"}).status_code == 400
    assert world.fetch("nothing", token).status_code == 404
    found = world.entries("data.read", "call.refuse")
    assert [(e.outcome, e.code) for e in found] == [
        ("refused", "invalid-data-query"),
        ("refused", "data-not-found"),
    ]
    assert found[0].details == {"path": f"/v1/datasets/{dataset}/data", "faults": ["column-unknown"]}

"""The exchange asks witnesses for its own log: over real HTTP, from a witness that is another exchange's desk."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.notes import Note, Signature
from datahub.audit.tlog.trust_policy import TrustPolicy
from datahub.kernel import db
from datahub.kernel.outbox import OutboxRow
from datahub.witness import service, store
from datahub.witness.models import AskedWitness
from datahub.witness.service import PublishedLog
from datahub.witness.service.asking import ASK_EVERY
from tests.audit.tlog.written import ED25519, ORIGIN, WITNESSES, WrittenLog, a_log, signed
from tests.build import NOON, some_settings
from tests.witness.test_service import Desk, context


@dataclass
class Ours:
    """Our log as it is published, and the cosignatures that came back."""

    log: WrittenLog
    got: dict[int, list[Signature]] = field(default_factory=dict)

    def find(self, session: Session) -> PublishedLog:
        del session
        note = signed(self.log.head, ()).encode()
        return PublishedLog(note, self.log.read_tile, self._keep)

    def _keep(self, size: int, signatures: Sequence[Signature]) -> None:
        self.got[size] = list(signatures)


@pytest.fixture
def desk(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(migrated_sqlite_url, tmp_path)
    yield desk
    desk.engine.dispose()


@pytest.fixture
def address(desk: Desk) -> Iterator[str]:
    """A witness: whatever is posted is given to the desk."""

    class Counter(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer = desk.ask(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.type)
            self.end_headers()
            self.wfile.write(answer.body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's name for it
            pass

    server = HTTPServer(("127.0.0.1", 0), Counter)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/witness"
    server.shutdown()
    server.server_close()
    thread.join()


class Asker:
    """Our side: the same database holds the list of witnesses."""

    def __init__(self, desk: Desk, ours: Ours, url: str, *vkeys: str) -> None:
        self.desk, self.ours = desk, ours
        self.settings = some_settings(desk.tmp_path)
        keys = vkeys or [key.vkey for key in service.own_keys(self.settings)]
        with db.transaction(desk.engine) as session:
            self.id = service.add_witness(context(session, desk.tmp_path), "neighbour", keys, url).id

    def ask(self) -> AskedWitness:
        service.ask(self.desk.engine, self.settings, {"witnessId": self.id}, NOON, self.ours.find)
        with db.transaction(self.desk.engine, is_read=True) as session:
            return session.get_one(AskedWitness, self.id)


def test_a_witness_cosigns_as_the_log_grows(desk: Desk, address: str) -> None:
    desk.knows(ORIGIN, ED25519.key.vkey)
    ours = Ours(a_log(5))
    asker = Asker(desk, ours, address)
    row = asker.ask()
    assert (row.size, row.cosigned_at, row.failure) == (5, NOON, None)
    note = signed(ours.log.head, ()).with_signatures(ours.got[5])
    assert len(Note.parse(note.encode()).verify(service.own_keys(asker.settings))) == 2
    ours.log = a_log(600)
    assert asker.ask().size == 600
    assert set(ours.got) == {5, 600}


def test_a_witness_that_saw_more_than_we_know_tells_its_size(desk: Desk, address: str) -> None:
    desk.knows(ORIGIN, ED25519.key.vkey)
    ours = Ours(a_log(300))
    asker = Asker(desk, ours, address)
    asker.ask()
    with db.transaction(desk.engine) as session:
        session.get_one(AskedWitness, asker.id).size = 0  # forgotten, as after a restore
    ours.log = a_log(600)
    row = asker.ask()
    assert (row.size, row.failure) == (600, None)


def test_a_log_that_was_put_back_from_a_backup_is_found_out(desk: Desk, address: str) -> None:
    desk.knows(ORIGIN, ED25519.key.vkey)
    ours = Ours(a_log(600))
    asker = Asker(desk, ours, address)
    asker.ask()
    with db.transaction(desk.engine) as session:
        session.get_one(AskedWitness, asker.id).size = 0
    ours.log = a_log(300)
    row = asker.ask()
    assert row.failure is not None
    assert "600" in row.failure
    assert "rolled back" in row.failure
    assert set(ours.got) == {600}


def test_a_fork_gets_no_cosignature(desk: Desk, address: str) -> None:
    desk.knows(ORIGIN, ED25519.key.vkey)
    ours = Ours(a_log(5))
    asker = Asker(desk, ours, address)
    asker.ask()
    ours.log = WrittenLog().grow([b"other"] * 9)
    row = asker.ask()
    assert "422" in (row.failure or "")
    assert set(ours.got) == {5}


def test_a_cosignature_by_another_key_counts_for_nothing(desk: Desk, address: str) -> None:
    desk.knows(ORIGIN, ED25519.key.vkey)
    ours = Ours(a_log(5))
    row = Asker(desk, ours, address, WITNESSES[0].key.vkey).ask()
    assert (row.cosigned_at, ours.got) == (None, {})
    assert "without a cosignature" in (row.failure or "")


def test_a_witness_that_does_not_answer_is_named_and_asked_again(desk: Desk) -> None:
    ours = Ours(a_log(5))
    asker = Asker(desk, ours, "http://127.0.0.1:9/witness")
    assert "Error" in (asker.ask().failure or "")
    with db.transaction(desk.engine) as session:
        ctx = context(session, desk.tmp_path)
        assert service.witnesses_due(ctx, ours.find) == 1
        assert service.witnesses_due(ctx, ours.find) == 0  # it was announced just now
        later = type(ctx)(session, ctx.actor, NOON + ASK_EVERY, ctx.trace_id, ctx.settings)
        assert service.witnesses_due(later, ours.find) == 1
        facts = session.exec(select(OutboxRow.payload).where(OutboxRow.fact == "CosignatureDue")).all()
        assert facts == [{"witnessId": asker.id}] * 2


def test_the_trust_policy_names_our_keys_and_most_of_the_witnesses(desk: Desk) -> None:
    with db.transaction(desk.engine) as session:
        ctx = context(session, desk.tmp_path)
        alone = TrustPolicy.parse(service.trust_policy(ctx, [ED25519.key], "https://exchange.example/log"))
        assert (alone.quorum, [log.key for log in alone.logs]) == ("none", [ED25519.key])
        for number, signer in enumerate(WITNESSES):
            row = AskedWitness(
                id=f"w{number}",
                name=f"n{number}",
                vkeys=[signer.key.vkey],
                url="https://w.example",
                created_at=NOON,
            )
            session.add(row)
        session.flush()
        assert len(store.witnesses(session)) == 3
        policy = TrustPolicy.parse(service.trust_policy(ctx, [ED25519.key], "https://exchange.example/log"))
        head = Checkpoint(ORIGIN, 5, a_log(5).head.root)
        assert set(policy.judge(signed(head, WITNESSES[:2])).witnesses) == {"w1", "w2"}
        assert not policy.is_met({"w1": None})

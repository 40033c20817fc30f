"""The transparency log: durable entries get into the tree, its heads are signed, and everything verifies."""

from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256

import orjson
import pytest
from sqlalchemy import text

from datahub.audit import About, keys, leaves, record, rounds, self_audit, sequencer, tree_store
from datahub.audit.kept_head import path, read
from datahub.audit.restart import restart_log
from datahub.audit.status import log_status
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.keys import VerifierKey
from datahub.audit.tlog.notes import open_checkpoint
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tiles import bundles_of, parse_bundle, tiles_of
from datahub.audit.tlog.tree import leaf_hash
from datahub.kernel import db
from datahub.kernel.context import Actor, Context
from datahub.participants import Role
from tests.hub import Hub

ACTOR = Actor(client_id="a-client", person_id="the-person")


def some_entries(hub: Hub, count: int = 1, **about: object) -> list[str]:
    with hub.context(ACTOR) as ctx:
        return [
            record(ctx, "data.read", About(details={"n": n}, **about)).id  # type: ignore[arg-type]
            for n in range(count)
        ]


def into_the_tree(hub: Hub) -> Checkpoint:
    """Let the sequencer work, and return the head as it is published and verified."""
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)
    note = hub.http.get("/log/checkpoint")
    assert note.status_code == 200, note.text
    vkeys = [VerifierKey.parse(line) for line in hub.http.get("/log/keys").text.splitlines()]
    head, signed = open_checkpoint(note.content, vkeys, "127.0.0.1:8000/log")
    assert len(signed.verify(vkeys)) == 2  # Ed25519 and ML-DSA-44
    return head


def test_every_entry_gets_into_the_tree_once_and_every_tile_is_served(hub: Hub) -> None:
    made = some_entries(hub, 300)
    head = into_the_tree(hub)

    with db.transaction(hub.engine, is_read=True) as session:
        assert session.execute(text("select count(*) from log_entry")).scalar() == head.size
        places = [tree_store.leaf_of(session, each) for each in made]
    assert len({place.leaf_index for place in places if place}) == 300
    for tile in tiles_of(head.size):
        answer = hub.http.get(f"/log/{tile.path}")
        assert answer.status_code == 200
        assert len(answer.content) == tile.width * 32
        assert "immutable" in answer.headers["cache-control"]
    for bundle in bundles_of(head.size):
        leaf = parse_bundle(hub.http.get(f"/log/{bundle.path}").content, bundle.width)[0]
        assert set(orjson.loads(leaf)) >= {"v", "k", "t", "n", "c"}
    assert hub.http.get("/log/tile/0/001.p/0").status_code == 404
    assert hub.http.get("/log/tile/0/001.p/200").status_code == 404
    assert hub.http.get("/log/tile/entries/000.p/7").status_code == 200
    assert hub.http.get("/log/tile/4/000").status_code == 404


def test_a_leaf_holds_nothing_about_anybody_and_only_key_holders_find_theirs(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    provider = hub.party("provider", Role.PUBLISHER)
    with hub.context(ACTOR) as ctx:
        about = About(provider_id=provider.id, subjects=keys.subject_ids(ctx, ["bsn:1", "bsn:2"]))
        entry_id = record(ctx, "data.read", about).id
        assert keys.subject_ids(ctx, ["bsn:1"]) == [about.subjects[0]]
    into_the_tree(hub)
    receipt = LogProof.parse(hub.auditor.get(f"/v1/log-entries/{entry_id}/proof").content)
    assert receipt.extra is not None
    for secret in (provider.id, entry_id, "bsn", "person", about.subjects[0]):
        assert secret not in receipt.extra.decode()
    leaf = orjson.loads(receipt.extra)
    with db.transaction(hub.engine, is_read=True) as session:
        row = keys.subject_of(session, hub.settings, "bsn:2")
        assert row is not None
        key = keys.subject_key(hub.settings, row)
        assert row.lookup is not None
        assert "bsn" not in row.lookup
    assert key is not None
    nonce = _decode(leaf["n"])
    assert leaves.tag(key, nonce) in leaf["st"]
    assert len(leaf["st"]) == 2
    assert leaf["pt"] == leaves.tag(keys.organisation_key(hub.settings)(provider.id), nonce)


def test_a_receipt_verifies_and_disclosures_open_its_leaf(hub: Hub) -> None:
    provider, stranger = hub.party("provider", Role.PUBLISHER), hub.party("stranger", Role.PUBLISHER)
    entry_id = some_entries(hub, provider_id=provider.id, purpose="dpv:Research")[0]
    early = provider.get(f"/v1/log-entries/{entry_id}/proof")
    assert (early.status_code, early.headers["retry-after"], early.json()["code"]) == (
        409,
        "1",
        "proof-not-yet",
    )
    into_the_tree(hub)

    answer = provider.get(f"/v1/log-entries/{entry_id}/proof")
    assert answer.status_code == 200
    assert answer.text.startswith("c2sp.org/tlog-proof@v1\n")
    receipt = LogProof.parse(answer.content)
    assert receipt.extra is not None
    receipt.verify(leaf_hash(receipt.extra))

    opening = provider.done("GET", f"/v1/log-entries/{entry_id}/disclosures", 200)
    shown = {each["name"]: each for each in opening["disclosures"]}
    assert shown["purpose"]["value"] == "dpv:Research"
    assert "actorPerson" not in shown
    digests = [
        _encode(sha256(_encode(orjson.dumps([each["salt"], each["name"], each["value"]])).encode()).digest())
        for each in ({**each, "value": _sorted(each["value"])} for each in opening["disclosures"])
    ]
    commitment = sha256(orjson.dumps(sorted([*digests, *opening["digests"]]))).digest()
    assert orjson.loads(opening["leaf"])["c"] == _encode(commitment)
    assert stranger.get(f"/v1/log-entries/{entry_id}/proof").status_code == 404
    assert stranger.get(f"/v1/log-entries/{entry_id}/disclosures").status_code == 404


def test_a_smaller_or_other_tree_is_never_signed_and_the_boot_guard_says_why(hub: Hub) -> None:
    some_entries(hub, 20)
    into_the_tree(hub)
    cut = {
        "sqlite": "cast(substr(data, 33) || substr(data, 1, 32) as blob)",
        "postgresql": "substring(data from 33) || substring(data for 32)",
    }[hub.engine.dialect.name]
    with db.transaction(hub.engine) as session:
        session.execute(text(f"update log_tile set data = {cut} where level = 0"))
    some_entries(hub)
    hub.clock.forward(seconds=2)
    with pytest.raises(sequencer.LogForked, match="not those that were signed"):
        sequencer.work(hub.engine, hub.settings, hub.clock)
    with pytest.raises(sequencer.LogForked, match="datahub log restart"):
        sequencer.check_at_boot(hub.engine, hub.settings)
    assert hub.http.get("/v1/log/status").json()["state"] == "forked"
    assert "datahub_log_ok 0" in hub.http.get("/metrics").text


def test_after_a_restore_a_new_log_commits_to_the_old_one(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    some_entries(hub, 3)
    into_the_tree(hub)
    kept = read(hub.settings, 1)
    assert kept is not None
    size = int(kept.split("\n")[1])
    ahead = kept.replace(f"\n{size}\n", f"\n{size + 5}\n")
    path(hub.settings, 1).write_text(ahead)
    with pytest.raises(sequencer.LogForked, match=f"over {size + 5} entries"):
        sequencer.check_at_boot(hub.engine, hub.settings)

    waiting = some_entries(hub)[0]
    log, entry = restart_log(hub.engine, hub.settings, hub.clock(), "restored a backup")
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)
    sequencer.check_at_boot(hub.engine, hub.settings)

    assert log.origin == "127.0.0.1:8000/log/2"
    with db.transaction(hub.engine, is_read=True) as session:
        first, second = tree_store.leaf_of(session, entry.id), tree_store.leaf_of(session, waiting)
        assert first is not None
        assert second is not None
        assert (first.log, first.leaf_index, second.log) == (2, 0, 2)
    assert entry.details["previous"]["checkpoint"] == ahead
    assert hub.http.get("/log/checkpoint").text.startswith("127.0.0.1:8000/log/2\n")
    assert hub.http.get("/log/closed/1/checkpoint").text.startswith(f"127.0.0.1:8000/log\n{size}\n")
    assert hub.http.get(f"/log/closed/1/tile/0/000.p/{size}").status_code == 200


def test_two_sequencers_at_once_do_no_harm(hub: Hub) -> None:
    made = some_entries(hub, 50)
    with db.transaction(hub.engine, is_read=True) as session:
        before = session.execute(text("select count(*) from log_pending")).scalar()
    assert before
    from concurrent.futures import ThreadPoolExecutor

    sequencer.open_first(hub.engine, hub.settings, hub.clock())
    with ThreadPoolExecutor(3) as threads:
        done = [threads.submit(sequencer.integrate, hub.engine, hub.settings, hub.clock()) for _ in range(3)]
        assert sum(each.result() for each in done) >= len(made)
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None


def test_rounds_go_upon_rounds_that_are_still_being_saved(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [name for _ in range(10) for name in some_entries(hub, 5)]
    monkeypatch.setitem(rounds.MOST_ENTRIES, hub.engine.dialect.name, 7)
    monkeypatch.setitem(rounds.WHEN_LAGGING, hub.engine.dialect.name, 1)

    def hurried() -> datetime:
        hub.clock.forward(seconds=1)
        return hub.clock()

    assert sequencer.work(hub.engine, hub.settings, hurried) >= len(made)
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None
    with db.transaction(hub.engine, is_read=True) as session:
        placed = session.execute(text("select leaf_index from log_leaf order by leaf_index")).scalars().all()
        signed = session.execute(text("select count(*) from log_checkpoint")).scalar_one()
        assert not tree_store.oldest_pending(session)
    assert placed == list(range(len(placed)))
    assert signed > 2  # under load there is always something that waits, and heads are signed all the same


@pytest.mark.parametrize(
    ("tampering", "finding"),
    [
        ("update log_tile set data = {flipped} where level = -1", "leaf|bundle"),
        ("update log_tile set data = {flipped} where level = 0", "root"),
        ("update log_head set size = size - 1", "root|bundle|there"),
        ("delete from log_tile where level = -1", "is not there"),
    ],
)
def test_the_self_audit_names_what_was_tampered_with(sqlite_hub: Hub, tampering: str, finding: str) -> None:
    hub = sqlite_hub
    some_entries(hub, 5)
    into_the_tree(hub)
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None
    flipped = "cast(substr(data, 1, 40) || x'00' || substr(data, 42) as blob)"
    with db.transaction(hub.engine) as session:
        session.execute(text(tampering.format(flipped=flipped)))
    fault = self_audit.audit_log(hub.engine, hub.settings, hub.clock())
    assert fault is not None
    import re

    assert re.search(finding, fault)
    assert hub.http.get("/v1/log/status").json()["state"] in {"broken", "forked"}


def test_the_self_audit_finds_a_forged_record_and_a_missing_one(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    first, second = some_entries(hub, 2)
    into_the_tree(hub)
    with db.transaction(hub.engine) as session:
        session.execute(text("drop trigger log_entry_no_update"))
        session.execute(text("drop trigger log_entry_no_delete"))
        session.execute(text("update log_entry set purpose = 'forged' where id = :id"), {"id": first})
    assert "is not what was logged" in str(self_audit.audit_log(hub.engine, hub.settings, hub.clock()))
    with db.transaction(hub.engine) as session:
        session.execute(text("update log_entry set purpose = null where id = :id"), {"id": first})
        session.execute(text("delete from log_entry where id = :id"), {"id": second})
    assert "no erasure took it" in str(self_audit.audit_log(hub.engine, hub.settings, hub.clock()))


def test_the_self_audit_finds_the_same_by_many_processes(
    sqlite_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = sqlite_hub
    some_entries(hub, 600)
    into_the_tree(hub)
    monkeypatch.setattr(self_audit, "BUNDLES_AT_ONCE", 1)
    monkeypatch.setattr(self_audit, "PARTS_WORTH_JOBS", 3)
    settings = hub.settings.model_copy(update={"log_audit_jobs": 2})
    assert self_audit.audit_log(hub.engine, settings, hub.clock()) is None

    with db.transaction(hub.engine) as session:
        session.execute(text("update log_leaf set key = zeroblob(32) where leaf_index = 520"))
    fault = self_audit.audit_log(hub.engine, settings, hub.clock())
    assert fault is not None
    assert "leaf 520" in fault
    assert fault == self_audit.audit_log(hub.engine, hub.settings, hub.clock())


def test_a_head_signed_while_the_status_is_read_is_no_fork(hub: Hub) -> None:
    some_entries(hub)
    into_the_tree(hub)
    with db.transaction(hub.engine, is_read=True) as session:
        seen = tree_store.newest_log(session)  # so the transaction has begun, and knows this head
        assert seen is not None
        some_entries(hub)
        assert into_the_tree(hub).size > seen.size
        assert log_status(Context(session, ACTOR, hub.clock(), "t" * 32, hub.settings)).state == "ok"


def test_status_and_metrics_say_how_the_log_is_doing(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    head = into_the_tree(hub)
    self_audit.audit_log(hub.engine, hub.settings, hub.clock())
    hub.clock.forward(seconds=30)
    status = hub.http.get("/v1/log/status").json()
    assert status["state"] == "ok"
    assert (status["size"], status["signedSize"], status["selfAuditSize"]) == (head.size,) * 3
    assert status["checkpointAgeS"] == 30
    metrics = hub.http.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert f"\ndatahub_log_size {head.size}\n" in metrics.text
    hub.clock.forward(minutes=5)
    assert hub.http.get("/v1/log/status").json()["state"] == "late"
    assert "minimum-index 0\n" in hub.http.get("/log/retention-policy").text


def _sorted(value: object) -> object:
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(data: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(data + "=" * (-len(data) % 4))

"""Erasure: less opens, every proof that remains stays valid, and the database lets nothing else through."""

from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from datahub.audit import (
    About,
    Decision,
    erasure,
    keys,
    leaves,
    receipts,
    record,
    record_decision,
    self_audit,
    sequencer,
    tree_store,
)
from datahub.audit.models import Entry
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tree import leaf_hash
from datahub.kernel import db
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.participants import Role
from tests.hub import Hub, Party


@pytest.fixture
def provider(hub: Hub) -> Party:
    return hub.party("provider", Role.PUBLISHER)


def an_entry(hub: Hub, provider: Party, *subjects: str) -> str:
    actor = Actor(client_id="a-client", participant_id=provider.id, person_id="the-person")
    with hub.context(actor) as ctx:
        decision = record_decision(
            ctx,
            Decision(
                id=new_id(),
                at=ctx.now,
                is_permit=True,
                code="ok",
                dataset_id=new_id(),
                provider_id=provider.id,
                facts={"purpose": "dpv:Research"},
                for_requester={"en": "yes"},
                for_provider={"en": "yes"},
            ),
        )
        about = About(
            provider_id=provider.id,
            dataset_id=decision.dataset_id,
            purpose="dpv:Research",
            decision_id=decision.id,
            details={"path": "/secret"},
            subjects=keys.subject_ids(ctx, subjects),
        )
        return record(ctx, "data.read", about).id


def sequenced(hub: Hub) -> None:
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)


def erased(hub: Hub, entry_id: str, status: int = 201, **body: Any) -> Any:
    asked = {"basis": "GDPR art. 17(1)(d)", **body}
    return hub.admin.done("POST", f"/v1/log-entries/{entry_id}/erasures", status, json=asked)


def a_receipt(provider: Party, entry_id: str) -> LogProof:
    receipt = LogProof.parse(provider.get(f"/v1/log-entries/{entry_id}/proof").content)
    assert receipt.extra is not None
    receipt.verify(leaf_hash(receipt.extra))
    return receipt


def test_a_field_goes_and_the_others_still_open_the_leaf(hub: Hub, provider: Party) -> None:
    entry_id = an_entry(hub, provider)
    sequenced(hub)
    before = a_receipt(provider, entry_id)
    done = erased(hub, entry_id, fields=["actorPerson", "details", "decision"])
    assert done["count"] == 1
    erased(hub, entry_id, fields=["purpose", "actorPerson"])  # again, and one more

    with db.transaction(hub.engine, is_read=True) as session:
        entry, place = session.get_one(Entry, entry_id), tree_store.leaf_of(session, entry_id)
        assert (entry.actor_person_id, entry.details, entry.purpose) == (None, {}, None)
        assert entry.provider_id == provider.id
        assert place is not None
        assert place.key is None
        assert receipts.is_opened_by(session, entry, place)
        assert (
            session.execute(
                text("select count(*) from decision where cast(facts as text) like '%Research%'")
            ).scalar()
            == 0
        )
    opening = provider.done("GET", f"/v1/log-entries/{entry_id}/disclosures", 200)
    assert {each["name"] for each in opening["disclosures"]} >= {"event", "provider", "dataset"}
    assert len(opening["digests"]) == 4
    sequenced(hub)
    assert before.extra == a_receipt(provider, entry_id).extra
    told = hub.auditor.done("GET", f"/v1/log-entries/{done['entryId']}", 200)
    assert told["details"] == {
        "basis": "GDPR art. 17(1)(d)",
        "count": 1,
        "fields": ["actorPerson", "decision", "details"],
    }
    kind = orjson.loads(a_receipt(hub.auditor, done["entryId"]).extra or b"")["k"]
    assert kind == "erasure"
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None


def test_a_record_goes_and_its_leaf_and_proof_stay(hub: Hub, provider: Party) -> None:
    entry_id = an_entry(hub, provider)
    assert erased(hub, entry_id, 409)["code"] == "proof-not-yet"
    sequenced(hub)
    before = a_receipt(provider, entry_id)
    erased(hub, entry_id)
    assert provider.get(f"/v1/log-entries/{entry_id}").status_code == 410
    assert provider.get(f"/v1/log-entries/{entry_id}/disclosures").status_code == 410
    sequenced(hub)
    assert a_receipt(provider, entry_id).extra == before.extra
    with db.transaction(hub.engine, is_read=True) as session:
        assert session.execute(text("select count(*) from decision")).scalar() == 0
        place = tree_store.leaf_of(session, entry_id)
        assert place is not None
        assert (place.key, place.opening) == (None, None)
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None


FORGED = {
    "at": "'2020-01-01 00:00:00.000000'",
    "outcome": "'deny'",
    "is_permit": "0",
    "columns": "'[1]'",
    "subjects": "'[\"x\"]'",
    "details": "'{\"x\": 1}'",
    "facts": "'{\"x\": 1}'",
    "for_requester": "'{\"x\": 1}'",
    "for_provider": "'{\"x\": 1}'",
}
COLUMNS = [
    (table, name)
    for table, row in (("log_entry", Entry), ("decision", Decision))
    for name in sorted(row.model_fields)
]


def test_a_forged_cell_of_any_column_of_any_record_is_found(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    entry_id = an_entry(hub, hub.party("provider", Role.PUBLISHER), "bsn:1")
    sequenced(hub)
    engine = hub.engine
    with engine.begin() as connection:
        for table in ("log_entry", "decision"):
            connection.exec_driver_sql(f"drop trigger {table}_no_update")
        decision_id = connection.exec_driver_sql(
            "select decision_id from log_entry where id = ?", (entry_id,)
        ).scalar_one()
    unseen = []
    for table, name in COLUMNS:
        where = {"log_entry": entry_id, "decision": decision_id}[table]
        with engine.begin() as connection:
            held = f"""select "{name}" from {table} where id = ?"""
            kept = connection.exec_driver_sql(held, (where,)).scalar_one()
            value = FORGED.get(name, "7" if isinstance(kept, int) else "'7'")
            connection.exec_driver_sql(f"""update {table} set "{name}" = {value} where id = ?""", (where,))
        fault = str(self_audit.audit_log(engine, hub.settings, hub.clock()))
        if not ("is not what was logged" in fault or "no erasure took it" in fault):
            unseen.append((table, name, fault))
        with engine.begin() as connection:
            row_id = "7" if name == "id" else where
            connection.exec_driver_sql(f"""update {table} set "{name}" = ? where id = ?""", (kept, row_id))
    assert unseen == []
    assert self_audit.audit_log(engine, hub.settings, hub.clock()) is None


def test_a_shredded_person_is_tied_to_nothing(hub: Hub, provider: Party) -> None:
    entry_id = an_entry(hub, provider, "bsn:1", "bsn:2")
    sequenced(hub)
    with db.transaction(hub.engine, is_read=True) as session:
        row = keys.subject_of(session, hub.settings, "bsn:1")
        assert row is not None
        key = keys.subject_key(hub.settings, row)
    asked = {"subject": "bsn:1", "basis": "GDPR art. 17"}
    assert hub.admin.done("POST", "/v1/log-subject-erasures", 201, json=asked)["count"] == 1
    hub.admin.done("POST", "/v1/log-subject-erasures", 404, json=asked)
    with db.transaction(hub.engine, is_read=True) as session:
        assert keys.subject_of(session, hub.settings, "bsn:1") is None
        assert session.execute(text("select count(*) from log_subject_entry")).scalar() == 1
        kept = session.execute(text("select count(*) from log_subject_key where sealed is null")).scalar()
        assert kept == 1
    leaf = orjson.loads(a_receipt(provider, entry_id).extra or b"")
    assert len(leaf["st"]) == 2  # the tag is there still, and nobody can tell whose it is
    assert key is not None
    with hub.context(Actor(client_id="x")) as ctx:
        again = keys.subject_ids(ctx, ["bsn:1"])[0]
        assert keys.subject_keys(ctx.session, hub.settings, [again])[again] != key


@pytest.mark.parametrize("named", ["entry", "dataset", "participant", "all"])
def test_what_is_under_legal_hold_stays(sqlite_hub: Hub, named: str) -> None:
    hub = sqlite_hub
    provider = hub.party("provider", Role.PUBLISHER)
    entry_id = an_entry(hub, provider, "bsn:1")
    sequenced(hub)
    with db.transaction(hub.engine, is_read=True) as session:
        entry = session.get_one(Entry, entry_id)
    what = {"entry": entry_id, "dataset": entry.dataset_id, "participant": provider.id}
    asked = {"reason": "a court asks", **({f"{named}Id": what[named]} if named in what else {})}
    hold = hub.admin.done("POST", "/v1/log-holds", 201, json=asked)
    assert erased(hub, entry_id, 409)["code"] == "under-hold"
    assert erased(hub, entry_id, 409, fields=["purpose"])["code"] == "under-hold"
    shred = {"subject": "bsn:1", "basis": "x"}
    hub.admin.done("POST", "/v1/log-subject-erasures", 409, json=shred)
    hub.clock.forward(days=4000)
    hub.work()
    with db.transaction(hub.engine, is_read=True) as session:
        kept = session.get_one(Entry, entry_id)
        assert (kept.purpose, kept.details) == ("dpv:Research", {"path": "/secret"})
        assert session.execute(text("select count(*) from log_subject_entry")).scalar() == 1
        assert session.execute(text("select pruned_below from log_head")).scalar() == 0
    a_receipt(provider, entry_id)
    # The database holds it too, whatever an erasure says.
    allow = "insert into log_erasure (id, by_entry_id, row_id) values ('a', 'b', :id)"
    with pytest.raises(SQLAlchemyError), db.transaction(hub.engine) as session:
        session.execute(text(allow), {"id": entry_id})
        session.execute(text("update log_entry set purpose = null where id = :id"), {"id": entry_id})
    with pytest.raises(SQLAlchemyError), db.transaction(hub.engine) as session:
        session.execute(text(allow), {"id": entry_id})
        session.execute(text("delete from log_entry where id = :id"), {"id": entry_id})
    hub.admin.done("POST", f"/v1/log-holds/{hold['id']}/transitions", 201, json={"move": "release"})
    assert hub.admin.done("GET", "/v1/log-holds", 200)["items"][0]["releasedAt"]
    erased(hub, entry_id)


def test_retention_erases_records_prunes_leaves_and_later_proofs_hold(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    provider = hub.party("provider", Role.PUBLISHER)
    old = [an_entry(hub, provider, "bsn:1") for _ in range(300)]
    sequenced(hub)
    receipt = a_receipt(provider, old[0])
    hub.clock.forward(days=hub.settings.log_records_days + 1)
    with hub.context(Actor(client_id="worker")) as ctx:
        assert erasure.apply_retention(ctx) >= 300
    young = an_entry(hub, provider)
    sequenced(hub)
    with db.transaction(hub.engine, is_read=True) as session:
        assert session.get(Entry, old[0]) is None
        assert tree_store.newest_log(session).pruned_below == 0  # type: ignore[union-attr]
    # Ids are made by the real clock, so leaves grow old by it too: as if a year and more had gone by since.
    assert receipt.extra is not None
    hub.clock.forward(days=400 + 4000)
    with hub.context(Actor(client_id="worker")) as ctx:
        erasure._prune(ctx, hub.clock())
    assert hub.http.get("/log/tile/entries/000").status_code == 410
    assert hub.http.get("/log/tile/0/000").status_code == 410
    assert "minimum-index 256\n" in hub.http.get("/log/retention-policy").text
    assert provider.get(f"/v1/log-entries/{old[0]}/proof").status_code == 410
    receipt.verify(leaf_hash(receipt.extra))
    a_receipt(provider, young)
    sequenced(hub)
    assert self_audit.audit_log(hub.engine, hub.settings, hub.clock()) is None


@pytest.mark.parametrize(
    "statement",
    [
        "update log_entry set purpose = 'forged' where id = :id",
        "update log_entry set action = 'x' where id = :id",
        "update log_entry set details = '{\"forged\": 1}' where id = :id",
        "update log_entry set id = 'x' where id = :id",
        "update log_erasure set row_id = 'x'",
        "delete from log_erasure",
    ],
)
def test_the_database_lets_erasures_take_but_not_change(hub: Hub, provider: Party, statement: str) -> None:
    entry_id = an_entry(hub, provider)
    sequenced(hub)
    erased(hub, entry_id, fields=["columns"])
    with pytest.raises(SQLAlchemyError), db.transaction(hub.engine) as session:
        session.execute(text(statement), {"id": entry_id} if ":id" in statement else {})


def test_only_the_exchanges_administrators_erase(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    other = hub.party("provider", Role.ADMIN)
    entry_id = an_entry(hub, other)
    sequenced(hub)
    body = {"basis": "mine"}
    assert other.post(f"/v1/log-entries/{entry_id}/erasures", json=body).status_code == 403
    assert hub.auditor.post(f"/v1/log-entries/{entry_id}/erasures", json=body).status_code == 403
    assert other.post("/v1/log-holds", json={"reason": "x"}).status_code == 403
    assert erased(hub, entry_id, 400, fields=["event"])["errors"][0]["code"] == "unknown-field"
    assert leaves.LASTING == "event"

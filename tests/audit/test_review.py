"""Looking through the log: facets, saved searches, exports that verify, the stream of what comes in."""

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from datahub.audit import (
    START,
    About,
    EntryFilter,
    Journal,
    Outcome,
    entry_values,
    line_of,
    record,
    sequencer,
)
from datahub.audit.routes import stream
from datahub.cli.log.verify import verify
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.participants import Role
from tests.hub import Hub, Party

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
DATASET = new_id()
FORMULA = "=cmd|'/c calc'!A1"


def sequenced(hub: Hub) -> None:
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)


def reads(hub: Hub, provider: Party, consumer: Party, count: int = 1, **more: Any) -> list[str]:
    """Log reads by the consumer of the provider's data."""
    actor = Actor(client_id=consumer.client_id, participant_id=consumer.id, person_id="a-person")
    about = {
        "provider_id": provider.id,
        "consumer_id": consumer.id,
        "dataset_id": DATASET,
        "purpose": RESEARCH,
    }
    with hub.context(actor) as ctx:
        return [
            record(
                ctx,
                "data.read",
                About(**{**about, "details": {"text": FORMULA, "n": n}, **more}),
                outcome=Outcome.PERMIT,
                code="permitted",
            ).id
            for n in range(count)
        ]


def spooled(hub: Hub, provider: Party, consumer: Party) -> None:
    """Log a read as the hot path does, which nobody has unrolled yet."""
    about = About(provider_id=provider.id, consumer_id=consumer.id, dataset_id=DATASET, purpose=RESEARCH)
    actor = Actor(client_id=consumer.client_id, participant_id=consumer.id)
    values = entry_values(
        actor, hub.clock(), "t" * 32, "data.read", about, outcome=Outcome.PERMIT, code="permitted"
    )
    journal = Journal(hub.engine)
    journal.write(line_of(values))
    journal.close()


def denied(hub: Hub, provider: Party, consumer: Party) -> None:
    actor = Actor(client_id=consumer.client_id, participant_id=consumer.id)
    with hub.context(actor) as ctx:
        about = About(provider_id=provider.id, consumer_id=consumer.id, dataset_id=DATASET)
        record(ctx, "data.read", about, outcome=Outcome.DENY, code="agreement-ended")


@pytest.fixture
def parties(sqlite_hub: Hub) -> tuple[Hub, Party, Party]:
    return sqlite_hub, sqlite_hub.party("provider", *Role), sqlite_hub.party("consumer", *Role)


def test_facets_count_by_value_and_over_time(hub: Hub) -> None:
    provider, consumer = hub.party("provider", *Role), hub.party("consumer", *Role)
    reads(hub, provider, consumer, 2)
    spooled(hub, provider, consumer)
    hub.clock.forward(days=2)
    denied(hub, provider, consumer)
    query = {"dataset": DATASET, "bucket": "day", "reason": "quarterly review"}
    found = provider.done("GET", "/v1/log-entries/facets", 200, params=query)
    assert (found["total"], found["isComplete"], found["bucket"]) == (4, True, "day")
    assert found["histogram"] == [
        {"from": "2026-06-01T00:00:00Z", "count": 3},
        {"from": "2026-06-03T00:00:00Z", "count": 1},
    ]
    facets = found["facets"]
    assert facets["outcome"]["values"] == [{"value": "permit", "count": 3}, {"value": "deny", "count": 1}]
    assert facets["consumer"] == {"values": [{"value": consumer.id, "count": 4}], "others": 0}
    assert facets["purpose"]["values"] == [{"value": RESEARCH, "count": 3}]
    assert facets["code"]["values"][1]["value"] == "agreement-ended"
    stranger = hub.party("stranger", *Role)
    assert stranger.done("GET", "/v1/log-entries/facets", 200, params=query)["total"] == 0
    looked = provider.done("GET", "/v1/log-entries", 200, params={"action": "log.count"})["items"][0]
    assert looked["details"]["reason"] == "quarterly review"
    for bucket in ("minute", "hour", "month", None):
        asked = {"dataset": DATASET} | ({"bucket": bucket} if bucket else {})
        bars = provider.done("GET", "/v1/log-entries/facets", 200, params=asked)["histogram"]
        assert sum(bar["count"] for bar in bars) == 4


def test_a_saved_search_is_the_whole_organisations_and_nobody_elses(
    parties: tuple[Hub, Party, Party],
) -> None:
    hub, provider, consumer = parties
    reads(hub, provider, consumer, 2)
    denied(hub, provider, consumer)
    body = {"name": "Refused", "filters": {"outcome": "deny", "from": "2026-01-01T00:00:00Z"}}
    made = provider.done("POST", "/v1/log-searches", 201, json=body)
    assert made["filters"] == body["filters"]
    colleague = hub.client_of(provider.participant, Role.AUDITOR)
    where = f"/v1/log-searches/{made['id']}"
    found = colleague.done("GET", f"{where}/entries", 200, params={"reason": "weekly"})["items"]
    assert [each["code"] for each in found] == ["agreement-ended"]
    assert consumer.get(where).status_code == 404
    assert consumer.get(f"{where}/entries").status_code == 404
    assert provider.post("/v1/log-searches", json=body).status_code == 409
    changed = provider.done(
        "PATCH",
        where,
        200,
        json={"filters": {"action": "data.read", "outcome": "permit"}},
        headers={"If-Match": '"1"'},
    )
    assert changed["filters"] == {"action": "data.read", "outcome": "permit"}
    assert len(colleague.done("GET", f"{where}/entries", 200)["items"]) == 2
    assert [each["name"] for each in colleague.done("GET", "/v1/log-searches", 200)["items"]] == ["Refused"]
    provider.done("DELETE", where, 204, headers={"If-Match": '"2"'})
    assert provider.get(where).status_code == 404


def exported(party: Party, form: str, **query: str) -> bytes:
    answer = party.get("/v1/log-exports", params={"as": form, **query})
    assert answer.status_code == 200, answer.text
    return answer.content


def checked(folder: Path, export: bytes, policy: str) -> dict[str, Any]:
    (folder / "export.zip").write_bytes(export)
    (folder / "trust-policy").write_text(policy)
    given = ["--export", str(folder / "export.zip"), "--policy", str(folder / "trust-policy"), "--json"]
    result = CliRunner().invoke(verify, given)
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (0 if found["result"] == "verified" else 1)
    return found


@pytest.mark.parametrize("form", ["csv", "jsonl", "ocsf", "nen7513"])
def test_an_export_verifies_and_a_changed_one_does_not(
    parties: tuple[Hub, Party, Party], tmp_path: Path, form: str
) -> None:
    hub, provider, consumer = parties
    made = reads(hub, provider, consumer, 7)
    denied(hub, provider, consumer)
    sequenced(hub)
    policy = hub.http.get("/log/trust-policy").text
    export = exported(provider, form, dataset=DATASET, reason="for the inspector")
    with zipfile.ZipFile(io.BytesIO(export)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    manifest = orjson.loads(held["manifest.json"])
    assert manifest["count"] == 8
    assert manifest["query"] == {"dataset_id": DATASET}
    assert manifest["logs"][0]["maxIndex"] - manifest["logs"][0]["minIndex"] == 7
    assert [orjson.loads(line)["entry"] for line in held["proofs.jsonl"].splitlines()][:7] == made
    assert b"a-person" not in b"".join(held.values())  # the consumer's own
    found = checked(tmp_path, export, policy)
    assert found["result"] == "verified", found
    assert found["entriesChecked"] == 8

    [entries] = [name for name in held if name.startswith("entries")]
    lines = held["proofs.jsonl"].splitlines(keepends=True)
    attacks = {
        "entries-changed": {entries: held[entries].replace(DATASET.encode(), new_id().encode(), 1)},
        "record-changed": {
            "proofs.jsonl": held["proofs.jsonl"].replace(RESEARCH.encode(), b"https://x.example")
        },
        "count-differs": {
            "proofs.jsonl": b"".join(lines[:-1]),
            entries: held[entries][: held[entries].rindex(b"\n", 0, -2) + 1],
        },
        "not-included": {
            "proofs.jsonl": held["proofs.jsonl"].replace(b'\\"k\\":\\"access\\"', b'\\"k\\":\\"admin\\"')
        },
        "export-malformed": {"manifest.json": b"{}"},
    }
    for code, changed in attacks.items():
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, data in (held | changed).items():
                archive.writestr(name, data)
        found = checked(tmp_path, packed.getvalue(), policy)
        assert code in [each["code"] for each in found["findings"]], (code, found)


def test_each_side_exports_with_proofs_what_it_may_see(
    parties: tuple[Hub, Party, Party], tmp_path: Path
) -> None:
    hub, provider, consumer = parties
    reads(hub, provider, consumer)
    sequenced(hub)
    policy = hub.http.get("/log/trust-policy").text
    for party, count in ((provider, 1), (consumer, 1), (hub.auditor, 1)):
        assert checked(tmp_path, exported(party, "jsonl", dataset=DATASET), policy)["entriesChecked"] == count
    stranger = hub.party("stranger", *Role)
    assert checked(tmp_path, exported(stranger, "jsonl", dataset=DATASET), policy)["entriesChecked"] == 0


def test_nothing_is_exported_with_proofs_before_a_head_is_signed(parties: tuple[Hub, Party, Party]) -> None:
    _, provider, _ = parties
    assert provider.get("/v1/log-exports", params={"as": "csv"}).status_code == 409


def test_ocsf_names_classes_and_nen_its_fields(parties: tuple[Hub, Party, Party]) -> None:
    hub, provider, consumer = parties
    [attempt] = reads(hub, provider, consumer)
    with hub.context(Actor(client_id=consumer.client_id, participant_id=consumer.id)) as ctx:
        about = About(
            provider_id=provider.id, consumer_id=consumer.id, dataset_id=DATASET, of_entry_id=attempt, rows=5
        )
        record(ctx, "data.deliver", about, outcome=Outcome.FINISHED)
    sequenced(hub)
    with zipfile.ZipFile(io.BytesIO(exported(provider, "ocsf", dataset=DATASET))) as archive:
        read, delivered = map(orjson.loads, archive.read("entries.ocsf.jsonl").splitlines())
    assert (read["class_uid"], read["type_uid"], read["status"]) == (6003, 600302, "Success")
    assert read["data_exchange"]["purpose_of_use"] == RESEARCH
    assert (delivered["class_uid"], delivered["type_uid"]) == (6005, 600501)
    assert delivered["table"]["uid"] == DATASET
    assert "unmapped" not in delivered
    with zipfile.ZipFile(io.BytesIO(exported(provider, "nen7513", dataset=DATASET))) as archive:
        read, _ = map(orjson.loads, archive.read("entries.nen7513.jsonl").splitlines())
    assert (read["EventActionCode"], read["EventOutcomeIndicator"]) == ("R", 0)
    assert read["users"][0]["purposeOfUse"] == RESEARCH
    assert read["participants"][0]["participantObjectID"] == DATASET


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields.get("event") == "entry":
            found.append((fields["id"], orjson.loads(fields["data"])))
    return found


def test_the_stream_goes_on_exactly_where_it_ended(
    parties: tuple[Hub, Party, Party], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, provider, consumer = parties
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.0)
    made = reads(hub, provider, consumer, 3)
    sequenced(hub)
    query = {"dataset": DATASET, "seconds": "1", "reason": "watching"}
    first = provider.get("/v1/log-entries/stream", params=query, headers={"Last-Event-ID": "0-0"})
    assert first.headers["content-type"].startswith("text/event-stream")
    assert [entry["id"] for _, entry in events(first.text)] == made
    assert ": heartbeat" in first.text
    assert all("actorPersonId" not in entry for _, entry in events(first.text))
    place = events(first.text)[1][0]
    again = provider.get("/v1/log-entries/stream", params=query, headers={"Last-Event-ID": place})
    assert [entry["id"] for _, entry in events(again.text)] == made[2:]
    assert events(provider.get("/v1/log-entries/stream", params=query).text) == []
    stranger = hub.party("stranger", *Role)
    assert (
        events(stranger.get("/v1/log-entries/stream", params=query, headers={"Last-Event-ID": "0-0"}).text)
        == []
    )
    looks = provider.done("GET", "/v1/log-entries", 200, params={"action": "log.stream"})["items"]
    assert looks[0]["details"]["reason"] == "watching"


def test_a_stream_ends_with_the_right_to_read(parties: tuple[Hub, Party, Party]) -> None:
    hub, _, _ = parties
    late = Actor(token_expires_at=hub.clock() - timedelta(1))
    follow = stream._Follow(hub.app.state.door, None, late, EntryFilter(), START, "t")
    assert follow.next() is None


def test_streams_are_bounded(parties: tuple[Hub, Party, Party], monkeypatch: pytest.MonkeyPatch) -> None:
    _, provider, _ = parties
    monkeypatch.setattr(stream, "MOST_OF_ONE", 0)
    answer = provider.get("/v1/log-entries/stream", params={"seconds": "1"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]

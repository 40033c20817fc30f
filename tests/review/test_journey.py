"""From what happened to a verdict: rules find, a reviewer asks, the organisation that acted answers; and persons' reports."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from datahub.audit import About, Outcome, record, record_subjects, sequencer
from datahub.audit.tlog.tiles import bundles_of, tiles_of
from datahub.cli.log.subjects import subject_scan
from datahub.consent import digest_of_key
from datahub.kernel.context import Actor
from datahub.kernel.ids import new_id
from datahub.participants import Role
from tests.hub import Hub, Party

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
DATASET = new_id()


def an_about(provider: Party, consumer: Party, **more: Any) -> About:
    return About(
        provider_id=provider.id, consumer_id=consumer.id, dataset_id=DATASET, purpose=RESEARCH, **more
    )


def reads(
    hub: Hub, provider: Party, consumer: Party, count: int, outcome: Outcome = Outcome.PERMIT
) -> list[str]:
    actor = Actor(client_id=consumer.client_id, participant_id=consumer.id, person_id="a-person")
    with hub.context(actor) as ctx:
        about = an_about(provider, consumer)
        return [record(ctx, "data.read", about, outcome=outcome, code="x").id for _ in range(count)]


def sequenced(hub: Hub) -> None:
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)


def test_what_is_found_is_judged_and_every_step_is_in_the_log(hub: Hub) -> None:
    provider, consumer, stranger = (hub.party(name, *Role) for name in ("provider", "consumer", "stranger"))
    entries = reads(hub, provider, consumer, 12, Outcome.DENY)
    sequenced(hub)
    hub.work()
    [finding] = provider.done("GET", "/v1/log-findings", 200)["items"]
    assert (finding["rule"], finding["seen"]["refusals"]) == ("deny-burst", 12)
    assert finding["entries"] == entries
    assert finding["explanation"]["en"] == "12 refusals within 10 minutes."
    reads(hub, provider, consumer, 1, Outcome.DENY)
    sequenced(hub)
    hub.work()  # the same day, the same burst: found once
    assert len(provider.done("GET", "/v1/log-findings", 200)["items"]) == 1
    assert consumer.done("GET", "/v1/log-findings", 200)["items"] == []

    [review] = provider.done("GET", "/v1/log-reviews", 200, params={"state": "open"})["items"]
    where = f"/v1/log-reviews/{review['id']}"
    assert review["findingId"] == finding["id"]
    assert consumer.get(where).status_code == 404  # until they are asked
    moves = f"{where}/transitions"
    provider.done("POST", moves, 201, json={"move": "assign", "assignee": "Ann"})
    assert provider.post(moves, json={"move": "answer", "reason": "x"}).status_code == 403
    assert provider.post(moves, json={"move": "reopen"}).status_code == 409
    assert provider.post(moves, json={"move": "ask"}).status_code == 400
    provider.done("POST", moves, 201, json={"move": "ask", "reason": "Why so often?"})
    shown = consumer.done("GET", where, 200)
    assert (shown["question"], shown["assignee"]) == ("Why so often?", None)
    assert stranger.get(where).status_code == 404
    consumer.done("POST", moves, 201, json={"move": "answer", "reason": "A broken script."})
    closed = provider.done("POST", moves, 201, json={"move": "close", "verdict": "justified"})
    assert (closed["state"], closed["answer"]) == ("closed", "A broken script.")
    told = provider.done("GET", moves, 200)["items"]
    assert [each["move"] for each in told] == ["assign", "ask", "answer", "close"]
    assert [each["move"] for each in consumer.done("GET", moves, 200)["items"]] == ["ask", "answer"]
    logged = provider.done("GET", "/v1/log-entries", 200, params={"thing": review["id"]})["items"]
    assert {each["action"] for each in logged} == {
        f"review.{m}" for m in ("assign", "ask", "answer", "close")
    }


def test_a_sample_takes_each_entry_once(sqlite_hub: Hub) -> None:
    hub = sqlite_hub
    provider, consumer = hub.party("provider", *Role), hub.party("consumer", *Role)
    reads(hub, provider, consumer, 5)
    first = provider.done("POST", "/v1/log-reviews", 201, json={"size": 3})["items"]
    second = provider.done("POST", "/v1/log-reviews", 201, json={"size": 10})["items"]
    assert (len(first), len(second)) == (3, 2)
    assert len({each["entryId"] for each in [*first, *second]}) == 5
    assert hub.party("other", Role.REQUESTER).post("/v1/log-reviews", json={"size": 3}).status_code == 403


def a_copy(hub: Hub, folder: Path) -> Path:
    """Fetch the whole log into a folder, as anybody can."""
    (folder / "copy").mkdir()
    note = hub.http.get("/log/checkpoint").text
    size = int(note.splitlines()[1])
    for path in ("checkpoint", "trust-policy", *(t.path for t in (*tiles_of(size), *bundles_of(size)))):
        file = folder / "copy" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(hub.http.get(f"/log/{path}").content)
    return folder / "copy"


@pytest.fixture
def reported(hub: Hub) -> tuple[Hub, Party, Party, dict[str, Any]]:
    provider, consumer = hub.party("provider", *Role), hub.party("consumer", *Role)
    actor = Actor(client_id=consumer.client_id, participant_id=consumer.id, person_id="a-person")
    mine, other = (digest_of_key(hub.settings, provider.id, "bsn", key) for key in ("900000001", "900000002"))
    with hub.context(actor) as ctx:
        about = an_about(provider, consumer)
        for people in ([mine], [mine, other], [other], [mine, mine]):
            attempt = record(ctx, "data.read", about, outcome=Outcome.PERMIT)
            record_subjects(ctx, attempt.id, about, "bsn", people)
        assert record_subjects(ctx, attempt.id, about, "bsn", []) == []
    sequenced(hub)
    body = {"keySpace": "bsn", "subject": "900000001", "reason": "GDPR art. 15"}
    report = provider.done("POST", "/v1/log-subject-reports", 200, json=body)
    return hub, provider, consumer, report


def test_a_person_learns_who_used_their_data_and_that_nothing_is_withheld(
    reported: tuple[Hub, Party, Party, dict[str, Any]], tmp_path: Path
) -> None:
    hub, _, consumer, report = reported
    assert [each["consumerId"] for each in report["items"]] == [consumer.id] * 3
    assert {each["purpose"] for each in report["items"]} == {RESEARCH}
    assert all(each["receipt"].startswith("c2sp.org/tlog-proof@v1") for each in report["items"])
    assert "a-person" not in json.dumps(report)
    assert "900000001" not in json.dumps(report)
    log = a_copy(hub, tmp_path)

    def scanned(told: dict[str, Any]) -> dict[str, Any]:
        (tmp_path / "report.json").write_text(json.dumps(told))
        given = [
            str(log),
            "--report",
            str(tmp_path / "report.json"),
            "--policy",
            str(log / "trust-policy"),
            "--json",
        ]
        result = CliRunner().invoke(subject_scan, given)
        found: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == (0 if found["result"] == "verified" else 1), result.output
        return found

    found = scanned(report)
    assert found["result"] == "verified", found
    assert any("nothing that was logged is withheld" in each for each in found["proven"])
    [withheld] = scanned({**report, "items": report["items"][1:]})["findings"]
    assert withheld["code"] == "withheld"
    assert withheld["where"] == f"entry {report['items'][0]['leafIndex']}"
    foreign = {**report["items"][0], "leafIndex": 0}
    assert (
        scanned({**report, "items": [*report["items"], foreign]})["findings"][0]["code"] == "not-about-them"
    )
    alone = CliRunner().invoke(subject_scan, [str(log), "--key", report["subjectKey"]])
    assert alone.exit_code == 0
    assert alone.stdout.count("entry ") == 3


def test_reports_are_for_the_provider_and_the_exchange_and_persons_are_named_by_decision_only(
    reported: tuple[Hub, Party, Party, dict[str, Any]],
) -> None:
    hub, provider, consumer, report = reported
    body = {"provider": provider.id, "keySpace": "bsn", "subject": "900000001", "reason": "x"}
    assert consumer.post("/v1/log-subject-reports", json=body).status_code == 403
    assert len(hub.auditor.done("POST", "/v1/log-subject-reports", 200, json=body)["items"]) == 3
    nobody = {**body, "subject": "900000009"}
    assert provider.post("/v1/log-subject-reports", json=nobody).status_code == 404
    looked = provider.done("GET", "/v1/log-entries", 200, params={"action": "log.report"})["items"]
    assert looked[-1]["details"]["reason"] == "GDPR art. 15"
    entry = report["items"][0]["entryId"]
    naming = f"/v1/log-entries/{entry}/person-disclosures"
    assert provider.post(naming, json={"reason": "x"}).status_code == 403
    assert hub.admin.post(naming, json={"reason": "a court asks"}).status_code == 404  # nobody by that id


def test_more_people_than_an_entry_holds_get_more_entries(
    sqlite_hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = sqlite_hub
    monkeypatch.setattr("datahub.audit.subjects.MAX_SUBJECTS", 3)
    provider, consumer = hub.party("provider", *Role), hub.party("consumer", *Role)
    with hub.context(Actor(client_id="x", participant_id=consumer.id)) as ctx:
        about = an_about(provider, consumer)
        made = record_subjects(ctx, new_id(), about, "bsn", [bytes([n]) * 16 for n in range(8)])
        again = record_subjects(ctx, new_id(), about, "bsn", [bytes([n]) * 16 for n in range(8)])
    assert [len(each.subjects or ()) for each in made] == [3, 3, 2]
    assert [each.subjects for each in again] == [each.subjects for each in made]

"""Witnessing over HTTP: as a log asks for it, and as an administrator sets it up."""

from pathlib import Path

import pytest

from datahub.audit.tlog.keys import VerifierKey
from datahub.audit.tlog.notes import Note, parse_signatures
from datahub.audit.tlog.trust_policy import TrustPolicy
from datahub.audit.tlog.verification import Findings, audit_tree, check_head
from tests.audit.tlog.written import ED25519, ORIGIN, WITNESSES, WrittenLog, a_log, signed
from tests.hub import Hub
from tests.witness.test_service import request_of


def test_a_log_is_registered_and_cosigned_over_http(hub: Hub) -> None:
    added = hub.admin.done(
        "POST", "/v1/witness/logs", 201, json={"origin": ORIGIN, "vkeys": [ED25519.key.vkey]}
    )
    log = a_log(7)
    answer = hub.http.post("/witness/add-checkpoint", content=request_of(log, 0))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    keys = [VerifierKey.parse(line) for line in hub.http.get("/witness/vkeys").text.splitlines()]
    cosigned = Note(log.head.text, parse_signatures(answer.text)).verify(keys)
    assert [each.key for each in cosigned] == keys
    shown = hub.http.get("/v1/witness/logs").json()
    assert shown["vkeys"] == [key.vkey for key in keys]
    assert [(each["id"], each["size"]) for each in shown["items"]] == [(added["id"], 7)]
    assert Note.parse(shown["items"][0]["checkpoint"].encode()).verify(keys)

    fork = WrittenLog().grow([b"other"] * 7)
    answer = hub.http.post("/witness/add-checkpoint", content=request_of(fork, 7))
    assert (answer.status_code, answer.text) == (409, "7\n")
    assert answer.headers["content-type"] == "text/x.tlog.size"
    (evidence,) = hub.http.get(f"/v1/witness/logs/{added['id']}/evidence").json()["items"]
    assert evidence["verdict"] == "fork"
    assert Note.parse(evidence["held"].encode()).verify([ED25519.key])
    assert signed(fork.head, ()).text in evidence["sent"]


@pytest.mark.parametrize("key", [WITNESSES[0].key.vkey, "no+key+atall", ED25519.key.vkey.replace("A", "B")])
def test_a_key_that_signs_no_log_is_refused(sqlite_hub: Hub, key: str) -> None:
    answer = sqlite_hub.admin.call("POST", "/v1/witness/logs", json={"origin": ORIGIN, "vkeys": [key]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-verifier-key")
    assert answer.json()["errors"][0]["pointer"].endswith("/vkeys/0")


def test_a_body_that_is_too_long_is_refused(sqlite_hub: Hub, tmp_path: Path) -> None:
    answer = sqlite_hub.http.post("/witness/add-checkpoint", content=b"old 0\n" + b"x" * 600_000)
    assert answer.status_code == 400
    assert sqlite_hub.http.post("/witness/add-checkpoint", content=b"x" * (2 << 20)).status_code == 413


def test_an_exchange_witnesses_its_own_log_from_the_first_entry_to_the_receipt(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: entries, head, worker, witness, trust policy; then anybody's verification of all of it."""
    vkeys = hub.http.get("/witness/vkeys").text.splitlines()
    hub.work()
    own = TrustPolicy.parse(hub.http.get("/log/trust-policy").content)
    keys = [log.key.vkey for log in own.logs]
    hub.admin.done("POST", "/v1/witness/logs", 201, json={"origin": own.logs[0].key.name, "vkeys": keys})
    url = "http://127.0.0.1:9/witness"
    witness = {"name": "itself", "vkeys": vkeys, "url": url}
    hub.admin.done("POST", "/v1/witness/witnesses", 201, json=witness)
    alone = hub.http.get("/v1/log/status").json()
    assert (alone["state"], alone["quorum"], alone["isQuorumMet"]) == ("unwitnessed", 1, False)
    assert "1 of 1" in alone["says"]
    assert "\ndatahub_log_quorum 1\n" in hub.http.get("/metrics").text
    assert "\ndatahub_log_ok 0\n" in hub.http.get("/metrics").text

    def send(settings: object, url: str, body: bytes, headers: object) -> tuple[int, bytes]:
        answer = hub.http.post("/witness/add-checkpoint", content=body)
        return answer.status_code, answer.content

    monkeypatch.setattr("datahub.kernel.http.send", send)
    for _ in range(3):
        hub.clock.forward(seconds=11)
        hub.work()
    (row,) = hub.http.get("/v1/witness/witnesses").json()["items"]
    assert row["failure"] is None
    assert row["size"] > 0
    watched = hub.http.get("/v1/log/status").json()
    assert (watched["state"], watched["witnesses"], watched["isQuorumMet"]) == ("ok", 1, True)
    policy = TrustPolicy.parse(hub.http.get("/log/trust-policy").content)
    assert policy.quorum == "most"
    findings = Findings()

    def fetch(path: str) -> bytes | None:
        answer = hub.http.get(f"/log/{path}")
        return answer.content if answer.status_code == 200 else None

    trusted = check_head(fetch("checkpoint"), policy, findings)
    assert trusted is not None
    audit_tree(trusted.head, fetch, findings)
    assert findings.found == []
    assert set(trusted.witnesses) == {"w1-1", "w1-2"}

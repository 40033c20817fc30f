"""Webhooks against a real receiver on loopback: signed, thin, sent again when not taken, switched off by 410."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from datahub.participants import Role
from tests.hub import Hub, Party


class Receiver:
    """Keeps what it is sent and answers with the statuses it was given, the last one for ever."""

    def __init__(self) -> None:
        self.statuses = [204]
        self.taken: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class _Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.statuses[0] if len(receiver.statuses) == 1 else receiver.statuses.pop(0)
                self.send_response(status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def _told(hub: Hub, receiver: Receiver) -> Party:
    own = hub.party("waterschap", Role.ADMIN)
    own.done("POST", f"/v1/participants/{own.id}/webhooks", 201, json={"url": receiver.url})
    return own


def _move(hub: Hub, party: Party, move: str) -> None:
    hub.admin.done(
        "POST", f"/v1/participants/{party.id}/transitions", 201, json={"move": move, "reason": "test"}
    )


def test_an_organisation_is_told_and_can_verify_who_told_it(hub: Hub, receiver: Receiver) -> None:
    own = _told(hub, receiver)
    key = own.done("GET", f"/v1/participants/{own.id}/webhooks", 200)["publicKey"]
    _move(hub, own, "suspend")
    hub.work()
    [(headers, body)] = receiver.taken
    message = json.loads(body)
    assert (message["type"], message["data"]["to"]) == ("participant.moved", "suspended")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    signature = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    Ed25519PublicKey.from_public_bytes(base64.b64decode(key.removeprefix("whpk_"))).verify(signature, signed)


def test_a_message_that_was_not_taken_is_sent_again_with_the_same_id(hub: Hub, receiver: Receiver) -> None:
    own = _told(hub, receiver)
    receiver.statuses = [500, 302, 200]
    _move(hub, own, "suspend")
    hub.work()
    hub.clock.forward(seconds=6)
    hub.work()
    hub.clock.forward(minutes=6)
    hub.work()
    hub.clock.forward(hours=1)
    hub.work()
    assert len(receiver.taken) == 3, "a redirect is a failure, and success ends it"
    assert len({headers["webhook-id"] for headers, _ in receiver.taken}) == 1


def test_gone_switches_a_webhook_off(hub: Hub, receiver: Receiver) -> None:
    own = _told(hub, receiver)
    receiver.statuses = [410]
    _move(hub, own, "suspend")
    hub.work()
    _move(hub, own, "reinstate")
    hub.work()
    assert len(receiver.taken) == 1
    [webhook] = own.done("GET", f"/v1/participants/{own.id}/webhooks", 200)["items"]
    assert webhook["isActive"] is False


def test_a_removed_webhook_hears_nothing(hub: Hub, receiver: Receiver) -> None:
    own = _told(hub, receiver)
    _move(hub, own, "suspend")
    _move(hub, own, "reinstate")
    where = f"/v1/participants/{own.id}/webhooks"
    [webhook] = own.done("GET", where, 200)["items"]
    own.done("DELETE", f"{where}/{webhook['id']}", 204, headers={"If-Match": '"1"'})
    hub.work()
    assert receiver.taken == []


def test_a_webhook_inside_the_private_network_is_refused(migrated_sqlite_url: str, tmp_path: Any) -> None:
    from tests.hub import a_hub

    with a_hub(tmp_path, migrated_sqlite_url, is_egress_private=False) as hub:
        own = hub.party("waterschap", Role.ADMIN)
        answer = own.post(
            f"/v1/participants/{own.id}/webhooks", json={"url": "http://169.254.169.254/latest"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "address-not-allowed")

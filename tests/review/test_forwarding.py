"""The log goes on to other systems: every entry in the order of the tree, none passed over, over real sockets."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from datahub.audit import sequencer
from datahub.review.jobs import forward
from tests.hub import Hub, a_hub


@dataclass
class Received:
    """What a receiver got, by connection or request, and how it answers."""

    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def collector() -> Iterator[tuple[str, Received]]:
    """An HTTP receiver."""
    received = Received()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's name for it
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/log", received
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def a_syslog_receiver(wrap: Callable[[socket.socket], socket.socket]) -> Iterator[tuple[int, Received]]:
    """A receiver that reads each connection to its end."""
    received = Received()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain = listening.accept()[0]
            except OSError:
                return
            with wrap(plain) as connection:
                body = b""
                while piece := connection.recv(65536):
                    body += piece
            received.bodies.append(body)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1], received
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def sequenced(hub: Hub) -> None:
    hub.clock.forward(seconds=2)
    sequencer.work(hub.engine, hub.settings, hub.clock)


def messages(stream: bytes) -> list[dict[str, Any]]:
    """Take octet-counted syslog messages apart (RFC 6587 §3.4.1) and return their OCSF events."""
    found = []
    while stream:
        length, _, stream = stream.partition(b" ")
        message, stream = stream[: int(length)], stream[int(length) :]
        assert message.startswith((b"<109>1 ", b"<110>1 "))
        found.append(json.loads(message.partition(b"\xef\xbb\xbf")[2]))
    return found


def in_the_tree(hub: Hub) -> list[str]:
    with hub.engine.connect() as connection:
        found = connection.exec_driver_sql("select entry_id from log_leaf order by log, leaf_index").scalars()
        return list(found)


def test_every_entry_goes_on_once_in_order_whatever_fails_between(
    hub: Hub, collector: tuple[str, Received]
) -> None:
    url, received = collector
    admin = hub.admin
    made = admin.done("POST", "/v1/log-forwards", 201, json={"url": url, "start": "beginning"})
    assert (made["log"], made["leafIndex"]) == (0, -1)
    sequenced(hub)
    received.status = 503
    hub.work()
    shown = admin.done("GET", f"/v1/log-forwards/{made['id']}", 200)
    assert shown["failure"].startswith("503 from")
    assert shown["leafIndex"] == -1
    received.bodies.clear()
    received.headers.clear()
    received.status = 204
    forward(hub.engine, hub.settings, {"forwardId": made["id"]}, hub.clock(), at_once=3)
    before = len(received.bodies)
    assert before > 1
    hub.clock.forward(seconds=10)
    hub.work()  # the outbox tries again, with what is new by now
    sequenced(hub)
    hub.clock.forward(seconds=10)
    hub.work()
    got = [json.loads(line)["metadata"]["uid"] for body in received.bodies for line in body.splitlines()]
    assert len(got) > 6
    assert got == in_the_tree(hub)[: len(got)]
    assert all(body.count(b"\n") <= 3 for body in received.bodies[:before])
    assert {each["content-type"] for each in received.headers} == {"application/x-ndjson"}
    assert all(each["webhook-signature"].startswith("v1a,") for each in received.headers)
    assert len({each["webhook-id"] for each in received.headers}) == len(received.bodies)
    shown = admin.done("GET", f"/v1/log-forwards/{made['id']}", 200)
    assert (shown["failure"], shown["leafIndex"]) == (None, len(got) - 1)


def test_what_is_paused_waits_and_what_is_removed_is_over(
    sqlite_hub: Hub, collector: tuple[str, Received]
) -> None:
    url, received = collector
    admin = sqlite_hub.admin
    where = f"/v1/log-forwards/{admin.done('POST', '/v1/log-forwards', 201, json={'url': url})['id']}"
    sequenced(sqlite_hub)
    assert admin.done("POST", f"{where}/transitions", 201, json={"move": "pause"})["isActive"] is False
    sqlite_hub.work()
    assert received.bodies == []
    admin.done("POST", f"{where}/transitions", 201, json={"move": "resume"})
    sequenced(sqlite_hub)
    sqlite_hub.work()
    [body] = received.bodies
    actions = [json.loads(line)["api"]["operation"] for line in body.splitlines()]
    assert {"log.forward-add", "log.forward-pause", "log.forward-resume"} <= set(actions)
    etag = admin.get(where).headers["etag"]
    admin.done("DELETE", where, 204, headers={"If-Match": etag})
    sequenced(sqlite_hub)
    sqlite_hub.work()
    assert len(received.bodies) == 1
    assert admin.get(where).status_code == 404


@pytest.mark.parametrize("is_tls", [False, True], ids=["tcp", "tls"])
def test_syslog_gets_framed_messages(
    sqlite_hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_tls: bool
) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if is_tls:
        certificate = a_certificate(tmp_path)
        server_side.load_cert_chain(certificate)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wrap = (
        (lambda plain: server_side.wrap_socket(plain, server_side=True)) if is_tls else (lambda plain: plain)
    )
    with a_syslog_receiver(wrap) as (port, received):
        admin = sqlite_hub.admin
        url = f"syslog+{'tls' if is_tls else 'tcp'}://127.0.0.1:{port}"
        made = admin.done("POST", "/v1/log-forwards", 201, json={"url": url, "start": "beginning"})
        sequenced(sqlite_hub)
        sqlite_hub.work()
        shown = admin.done("GET", f"/v1/log-forwards/{made['id']}", 200)
    assert (shown["failure"], len(received.bodies)) == (None, 1)
    got = [each["metadata"]["uid"] for each in messages(received.bodies[0])]
    assert got == in_the_tree(sqlite_hub)[: len(got)]
    assert shown["leafIndex"] == len(got) - 1


def test_a_receiver_that_is_not_there_is_named(sqlite_hub: Hub) -> None:
    admin = sqlite_hub.admin
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"syslog+tcp://127.0.0.1:{free.getsockname()[1]}"
    made = admin.done("POST", "/v1/log-forwards", 201, json={"url": url})
    sequenced(sqlite_hub)
    sqlite_hub.work()
    shown = admin.done("GET", f"/v1/log-forwards/{made['id']}", 200)
    assert shown["failure"].startswith("ConnectionRefusedError at 127.0.0.1:")


@pytest.mark.parametrize(
    "url",
    [
        "http://collector.example/log",
        "https://user:secret@collector.example/log",
        "syslog+tcp://collector.example",
        "syslog+tls://collector.example:25",
        "syslog+tls://collector.example/path",
        "syslog+tls://user@collector.example",
        "syslog+tls://:6514",
    ],
)
def test_an_address_that_is_not_for_forwarding_is_refused(
    migrated_sqlite_url: str, tmp_path: Path, url: str
) -> None:
    with a_hub(tmp_path, migrated_sqlite_url, is_egress_private=False) as hub:
        answer = hub.admin.post("/v1/log-forwards", json={"url": url})
        assert answer.status_code == 400, answer.text


def a_certificate(folder: Path) -> Path:
    """Write a key and its own certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "collector")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "collector.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path

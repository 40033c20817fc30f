"""Services that fail, lie, drip, flood or lead elsewhere: each call ends in a clear problem and a clear record."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hub import Hub, a_hub
from tests.live.conftest import SECRET, Stage, a_live_api, a_stage
from tests.live.upstream import GOOD, Service, an_answer, drip, flood, hang

OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answering = Callable[[Service], "bytes | Callable[[socket.socket], None]"]
CASES: dict[str, tuple[Answering, int, str, str]] = {
    "hangs": (hang, 504, "upstream-too-slow", "too-slow"),
    "drips its head": (lambda s: drip(s, b"HTTP/1.1 200 OK\r\nX-A: "), 504, "upstream-too-slow", "too-slow"),
    "drips its body": (
        lambda s: drip(s, OK_HEAD + b"Content-Length: 99999\r\n\r\n["),
        504,
        "upstream-too-slow",
        "too-slow",
    ),
    "floods": (flood, 502, "upstream-failed", "too-large"),
    "is huge": (lambda _: an_answer(b"[" + b"1," * 90_000 + b"1]"), 502, "upstream-failed", "too-large"),
    "promises more than it sends": (
        lambda _: an_answer(b"[]", length=500),
        502,
        "upstream-failed",
        "unreachable",
    ),
    "lies about its length": (
        lambda _: OK_HEAD + b"Content-Length: many\r\n\r\n[]",
        502,
        "upstream-failed",
        "unreachable",
    ),
    "breaks its chunks": (
        lambda _: OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n[]",
        502,
        "upstream-failed",
        "unreachable",
    ),
    "says nothing": (lambda _: b"", 502, "upstream-failed", "unreachable"),
    "speaks another language": (lambda _: b"SSH-2.0-x\r\n", 502, "upstream-failed", "unreachable"),
    "sends no JSON": (lambda _: an_answer(b"{oops"), 502, "upstream-failed", "not-as-described"),
    "sends deep JSON": (lambda _: an_answer(b"[" * 5000), 502, "upstream-failed", "not-as-described"),
    "has no rows there": (lambda _: an_answer(b'{"result": 1}'), 502, "upstream-failed", "not-as-described"),
    "sends other types": (
        lambda _: an_answer(b'{"result": {"items": [{"id": "Anna Secret"}]}}'),
        502,
        "upstream-failed",
        "not-as-described",
    ),
    "sends HTML": (lambda _: an_answer(b"<html>", kind="text/html"), 502, "upstream-failed", "media-type"),
    "packs its answer": (
        lambda _: an_answer(b"x", more="Content-Encoding: gzip\r\n"),
        502,
        "upstream-failed",
        "encoding",
    ),
    "redirects": (
        lambda s: an_answer(b"", status="302 Found", more=f"Location: {s.url}/else\r\n"),
        502,
        "upstream-failed",
        "redirect",
    ),
    "refuses the credential": (
        lambda _: an_answer(SECRET.encode(), status="401 Unauthorized"),
        502,
        "upstream-failed",
        "status",
    ),
    "breaks": (lambda _: an_answer(b"stack trace", status="500 Oops"), 502, "upstream-failed", "status"),
    "is busy": (lambda _: an_answer(b"", status="429 Slow down"), 502, "upstream-failed", "busy"),
    "knows nothing": (lambda _: an_answer(b"", status="404 Not Found"), 404, "upstream-not-found", ""),
    "refuses the call": (lambda _: an_answer(b"", status="400 Bad"), 400, "upstream-refused-call", ""),
}


def test_every_wrong_way_ends_in_a_problem_and_a_record(sqlite_hub: Hub, service: Service) -> None:
    stage = a_stage(
        sqlite_hub, service, limits={"timeS": 0.8, "responseBytes": 100_000, "callsPerMinute": 1000}
    )
    token = stage.agreed()
    before = threading.active_count()
    for name, (answering, status, code, reason) in CASES.items():
        service.answer = answering(service)
        answer = stage.call(token=token)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (name, answer.text)
        assert answer.json().get("reason", "") == reason, (name, answer.text)
        assert SECRET not in answer.text, name
        assert "Anna" not in answer.text, name
        assert service.url not in answer.text, name
        _, outcome = stage.world.last()
        assert (str(outcome.outcome), outcome.code, outcome.bytes) == ("aborted", code, 0), name
    service.answer = GOOD
    service.leaving.set()
    assert stage.call(token=token).status_code == 200
    files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        stage.call(token=token)
    assert len(list(Path("/proc/self/fd").iterdir())) <= files + 2
    assert threading.active_count() <= before + 45  # the pool of the server's own threads, and no more


def test_a_service_that_is_not_there(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where, provider = stage.where, stage.world.provider
    etag = {"If-Match": provider.get(where).headers["etag"]}
    gone = a_live_api(stage.service, baseUrl=f"http://127.0.0.1:{port}")
    provider.done("PUT", where, 200, json=gone, headers=etag)
    answer = stage.call(token=stage.agreed())
    assert (answer.status_code, answer.json()["reason"]) == (502, "unreachable")


def test_a_certificate_that_proves_nothing(stage: Stage, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            try:
                connection, _ = listening.accept()
                with connection, context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(100)
            except OSError:
                return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        where, provider = stage.where, stage.world.provider
        etag = {"If-Match": provider.get(where).headers["etag"]}
        url = f"https://localhost:{listening.getsockname()[1]}"
        provider.done("PUT", where, 200, json=a_live_api(stage.service, baseUrl=url), headers=etag)
        answer = stage.call(token=stage.agreed())
        thread.join(10)
    assert (answer.status_code, answer.json()["reason"]) == (502, "unreachable")


def test_addresses_inside_are_not_connected_to(
    migrated_sqlite_url: str, tmp_path: Path, service: Service
) -> None:
    with a_hub(tmp_path, migrated_sqlite_url, is_egress_private=False) as hub:
        stage = a_stage(hub, service, baseUrl="https://localhost")
        answer = stage.call(token=stage.agreed())
        assert (answer.status_code, answer.json()["reason"]) == (502, "address-not-allowed")
        where, provider = stage.where, stage.world.provider
        etag = {"If-Match": provider.get(where).headers["etag"]}
        for url in ("http://example.org", "https://example.org:22", "https://u:p@example.org"):
            refused = provider.call("PUT", where, json=a_live_api(service, baseUrl=url), headers=etag)
            assert (refused.status_code, refused.json()["code"]) == (400, "address-not-allowed")
    assert service.heard == []


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "self.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return path

"""The page that verifies a receipt, in a real browser with its own cryptography."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI

import datahub.web
from tests.audit.tlog.written import POLICY, WITNESSES, a_log, signed
from tests.browser import chrome
from tests.browser.chrome import Page
from tests.server import free_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chrome.find() is None, reason="there is no Chromium on this machine"),
]
LOG = a_log(600)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The pages for people, served as the exchange serves them."""
    app, port = FastAPI(), free_port()
    app.include_router(datahub.web.router)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}/log/verify"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(url: str, tmp_path: Path) -> Iterator[Page]:
    with chrome.opened(chrome.find() or "", url, tmp_path / "profile") as page:
        yield page


def verify(page: Page, folder: Path, receipt: bytes, policy: bytes = POLICY.encode()) -> tuple[str, str]:
    (folder / "a.tlog-proof").write_bytes(receipt)
    (folder / "trust-policy").write_bytes(policy)
    page.choose("#receipt", [folder / "a.tlog-proof"])
    page.choose("#policy", [folder / "trust-policy"])
    page.evaluate("document.getElementById('result').removeAttribute('data-result')")
    page.evaluate("document.querySelector('button').click()")
    result = page.wait_for("document.getElementById('result').dataset.result")
    return result, page.evaluate("document.getElementById('result').innerText")


def test_a_receipt_is_verified_and_a_changed_one_is_not(page: Page, tmp_path: Path) -> None:
    for index in (0, 255, 417, 599):
        result, words = verify(page, tmp_path, LOG.receipt(index).encode())
        assert result == "verified", words
        assert f"number {index} of 600" in words
        assert "Cosigned by w1 at 2027-01-15T08:00:00.000Z" in words
        assert LOG.entries[index].decode() in words
    page.screenshot(tmp_path / "verified.png")
    good = LOG.receipt(417)
    raw = good.encode()
    for changed, why in (
        (raw.replace(b"index 417", b"index 416"), "not under the root"),
        (raw.replace(b"\n600\n", b"\n601\n"), "not under the root|too short|too long|is false"),
        (type(good)(417, good.hashes, good.checkpoint, b"never happened").encode(), "not under the root"),
        (type(good)(417, good.hashes[:-1], good.checkpoint, good.extra).encode(), "too short"),
        (
            type(good)(417, good.hashes, signed(LOG.head, WITNESSES[:1]), good.extra).encode(),
            "did not all cosign",
        ),
        (b"nonsense", "not a receipt"),
    ):
        result, words = verify(page, tmp_path, changed)
        assert result == "failed"
        assert any(part in words for part in why.split("|")), words
    result, words = verify(page, tmp_path, raw, b"quorum none\n")
    assert (result, "no log of the trust policy" in words) == ("failed", True)
    page.screenshot(tmp_path / "failed.png")
    assert page.complaints == []


def test_a_flipped_bit_of_a_signature_is_false(page: Page, tmp_path: Path) -> None:
    raw = LOG.receipt(5).encode().decode()
    lines = raw.split("\n")
    for number in (
        n for n, line in enumerate(lines) if line.startswith("\u2014 w") or (" " in line and len(line) < 200)
    ):
        line = lines[number]
        if not line.startswith("\u2014 "):
            continue
        place = len(line) - 30
        swapped = "A" if line[place] != "A" else "B"
        changed = [*lines[:number], line[:place] + swapped + line[place + 1 :], *lines[number + 1 :]]
        result, words = verify(page, tmp_path, "\n".join(changed).encode())
        assert (result, "is false" in words) == ("failed", True), words

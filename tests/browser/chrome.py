"""A real Chromium, driven over its own pipe (Chrome DevTools Protocol): no driver, no port, no library."""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE_S = 60


def find() -> str | None:
    """Return the browser of this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Page:
    """One tab: every call waits for its answer; what the page itself logs as wrong is kept."""

    to: int
    answers: int
    session: str = ""
    number: int = 0
    buffer: bytes = b""
    complaints: list[str] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(answer["params"]))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> Any:
        while b"\0" not in self.buffer:
            read = os.read(self.answers, 1 << 20)
            assert read, "the browser ended"
            self.buffer += read
        one, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(one)

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Choose files, as a person does in an input."""
        document = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(each) for each in files])

    def wait_for(self, expression: str) -> Any:
        """Return the value of an expression once it is true."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f"{expression} never came true"
            time.sleep(0.05)
        return value

    def screenshot(self, file: Path) -> None:
        """Keep what the page looks like."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def opened(browser: str, url: str, profile: Path) -> Iterator[Page]:
    """Open a page in a browser of its own."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    words = [
        browser, "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--no-sandbox",
        "--disable-dev-shm-usage", "--disable-background-networking", "--window-size=900,1000",
        f"--user-data-dir={profile}",
    ]  # fmt: skip
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{in_read} 4>&{out_write}', "bash", *words],
        pass_fds=(in_read, out_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(in_read)
    os.close(out_write)
    try:
        page = Page(in_write, out_read)
        target = page.call("Target.createTarget", url="about:blank")["targetId"]
        page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "DOM", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=url)
        page.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")
        yield page
    finally:
        process.terminate()
        process.wait(10)
        os.close(in_write)
        os.close(out_read)

"""Last act: nobody need take the exchange's word for it: the log is verified from the outside."""

import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence

from datahub.cli.demo.cast import Cast
from datahub.cli.demo.show import Line
from datahub.cli.demo.teller import Answer, StoryBroke, Teller

# A head is signed about once a second; a busy machine may need longer.
_PATIENCE_S = 60
_SHOWN, _WIDTH = 4, 70


def prove(tell: Teller, cast: Cast) -> None:
    """Hand out a receipt for one read, and verify the whole log with a program that trusts nobody."""
    tell.stage.act("Proof: the log that nobody can quietly change")
    _receipt(tell, cast)
    _verified(tell)


def _receipt(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The university takes a receipt for its read",
        "A small file that shows, years later and without the exchange, that this line is in the log.",
    )
    params = {"action": "data.read", "outcome": "permit", "pageSize": "1"}
    entry = tell.quietly(cast.researcher, "GET", "/v1/log-entries", params=params).json["items"][0]["id"]
    where = f"/v1/log-entries/{entry}/proof"
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        size = tell.quietly(cast.auditor, "GET", "/v1/log/status").json["signedSize"]
        if size >= tell.quietly(cast.auditor, "GET", "/v1/log/status").json["size"] > 0:
            break
        time.sleep(0.2)

    def begin(answer: Answer) -> Sequence[Line]:
        lines = answer.content.decode().splitlines()
        return [f"{each[:_WIDTH]}…" if len(each) > _WIDTH else each for each in lines[:_SHOWN]] + [
            f"… {len(lines)} lines"
        ]

    tell.call(cast.researcher, "GET", where, tells=begin)


def _verified(tell: Teller) -> None:
    tell.stage.scene(
        "Anybody verifies the whole log",
        "Every line is hashed anew, every head's signature checked; what is not proven is said as well.",
    )
    words = ["log", "verify", f"{tell.base_url}/log"]
    tell.stage.line(f"\n  $ datahub {' '.join(words)}", "bold")
    command = [sys.executable, "-m", "datahub", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 — ourselves
    for line in done.stdout.splitlines():
        indent = " " * (4 + len(line) - len(line.lstrip(" -")))
        tell.stage.line(textwrap.fill(f"    {line}", tell.stage.width, subsequent_indent=indent))
    if done.returncode:
        msg = "the log did not verify"
        raise StoryBroke(msg)

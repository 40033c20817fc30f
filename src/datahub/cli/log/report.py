"""What a verification came to, in words for people and in JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from datahub.audit.tlog.text import encode_base64
from datahub.audit.tlog.trust_policy import Trusted
from datahub.audit.tlog.verification import Finding

VERIFIED, FAILED, NOT_CHECKED = 0, 1, 3
_WORDS = {VERIFIED: "verified", FAILED: "failed", NOT_CHECKED: "not-checked"}
# Holds for every log and every way to look at one.
NEVER_PROVEN = (
    "that everything that happened was logged: a log shows that nothing was changed, not that nothing was left out",
    "that what was logged is true: the log shows what its operator wrote at the time",
)


@dataclass
class Report:
    """The sentences of one run."""

    source: str
    trusted: Trusted | None = None
    findings: Sequence[Finding] = ()
    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)
    failure: str | None = None
    entries: int = 0

    @property
    def exit_code(self) -> int:
        """Return 0 verified, 1 something is wrong, 3 it could not be looked at."""
        return FAILED if self.findings else NOT_CHECKED if self.failure else VERIFIED

    def say(self, *, is_json: bool) -> None:
        """Print it: JSON, or words."""
        if is_json:
            click.echo(json.dumps(self._shaped(), ensure_ascii=False, indent=2))
            return
        if self.trusted is not None:
            head = self.trusted.head
            click.echo(f"{head.origin}: {head.size} entries, root {encode_base64(head.root)}")
            for name, signed in self.trusted.witnesses.items():
                click.echo(f"  cosigned by {name} at {_instant(signed.timestamp)}")
        for finding in self.findings:
            click.echo(f"WRONG  {finding.code}  {finding.where}: {finding.detail}")
        if self.failure:
            click.echo(f"NOT CHECKED  {self.failure}")
        _say_list("Proven:", self.proven)
        _say_list("Not proven:", [*self.not_proven, *NEVER_PROVEN])
        click.echo(_WORDS[self.exit_code].upper())

    def _shaped(self) -> dict[str, Any]:
        head = self.trusted and self.trusted.head
        return {
            "result": _WORDS[self.exit_code],
            "source": self.source,
            "origin": head and head.origin,
            "size": head and head.size,
            "root": head and encode_base64(head.root),
            "entriesChecked": self.entries,
            "witnesses": [
                {"name": name, "cosignedAt": _instant(signed.timestamp)}
                for name, signed in (self.trusted.witnesses if self.trusted else {}).items()
            ],
            "findings": [{"code": f.code, "where": f.where, "detail": f.detail} for f in self.findings],
            "failure": self.failure,
            "proven": self.proven,
            "notProven": [*self.not_proven, *NEVER_PROVEN],
        }


def _say_list(title: str, sentences: Sequence[str]) -> None:
    if sentences:
        click.echo(title)
        for sentence in sentences:
            click.echo(f"  - {sentence}")


def _instant(timestamp: int | None) -> str | None:
    """Return a POSIX time as text; one that no calendar holds, as its number."""
    if timestamp is None:
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return str(timestamp)

"""`datahub log subject-report | subject-scan`: who used data about a person, and that nothing of it is withheld."""

import binascii
import json
import sys
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from datahub.audit import leaves
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.tiles import BUNDLES, WIDTH, parse_bundle, parse_path
from datahub.audit.tlog.verification import Fetch, Findings, TooManyFindings, audit_tree, check_head
from datahub.cli.log.report import Report
from datahub.cli.log.sources import SourceFailed, opened
from datahub.cli.log.verify import OWN_POLICY, policy_of
from datahub.cli.output import say
from datahub.cli.remote import Calls, remote

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NOTHING_ELSE = "that data about the person was not used without being logged"
_PAGE = 100


@click.command(
    "subject-report",
    epilog="\b\nExample:\n"
    '  datahub log subject-report --key-space bsn --subject @key.txt --reason "GDPR art. 15" --to report.json',
)
@click.option("--key-space", required=True, help="What the person's key is, as the consent rule names it.")
@click.option("--subject", required=True, help="The person's key, or @FILE that holds it.")
@click.option("--provider", help="Whose key space; your own unless told.")
@click.option("--reason", required=True, help="Why the report is made; it is logged.")
@click.option("--to", "target", metavar="FILE", required=True, help="Where to.")
@remote()
def subject_report(
    calls: Calls, key_space: str, subject: str, provider: str | None, reason: str, target: str
) -> None:
    """Report who used data about a person, with receipts and the person's key."""
    key = Path(subject[1:]).read_text(encoding="utf-8").strip() if subject.startswith("@") else subject
    body = {"keySpace": key_space, "subject": key, "reason": reason} | (
        {"provider": provider} if provider else {}
    )
    found: dict[str, Any] = {"items": []}
    cursor: str | None = None
    while True:
        params = {"pageSize": _PAGE} | ({"cursor": cursor} if cursor else {})
        page = calls.hub.call("POST", "/v1/log-subject-reports", params=params, body=body).json()
        found["items"] += page.pop("items")
        cursor = page.pop("nextCursor", None)
        page.pop("prevCursor", None)
        found |= page
        if cursor is None:
            break
    Path(target).write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    say(f"{target}: {len(found['items'])} uses. Check that none is withheld: datahub log subject-scan --help")


@click.command(
    "subject-scan",
    epilog="\b\nExamples:\n"
    "  datahub log subject-scan --report report.json --policy trust-policy https://exchange.example/log\n"
    "  datahub log subject-scan --key @key.txt --policy trust-policy ./copy-of-the-log\n\n"
    "Exit codes: as of `datahub log verify`; 1 also when the report leaves out an entry that the log holds.",
)
@click.argument("source", metavar="FOLDER|URL")
@click.option(
    "--key", help="The person's key for the log (`subjectKey` of a report), or @FILE that holds it."
)
@click.option(
    "--report", "report_file", type=_FILE, help="A report to hold against the log; it names the key."
)
@click.option("--policy", type=_FILE, help="Trust policy: keys of the log and its witnesses.")
@click.option(
    "--pruned-below", type=click.IntRange(0), default=0, help="Entries below may be gone (retention)."
)
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
def subject_scan(
    source: str,
    *,
    key: str | None,
    report_file: Path | None,
    policy: Path | None,
    pruned_below: int,
    is_json: bool,
) -> None:
    """Read every leaf of a log, verify the whole of it, and find all that is about the person who holds the key."""
    told: Mapping[str, Any] | None = orjson.loads(report_file.read_bytes()) if report_file else None
    text = str(told["subjectKey"]) if key is None and told is not None else key
    if text is None:
        raise click.UsageError("give the --key, or a --report")
    scan = _Scan(_key(text))
    report = Report(source)
    findings = Findings()
    report.findings = findings.found
    try:
        with opened(source) as fetch:
            own = policy.read_bytes() if policy else fetch("trust-policy")
            if own is None:
                raise click.UsageError("the log gives no trust-policy; name one with --policy")
            report.not_proven += [] if policy else [OWN_POLICY]
            report.trusted = check_head(fetch("checkpoint"), policy_of(own), findings)
            if report.trusted is not None:
                head = report.trusted.head
                audit_tree(head, scan.reading(fetch), findings, pruned_below=pruned_below)
                report.entries = head.size
                found = {index: at for index, at in sorted(scan.found.items()) if index < head.size}
                if told is not None:
                    _compare(told, head.origin, found, head.size, pruned_below, findings)
                if not findings.found:
                    _say(report, found, pruned_below, is_compared=told is not None)
    except SourceFailed as failure:
        report.failure = str(failure)
    except TooManyFindings:
        report.not_proven.append("that nothing else is wrong: looking stopped here")
    if not is_json:
        for index, at in sorted(scan.found.items()):
            click.echo(f"entry {index}  at {at}")
    report.say(is_json=is_json)
    sys.exit(report.exit_code)


class _Scan:
    """Looks at each bundle that is read for leaves with the person's tag."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.found: dict[int, int] = {}  # index → POSIX second

    def reading(self, fetch: Fetch) -> Fetch:
        """Return what reads the same log and looks at what it reads."""

        def read(path: str) -> bytes | None:
            data = fetch(path)
            if data is not None and path.startswith("tile/entries/"):
                self._look(path, data)
            return data

        return read

    def _look(self, path: str, data: bytes) -> None:
        try:
            tile = parse_path(path)
            entries = parse_bundle(data, tile.width)
        except TlogFault:
            return  # the audit names it
        assert tile.level == BUNDLES  # noqa: S101 — the path says so
        for offset, entry in enumerate(entries):
            try:
                leaf = orjson.loads(entry)
                nonce = urlsafe_b64decode(leaf["n"] + "==")
                if leaves.tag(self._key, nonce) in leaf.get("st", ()):
                    self.found[tile.number * WIDTH + offset] = int(leaf["t"])
            except (ValueError, KeyError, TypeError):
                continue  # a leaf of another kind, such as the first of a log that was opened after a restore


def _compare(
    told: Mapping[str, Any],
    origin: str,
    found: Mapping[int, int],
    size: int,
    pruned_below: int,
    findings: Findings,
) -> None:
    of_log = [each for each in told["items"] if each.get("log") == origin]
    named = {each["leafIndex"] for each in of_log}
    for index in sorted(set(found) - named):
        findings.add("withheld", f"entry {index}", "the log holds it, and the report leaves it out")
    for index in sorted(each for each in named - set(found) if pruned_below <= each < size):
        findings.add("not-about-them", f"entry {index}", "the report names it, and it has no tag of this key")


def _say(report: Report, found: Mapping[int, int], pruned_below: int, *, is_compared: bool) -> None:
    report.proven.append("the head is signed by the log")
    report.proven.append(
        f"{len(found)} of the {report.entries} entries are about the holder of this key, and no others"
    )
    if is_compared:
        report.proven.append("the report names every one of them: nothing that was logged is withheld")
    if pruned_below:
        report.not_proven.append(f"anything about entries below {pruned_below} that were pruned")
    report.not_proven.append(_NOTHING_ELSE)


def _key(text: str) -> bytes:
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8").strip()
        if text.startswith("{"):
            text = str(json.loads(text)["subjectKey"])
    try:
        key = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != leaves.KEY_BYTES:
        raise click.UsageError("the key is 32 bytes in base64url")
    return key

"""Verify an export: each record against its leaf, each leaf against the signed head, each line against the record."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from datahub.audit import columns_of, leaves
from datahub.audit.profiles.forms import FORMS, Form
from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.text import decode_base64
from datahub.audit.tlog.tree import leaf_hash, verify_inclusion
from datahub.audit.tlog.trust_policy import TrustPolicy
from datahub.audit.tlog.verification import Findings, TooManyFindings, check_head
from datahub.cli.log.report import Report
from datahub.cli.log.sources import SourceFailed

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 4 * 1024 * 1024


class _NotAnExport(Exception):  # noqa: N818 — it says what the file is
    """The file is not what an export is."""


def verify_export(file: Path, policy: TrustPolicy, report: Report) -> None:
    """Verify an export and say what is proven; every record that does not hold is named."""
    findings = Findings()
    report.findings = findings.found
    try:
        with _opened(file) as archive:
            _verify(archive, policy, report, findings)
    except TooManyFindings:
        report.not_proven.append("that nothing else is wrong: looking stopped here")
    except (_NotAnExport, zipfile.BadZipFile, KeyError, TypeError, ValueError) as fault:
        findings.add("export-malformed", file.name, f"this is not an export that can be read: {fault}")


def _verify(archive: zipfile.ZipFile, policy: TrustPolicy, report: Report, findings: Findings) -> None:
    manifest = _manifest(archive)
    if not manifest["hasProofs"]:
        raise SourceFailed("the export was made without proofs (--with-proofs)")
    heads: dict[str, Checkpoint] = {}
    for each in manifest["logs"]:
        trusted = check_head(each["checkpoint"].encode(), policy, findings)
        if trusted is not None:
            heads[trusted.head.origin] = trusted.head
            report.trusted = trusted
    walk = _Walk(heads, FORMS[manifest["form"]], findings)
    with archive.open(walk.form.file) as entries, archive.open("proofs.jsonl") as proofs:
        walk.through(entries, proofs)
    for each in manifest["logs"]:
        if walk.counts.get(each["origin"], 0) != each["count"]:
            findings.add("count-differs", each["origin"], f"the manifest says {each['count']} entries")
    report.entries = sum(walk.counts.values())
    if not findings.found:
        _say(report, policy, manifest, walk.unproven)


@dataclass
class _Walk:
    """One walk over the lines of an export and their proofs, side by side."""

    heads: Mapping[str, Checkpoint]
    form: Form
    findings: Findings
    counts: Counter[str] = field(default_factory=Counter)
    last: dict[str, int] = field(default_factory=dict)
    unproven: set[str] = field(default_factory=set)

    def through(self, entries: IO[bytes], proofs: IO[bytes]) -> None:
        """Check every line."""
        file = self.form.file
        if entries.read(len(self.form.header)) != self.form.header:
            self.findings.add("entries-changed", file, "its first line is not that of this form")
        for proof in _lines(proofs):
            self._place(proof)
            line = self.form.line({**columns_of(proof["disclosures"]), **proof["unproven"]})
            if entries.read(len(line)) != line:
                # What follows is out of step, so it would all be named.
                self.findings.add("entries-changed", str(proof["entry"]), f"{file} says something else")
                return
        if entries.read(1):
            self.findings.add("entries-changed", file, "it holds more lines than there are proofs")

    def _place(self, proof: Mapping[str, Any]) -> None:
        entry, origin, index = str(proof["entry"]), str(proof["log"]), int(proof["index"])
        head = self.heads.get(origin)
        if head is None:
            self.findings.add("other-log", entry, f"it is of {origin!r}, of which there is no trusted head")
            return
        if index <= self.last.get(origin, -1):
            self.findings.add("export-reordered", entry, f"leaf {index} after leaf {self.last[origin]}")
        self.last[origin] = index
        self.counts[origin] += 1
        self.unproven |= set(proof["unproven"])
        _check_leaf(proof, head, self.findings)


def _check_leaf(proof: Mapping[str, Any], head: Checkpoint, findings: Findings) -> None:
    entry, index, leaf = str(proof["entry"]), int(proof["index"]), proof["leaf"].encode()
    try:
        hashes = [decode_base64(each, "hash") for each in proof["hashes"]]
        verify_inclusion(leaf_hash(leaf), index, head.size, hashes, head.root)
    except TlogFault as fault:
        findings.add("not-included", entry, f"leaf {index} is not under the signed head: {fault}")
    digests = [leaves.digest(*each) for each in proof["disclosures"]]
    if orjson.loads(leaf)["c"] != leaves.commitment([*digests, *proof["digests"]]):
        findings.add("record-changed", entry, f"leaf {index} commits to another record")
    elif columns_of(proof["disclosures"]).get("id") != entry:
        findings.add("record-changed", entry, f"leaf {index} is of another entry")


def _say(report: Report, policy: TrustPolicy, manifest: Mapping[str, Any], unproven: set[str]) -> None:
    report.proven.append("the head is signed by the log, and by the witnesses that the policy asks for")
    report.proven.append(f"each of the {report.entries} entries is in the log, as it was written then")
    report.proven.append("each line of the export says what its entry says")
    report.not_proven.append(f"that these are all entries that the query finds: {manifest['query']}")
    if unproven:
        report.not_proven.append(f"what is shown without proof: {', '.join(sorted(unproven))}")
    if not policy.witnesses:
        report.not_proven.append("that others see the same log: the trust policy names no witness")


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except OSError as fault:
        raise SourceFailed(f"{file}: {fault.strerror}") from fault


def _manifest(archive: zipfile.ZipFile) -> Mapping[str, Any]:
    with archive.open("manifest.json") as source:
        found: Mapping[str, Any] = orjson.loads(source.read(MAX_MANIFEST_BYTES))
    if found.get("format") != "datahub-log-export/1":
        raise _NotAnExport("its manifest names another format")
    return found


def _lines(source: IO[bytes]) -> Iterator[Mapping[str, Any]]:
    while line := source.readline(MAX_LINE_BYTES):
        yield orjson.loads(line)

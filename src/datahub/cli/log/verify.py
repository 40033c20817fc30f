"""`datahub log verify`: a whole log, its growth since a checkpoint, or one receipt; from files, or from an address."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from datahub.audit.tlog.checkpoint import Checkpoint
from datahub.audit.tlog.faults import TlogFault
from datahub.audit.tlog.notes import Note
from datahub.audit.tlog.proof_file import LogProof
from datahub.audit.tlog.tree import leaf_hash
from datahub.audit.tlog.trust_policy import NO_QUORUM, TrustPolicy
from datahub.audit.tlog.verification import (
    Fetch,
    Finding,
    Findings,
    TooManyFindings,
    audit_tree,
    check_growth,
    check_head,
)
from datahub.cli.log.exported import verify_export
from datahub.cli.log.report import Report
from datahub.cli.log.sources import SourceFailed, opened

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OWN_POLICY = (
    "that the keys are the right ones: the trust policy came from the log itself; get it from the exchange by another"
    " way and give it with --policy"
)
_ALONE = "that others see the same log: the trust policy asks for no witness"


@click.command(
    epilog="\b\n"
    "Examples:\n"
    "  datahub log verify https://exchange.example/log --policy trust-policy\n"
    "  datahub log verify ./copy-of-the-log --policy trust-policy --since checkpoint-of-last-year\n"
    "  datahub log verify --receipt access.tlog-proof --policy trust-policy\n"
    "  datahub log verify --export log.zip --policy trust-policy\n\n"
    "Exit codes: 0 verified, 1 something is wrong (each thing is named), 2 wrong usage, 3 could not be looked at.",
)
@click.argument("source", required=False, metavar="[FOLDER|URL]")
@click.option(
    "--policy", type=_FILE, help="Trust policy (C2SP tlog-policy): keys of the log and its witnesses."
)
@click.option("--since", type=_FILE, help="A checkpoint kept from before: the log must begin with it.")
@click.option("--growth-only", is_flag=True, help="Only --since, by a consistency proof; read no entries.")
@click.option("--receipt", type=_FILE, help="Verify this .tlog-proof instead of a log.")
@click.option("--export", type=_FILE, help="Verify this export (`datahub log export --with-proofs`).")
@click.option("--entry", type=_FILE, help="The entry a receipt is for, when the receipt does not hold it.")
@click.option(
    "--pruned-below", type=click.IntRange(0), default=0, help="Entries below may be gone (retention)."
)
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
def verify(
    source: str | None,
    *,
    policy: Path | None,
    since: Path | None,
    receipt: Path | None,
    export: Path | None,
    entry: Path | None,
    pruned_below: int,
    growth_only: bool,
    is_json: bool,
) -> None:
    """Verify the log in a FOLDER or at a URL, one receipt, or an export; say what is proven and what is not."""
    file = receipt or export
    if sum(each is not None for each in (source, receipt, export)) != 1:
        raise click.UsageError("name a FOLDER or URL, a --receipt or an --export")
    if file is not None and policy is None:
        raise click.UsageError("a receipt or an export is verified with a --policy")
    if growth_only and since is None:
        raise click.UsageError("--growth-only needs --since")
    report = Report(source or str(file))
    try:
        if export is not None and policy is not None:
            verify_export(export, policy_of(policy.read_bytes()), report)
        elif receipt is not None and policy is not None:
            _verify_receipt(receipt, entry, policy_of(policy.read_bytes()), report)
        elif source is not None:
            with opened(source) as fetch:
                _verify_log(
                    fetch, policy, since, report, None if growth_only else pruned_below, is_quiet=is_json
                )
    except SourceFailed as failure:
        report.failure = str(failure)
    report.say(is_json=is_json)
    sys.exit(report.exit_code)


def _verify_log(
    fetch: Fetch,
    policy_file: Path | None,
    since: Path | None,
    report: Report,
    pruned_below: int | None,
    *,
    is_quiet: bool,
) -> None:
    findings = Findings()
    report.findings = findings.found
    own = policy_file.read_bytes() if policy_file else fetch("trust-policy")
    if own is None:
        raise click.UsageError("the log gives no trust-policy; name one with --policy")
    if policy_file is None:
        report.not_proven.append(OWN_POLICY)
    policy = policy_of(own)
    report.trusted = check_head(fetch("checkpoint"), policy, findings)
    if report.trusted is None:
        return
    head = report.trusted.head
    try:
        if since is not None:
            check_growth(_older(since, policy), head, fetch, findings)
        if pruned_below is not None:
            with _progress(head.size, is_quiet=is_quiet) as on_progress:
                audit_tree(head, fetch, findings, pruned_below=pruned_below, on_progress=on_progress)
            report.entries = head.size
    except TooManyFindings:
        report.not_proven.append("that nothing else is wrong: looking stopped here")
    if not findings.found:
        _say_proven(report, policy, since, pruned_below)


def _say_proven(report: Report, policy: TrustPolicy, since: Path | None, pruned_below: int | None) -> None:
    assert report.trusted is not None  # noqa: S101 — only said of a head that was read
    size = report.trusted.head.size
    _say_signed(report, policy)
    if pruned_below is not None:
        report.proven.append(
            f"each of the {size} entries is the one under the signed root, in the signed order"
        )
        report.proven.append("every tile is made of the entries below it")
    else:
        report.not_proven.append("what the entries are: they were not read")
    if pruned_below:
        report.not_proven.append(f"anything about entries below {pruned_below} that were pruned")
    if since is not None:
        report.proven.append(f"the log begins with all that {since.name} covers: nothing was changed since")
    else:
        report.not_proven.append("that it is the same log as before: give an older checkpoint with --since")


def _say_signed(report: Report, policy: TrustPolicy) -> None:
    report.proven.append("the head is signed by the log")
    if policy.quorum == NO_QUORUM:
        report.not_proven.append(_ALONE)
    else:
        report.proven.append(f"the witnesses that the policy asks for ({policy.quorum}) saw this same head")


def _verify_receipt(file: Path, entry: Path | None, policy: TrustPolicy, report: Report) -> None:
    where = file.name
    try:
        proof = LogProof.parse(file.read_bytes())
        leaf = entry.read_bytes() if entry else proof.extra
    except TlogFault as fault:
        report.findings = (Finding("receipt-malformed", where, str(fault)),)
        return
    if leaf is None:
        raise click.UsageError("this receipt does not hold its entry; give it with --entry")
    findings = Findings()
    report.findings = findings.found
    report.trusted = check_head(proof.checkpoint.encode(), policy, findings)
    try:
        head = proof.verify(leaf_hash(leaf))
    except TlogFault as fault:
        findings.add("not-included", where, f"entry {proof.index} is not under this head: {fault}")
        return
    report.entries = 1
    if not findings.found:
        _say_signed(report, policy)
        report.proven.append(f"the entry is number {proof.index} of the {head.size} under the signed head")
        report.not_proven.append(
            "what the exchange's records say of this entry: a receipt shows its commitment"
        )


def policy_of(data: bytes) -> TrustPolicy:
    """Read a trust policy. Raises click.UsageError."""
    try:
        return TrustPolicy.parse(data)
    except TlogFault as fault:
        raise click.UsageError(f"the trust policy is not one: {fault}") from None


def _older(file: Path, policy: TrustPolicy) -> Checkpoint:
    try:
        note = Note.parse(file.read_bytes())
        policy.log_signatures(note)
        return Checkpoint.parse(note.text)
    except TlogFault as fault:
        raise click.UsageError(f"{file} is not a checkpoint of this log: {fault}") from None


@contextmanager
def _progress(size: int, *, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show how far it is, on a terminal only."""
    if is_quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=size, label="Entries", file=sys.stderr, update_min_steps=4096) as bar:
        yield lambda done: bar.update(done - bar.pos)

"""`datahub log`: the access log, read through the exchange and checked without its help."""

import click

from datahub.cli.lazy import Lazy

_HERE = "datahub.cli.log"
_COMMANDS = {
    "list": (f"{_HERE}.reading:list_all", "List the entries that concern your organisation."),
    "show": (f"{_HERE}.reading:show", "Show one entry."),
    "tail": (f"{_HERE}.reading:tail", "Follow the log as it grows."),
    "stats": (f"{_HERE}.reading:stats", "Count reads, rows and refusals per dataset, consumer or purpose."),
    "facets": (f"{_HERE}.reading:facets", "Count entries by value and over time."),
    "decision": (f"{_HERE}.reading:decision", "Explain one decision; replay it."),
    "proof": (f"{_HERE}.reading:proof", "Fetch the receipt that an entry is in the log."),
    "export": (f"{_HERE}.reading:export", "Export entries, on wish with proofs."),
    "verify": (
        f"{_HERE}.verify:verify",
        "Verify a whole log, its growth since a checkpoint, or one receipt.",
    ),
    "subject-report": (f"{_HERE}.subjects:subject_report", "Report who used data about a person."),
    "subject-scan": (
        f"{_HERE}.subjects:subject_scan",
        "With a person's key: find every entry about them, and that none is withheld.",
    ),
    "findings": (f"{_HERE}.reviewing:findings", "List what the rules found unusual."),
    "reviews": (f"{_HERE}.reviewing:reviews", "List reviews: yours, and those you are asked about."),
    "sample": (f"{_HERE}.reviewing:sample", "Review random attempts on your data."),
    "review": (f"{_HERE}.reviewing:review", "Show a review, or move it."),
    "forwards": (f"{_HERE}.forwarding:forwards", "List where the log is forwarded to."),
    "forward": (f"{_HERE}.forwarding:forward", "Forward the log to syslog or HTTP; pause, resume, end that."),
    "searches": (f"{_HERE}.searching:searches", "List the searches that your organisation keeps."),
    "search": (f"{_HERE}.searching:search", "Read what a saved search finds; save or forget one."),
    "status": (f"{_HERE}.witnessing:status", "Say how the log is doing."),
    "witnesses": (f"{_HERE}.witnessing:witnesses", "List who is asked to cosign the log."),
    "witness": (f"{_HERE}.witnessing:witness", "Ask a witness to cosign the log; end that."),
    "witnessed": (f"{_HERE}.witnessing:witnessed", "List the logs of others that the exchange witnesses."),
    "witness-for": (f"{_HERE}.witnessing:witness_for", "Witness somebody else's log; see what forked."),
    "erase": (f"{_HERE}.keeping:erase", "Erase the record of an entry, or some of its fields."),
    "erase-subject": (f"{_HERE}.keeping:erase_subject", "Destroy what ties entries to a person."),
    "holds": (f"{_HERE}.keeping:holds", "List legal holds."),
    "hold": (f"{_HERE}.keeping:hold", "Keep entries from being erased; release that."),
    "retention": (f"{_HERE}.keeping:retention", "Say how long records and leaves are kept."),
    "restart": (
        f"{_HERE}.restart:restart",
        "After a restore from a backup: open a new log that commits to the old one.",
    ),
}


@click.group(cls=Lazy, table=_COMMANDS)
def log() -> None:
    """Read the access log, and check that nothing in it was changed, moved, taken out or forked."""

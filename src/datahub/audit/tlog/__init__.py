"""A transparency log in the formats of C2SP, as pure functions: nothing here reads a file, a clock or a network.

`tree` hashes, makes and verifies proofs; `tiles` stores them; `keys`, `notes` and `checkpoint` sign heads of the log;
`proof_file`, `trust_policy` and `add_checkpoint` are the files and messages that others get; `verification` holds a
whole log against its head. What is malformed, over a limit, or proves nothing is a `TlogFault`.
"""

from datahub.audit.tlog import (
    add_checkpoint,
    checkpoint,
    faults,
    keys,
    notes,
    proof_file,
    text,
    tiles,
    tree,
    trust_policy,
    verification,
)

__all__ = [
    "add_checkpoint",
    "checkpoint",
    "faults",
    "keys",
    "notes",
    "proof_file",
    "text",
    "tiles",
    "tree",
    "trust_policy",
    "verification",
]

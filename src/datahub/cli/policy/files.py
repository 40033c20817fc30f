"""What the commands read: a policy from a file or standard input, and attempts from options or a file."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from datahub.cli.policy.saying import Form, say_faults
from datahub.policy import (
    Example,
    Facts,
    Fault,
    Policy,
    PolicyFaults,
    fill_template,
    read_attempt,
    read_examples,
    read_policy,
    unique_members,
)

FAULTY = 1
DENIED = 4
MAX_BYTES = 32 << 20


@dataclass(frozen=True)
class Terms:
    """A policy as it stands in a file, with the examples beside it."""

    policy: Policy
    examples: tuple[Example, ...] = ()


def read_terms(source: str) -> Terms:
    """Read a policy (ODRL, or the terms of an offer) and its examples. Raises PolicyFaults with every fault."""
    text = read_bytes(source)
    document = _object(text)
    if document is None or not {"template", "policy"} & set(document):
        return Terms(read_policy(text))
    faults: list[Fault] = []
    policy: Policy | None = None
    examples: tuple[Example, ...] = ()
    try:
        policy = _policy(document)
    except PolicyFaults as found:
        faults.extend(found.faults)
    try:
        examples = read_examples(document.get("examples") or [], "/examples")
    except PolicyFaults as found:
        faults.extend(found.faults)
    if policy is None or faults:
        raise PolicyFaults(tuple(faults))
    return Terms(policy, examples)


def terms_or_exit(source: str) -> Terms:
    """Read a policy; on faults say them all and end with 1."""
    try:
        return read_terms(source)
    except PolicyFaults as found:
        say_faults(source, found.faults, Form.TABLE, is_talk=True)
        sys.exit(FAULTY)


def attempt_or_exit(given: Mapping[str, Any], source: str | None) -> Facts:
    """Read an attempt from a file, options winning over it; on faults say them all and end with 2."""
    document: dict[str, Any] = {}
    if source is not None:
        found = _object(read_bytes(source))
        if found is None:
            raise click.UsageError(f"{source} holds no JSON object.")
        document.update(found)
    document.update({name: value for name, value in given.items() if value not in (None, ())})
    try:
        return read_attempt(document)
    except PolicyFaults as found:
        say_faults(source or "the attempt", found.faults, Form.TABLE, is_talk=True)
        sys.exit(2)


def read_bytes(source: str) -> bytes:
    """Return what a file or (`-`) standard input holds; a file that cannot be read is wrong usage."""
    if source == "-":
        text = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        try:
            with Path(source).open("rb") as file:
                text = file.read(MAX_BYTES + 1)
        except OSError as fault:
            raise click.UsageError(f"{source} cannot be read: {fault.strerror}.") from fault
    if len(text) > MAX_BYTES:
        raise click.UsageError(f"{source} is larger than {MAX_BYTES >> 20} MiB.")
    return text


def read_list(source: str) -> list[Any]:
    """Return the JSON list that a file holds; anything else is wrong usage."""
    try:
        found = json.loads(read_bytes(source))
    except (ValueError, RecursionError) as fault:
        raise click.UsageError(f"{source} is not JSON: {fault}") from fault
    if not isinstance(found, list):
        raise click.UsageError(f"{source} holds no JSON list.")
    return found


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text, object_pairs_hook=unique_members)
    except PolicyFaults:
        raise
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _policy(document: Mapping[str, Any]) -> Policy:
    parameters = document.get("parameters") or {}
    if "template" not in document:
        source = document["policy"]
        # The exchange names an offer itself, so the policy of one need not.
        return read_policy({"@id": "urn:datahub:offer", **source} if isinstance(source, dict) else source)
    return read_policy(
        fill_template(str(document["template"]), parameters if isinstance(parameters, dict) else {})
    )

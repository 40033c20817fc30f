"""The IDS policy classes: every valid file is imported and labelled, and nothing in it is weakened or dropped."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from datahub.policy import Facts, Policy, PolicyFaults, decide, labels, read_policy, to_jsonld
from datahub.policy.registry import actions, find, operand, patterns

SUITE = Path(__file__).parents[3] / "shared" / "vectors" / "odrl" / "ids-policy-classes"
FILES = sorted(SUITE.rglob("*.json"))


def is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


VALID = [path for path in FILES if is_json(path)]
BROKEN = [path for path in FILES if path not in VALID]
NAMES = [path.stem for path in VALID]

needs_vectors = pytest.mark.skipif(not FILES, reason="the IDS vectors are not at hand")


@needs_vectors
def test_all_55_files_are_here_and_nine_are_not_json() -> None:
    assert (len(FILES), len(BROKEN)) == (55, 9)


@needs_vectors
@pytest.mark.parametrize("path", BROKEN, ids=[path.stem for path in BROKEN])
def test_a_file_that_is_not_json_is_refused(path: Path) -> None:
    with pytest.raises(PolicyFaults) as refused:
        read_policy(path.read_bytes(), foreign=True)
    assert [fault.code for fault in refused.value.faults] == ["not-json"]


def imported(path: Path) -> Policy:
    return read_policy(path.read_bytes(), foreign=True)


def named(text: str, *members: str) -> set[str]:
    """Find what a source text names under these members, in any of its spellings."""
    pattern = rf'"(?:{"|".join(members)})"\s*:\s*\[?\s*(?:\{{\s*"@id"\s*:\s*)?"([^"]+)"'
    return set(re.findall(pattern, text))


@needs_vectors
@pytest.mark.parametrize("path", VALID, ids=NAMES)
def test_every_term_of_the_file_is_in_the_policy_with_a_label(path: Path) -> None:
    text, policy = path.read_text(), imported(path)
    shown = labels(policy)
    timings = {"event"} if "policyUsage" in text else set()
    for term in named(text, "leftOperand", "ids:leftOperand"):
        assert find("operand", re.sub(r"^skos:.*|^vcard:.*", "", term)) in {*shown, *timings}, term
    for term in named(text, "action", "ids:action", "rdf:value"):
        assert find("action", term.replace("https://w3id.org/idsa/code/", "idsc:")) in shown, term


@needs_vectors
@pytest.mark.parametrize("path", VALID, ids=NAMES)
def test_nothing_is_permitted_before_anything_is_known(path: Path) -> None:
    policy = imported(path)
    assert policy.permissions or policy.prohibitions or policy.obligations
    for rule in policy.permissions:
        assert not decide(policy, Facts(action=rule.action)).permit


@needs_vectors
@pytest.mark.parametrize("path", VALID, ids=NAMES)
def test_an_imported_policy_is_written_back_whole_or_not_at_all(path: Path) -> None:
    policy = imported(path)
    lacking = what_lacks(policy)
    assert lacking <= {"unresolved-constant", "missing-property", "no-rule"}
    if not lacking:
        assert read_policy(to_jsonld(policy), foreign=True) == policy
    elif policy.permissions:
        assert read_policy(to_jsonld(policy, "set"), foreign=True).permissions == policy.permissions


def what_lacks(policy: Policy) -> set[str]:
    try:
        to_jsonld(policy)
    except PolicyFaults as refused:
        return {fault.code for fault in refused.faults}
    return set()


@needs_vectors
def test_what_is_still_to_be_filled_in_is_refused_at_publication() -> None:
    (path,) = [path for path in VALID if path.stem == "pc3-odrl-restrict-application-example"]
    with pytest.raises(PolicyFaults) as refused:
        read_policy(path.read_bytes())
    assert {fault.code for fault in refused.value.faults} == {"unresolved-constant"}


def test_all_25_classes_and_rows_a_to_p_have_a_place_with_an_honest_label() -> None:
    assert set(patterns()) == {str(number) for number in range(1, 26)} | set("ABCDEFGHIJKLMNOP")
    order = ["enforced", "attested", "tracked", "legal"]
    for pattern in patterns().values():
        rows: list[Any] = [operand(term) or actions().get(term) for term in pattern.terms]
        assert None not in rows, pattern
        assert pattern.note
        if pattern.label == "enforced":
            assert any(row.label == "enforced" for row in rows), pattern
        assert min(order.index(row.label) for row in rows) <= order.index(pattern.label)

"""The policy engine's figures: decisions beside cedarpy in the same run, compilation, comparison, static checks, the law.

Latencies are in process, of a policy that was prepared once. Where the public vectors are not at hand, their lines are
left out.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cedarpy
from hypothesis import HealthCheck, given, settings

from datahub.policy import (
    Facts,
    Policy,
    Timing,
    decide,
    fill_template,
    hygiene,
    plan,
    plan_sql,
    preview,
    read_policy,
)
from tests.conformance import test_odrl_solidlab as solidlab
from tests.policy import strategies as make
from tests.policy import test_law as law

ROOT = Path(__file__).parents[2]
VECTORS = ROOT.parent / "shared" / "vectors" / "odrl"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TEMPLATE = "purpose-until-date"
PARAMETERS = {
    "purposes": ["dpv:ResearchAndDevelopment"],
    "until": "2027-01-01T00:00:00Z",
    "organisations": ["did:web:a.example", "did:web:b.example"],
}
FACTS = Facts(action="read", now=NOW, recipient="did:web:a.example", purpose="dpv:AcademicResearch")
CEDAR_RULE = """permit(principal, action, resource) when {
    ["did:web:a.example", "did:web:b.example"].contains(context.who)
    && ["dpv:ResearchAndDevelopment", "dpv:AcademicResearch"].contains(context.why) && context.now < 1798761600 };"""
CEDAR_REQUEST = {
    "principal": 'U::"u"',
    "action": 'A::"a"',
    "resource": 'D::"d"',
    "context": {"now": int(NOW.timestamp()), "who": "did:web:a.example", "why": "dpv:AcademicResearch"},
}


def measure(*, is_full: bool) -> Iterator[str]:
    """Yield a line per figure; `is_full` takes a longer run of the law."""
    yield from _decisions()
    yield from _compilation()
    yield from _preview()
    yield from _comparison()
    yield from _static_checks()
    yield from _law(3000 if is_full else 300)


def _microseconds(run: Callable[[], object], times: int) -> tuple[float, float]:
    taken = []
    for _ in range(times):
        started = time.perf_counter_ns()
        run()
        taken.append((time.perf_counter_ns() - started) / 1000)
    taken.sort()
    return taken[times // 2], taken[times * 99 // 100]


def _line(name: str, median: float, worst: float, aim: str = "") -> str:
    return f"{name:48}median {median:9.1f} µs   p99 {worst:9.1f} µs   {aim}".rstrip()


def _decisions() -> Iterator[str]:
    policy = read_policy(fill_template(TEMPLATE, PARAMETERS))
    assert decide(policy, FACTS).permit
    yield _line("decide", *_microseconds(lambda: decide(policy, FACTS), 20_000), "aim 20 µs")
    assert cedarpy.is_authorized(CEDAR_REQUEST, CEDAR_RULE, []).allowed
    cedar = _microseconds(lambda: cedarpy.is_authorized(CEDAR_REQUEST, CEDAR_RULE, []), 2000)
    yield _line("cedarpy, the same question", *cedar)
    for case in (each for each in solidlab.CASES if "-big-policy" in each["file"]):
        large = read_policy((solidlab.SUITE / "data" / case["policy"]).read_text(), duty_timing=Timing.POST)
        facts = solidlab.the_facts(case["request"], case["sotw"])
        assert decide(large, facts).permit == (case["derived_decision_closed"] == "Allow")
        timed = _microseconds(lambda large=large, facts=facts: decide(large, facts), 500)  # type: ignore[misc]
        name = Path(case["file"]).stem.removeprefix("testcase-")
        yield _line(f"decide, {_branches(large)} branches ({name})", *timed, "aim 1 ms")


def _branches(policy: Policy) -> int:
    """Count the alternatives that the policy's permissions spell out."""
    return sum(len(getattr(rule.constraint, "parts", ())) for rule in policy.permissions)


def _compilation() -> Iterator[str]:
    schema = {f"c{at}": "text" for at in range(20)}
    policy = read_policy(fill_template("rows-where", {"column": "c1", "values": ["a", "b"]}))
    compiled = _microseconds(lambda: plan_sql(plan(policy, FACTS, schema), "t", FACTS), 100)  # type: ignore[arg-type]
    yield _line("compile to SQL (20 columns)", *compiled, "aim 5 ms")


def _preview() -> Iterator[str]:
    attempts = [
        Facts(
            action="read",
            now=NOW,
            recipient=f"did:web:{at % 7}",
            purpose=("dpv:AcademicResearch", "dpv:Marketing")[at % 2],
        )
        for at in range(10_000)
    ]
    before = read_policy(fill_template(TEMPLATE, PARAMETERS))
    after = read_policy(fill_template("purpose", {"purposes": ["dpv:ResearchAndDevelopment"]}))
    started = time.perf_counter()
    preview(before, after, attempts)
    yield f"{'preview of 10,000 combinations':48}{time.perf_counter() - started:9.2f} s    well under 1 s"


def _comparison() -> Iterator[str]:
    if not (VECTORS / "conflict-benchmark").is_dir():
        return
    from datahub.policy.open_world import judge
    from tests.conformance import test_odrl_conflicts as suite

    world = suite.the_world()
    asked = [suite.asked(problem) for problem in suite.PROBLEMS]
    started = time.perf_counter()
    for first, second, question in asked:
        judge(first, second, question, world)
    taken = time.perf_counter() - started
    yield f"{f'compare the {len(asked)} benchmark problems':48}{taken:9.2f} s    aim 5 s"


def _static_checks() -> Iterator[str]:
    policies = [read_policy(_published(at)) for at in range(1000)]
    started, worked = time.perf_counter(), time.process_time()
    found = sum(bool(hygiene(policy)) for policy in policies)
    taken, worked = time.perf_counter() - started, time.process_time() - worked
    assert found == 0, found
    yield f"{'static check of 1,000 policies':48}{taken:9.2f} s    aim 10 s   ({worked:.2f} s of processor)"


def _published(at: int) -> dict[str, object]:
    terms = {"purpose": ("isA", "dpv:Marketing"), "dateTime": ("lt", f"{2027 + at % 50}-01-01T00:00:00Z")}
    constraint: list[dict[str, object]] = [
        {"leftOperand": left, "operator": operator, "rightOperand": right}
        for left, (operator, right) in terms.items()
    ]
    organisations = [f"did:web:{at}", "did:web:x"]
    constraint.append({"leftOperand": "recipient", "operator": "isAnyOf", "rightOperand": organisations})
    return {
        "@id": f"urn:policy:{at}",
        "permission": [{"action": "use", "constraint": constraint}],
        "prohibition": [{"action": "distribute"}],
    }


def _law(policies: int) -> Iterator[str]:
    """Hold the differential test of the law against more policies than `make test` does, with fresh randomness."""
    proved: Any = law.test_a_cell_is_in_the_result_exactly_when_decide_permits_it
    inner: Callable[..., None] = proved.hypothesis.inner_test
    with law.a_table() as table:

        @settings(
            max_examples=policies, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(policy=make.policies(), facts=make.facts())
        def longer(policy: Policy, facts: Facts) -> None:
            inner(table, policy, facts)

        started = time.perf_counter()
        longer()
        taken = time.perf_counter() - started
    cells = policies * len(law.ROWS) * len(make.SCHEMA)
    yield f"{f'the law holds on {policies:,} policies':48}{taken:9.0f} s    {cells:,} cells: decide is SQL"

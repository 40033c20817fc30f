"""The policy engine: ODRL that is read, decided, explained and written out. Pure: it owns no table and asks no clock.

How to use it. `read_policy(document)` turns ODRL JSON-LD into a `Policy`, or raises `PolicyFaults` with every fault
(pointer, code, message, remedy). `decide(policy, Facts(...))` answers; whatever the facts leave out is unknown, and
unknown permits nothing. `Decision.permit` is the answer, `Decision.code` its stable code, `Decision.explanation(lang,
view)` its sentence. When `Decision.permit_with_plan` is true, rows and columns are still open: data may flow through
the policy's plan only. `render(policy, lang)` is the text people accept; `policy_hash(policy)` names the policy;
`to_jsonld(policy)` writes it as DSP 2025-1 wants it; `fill_template(name, parameters)` makes a policy from a template.
`plan(policy, facts, schema)` says which cells of a table may leave, and `Plan.sql` gives the query.
`grants_nothing_beyond(a, b)` and `hygiene(policy)` compare and check with proof (extra `analysis`).
ODRL Information Model 2.2, W3C ODRL Formal Semantics draft, DSP 2025-1.
"""

from datahub.policy.compare import Comparison, compatible, equivalent, grants_nothing_beyond, hygiene
from datahub.policy.compile import ColumnSort, Groups, Mask, Plan, plan
from datahub.policy.decision import Decision, decide
from datahub.policy.examples import Change, Example, broken_examples, preview
from datahub.policy.explain import Reason, RuleReport
from datahub.policy.facts import Facts
from datahub.policy.model import Duty, Fault, Kind, Policy, PolicyFaults, Timing, duties_of
from datahub.policy.parse import read_policy
from datahub.policy.query import plan_sql
from datahub.policy.read_text import read_text
from datahub.policy.registry import Enforcement, patterns
from datahub.policy.render import labels, render
from datahub.policy.report import compliance_report
from datahub.policy.templates import Parameter, Template, fill_template, template, templates
from datahub.policy.vocabulary import Taxonomy, taxonomies
from datahub.policy.write import canonical, policy_hash, to_jsonld
from datahub.policy.written_examples import read_attempt, read_examples

__all__ = [
    "Change",
    "ColumnSort",
    "Comparison",
    "Decision",
    "Duty",
    "Enforcement",
    "Example",
    "Facts",
    "Fault",
    "Groups",
    "Kind",
    "Mask",
    "Parameter",
    "Plan",
    "Policy",
    "PolicyFaults",
    "Reason",
    "RuleReport",
    "Taxonomy",
    "Template",
    "Timing",
    "broken_examples",
    "canonical",
    "compatible",
    "compliance_report",
    "decide",
    "duties_of",
    "equivalent",
    "fill_template",
    "grants_nothing_beyond",
    "hygiene",
    "labels",
    "patterns",
    "plan",
    "plan_sql",
    "policy_hash",
    "preview",
    "read_attempt",
    "read_examples",
    "read_policy",
    "read_text",
    "render",
    "taxonomies",
    "template",
    "templates",
    "to_jsonld",
]

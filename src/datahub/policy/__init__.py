"""The policy engine: ODRL that is read, decided, explained and written out. Pure: it owns no table and asks no clock.

How to use it. `read_policy(document)` turns ODRL JSON-LD into a `Policy`, or raises `PolicyFaults` with every fault
(pointer, code, message, remedy). `decide(policy, Facts(...))` answers; whatever the facts leave out is unknown, and
unknown permits nothing. `Decision.permit` is the answer, `Decision.code` its stable code, `Decision.explanation(lang,
view)` its sentence. When `Decision.permit_with_plan` is true, rows and columns are still open: data may flow through
the policy's plan only. `render(policy, lang)` is the text people accept; `policy_hash(policy)` names the policy;
`to_jsonld(policy)` writes it as DSP 2025-1 wants it; `fill_template(name, parameters)` makes a policy from a template.
`plan(policy, facts, schema)` says which cells of a table may leave, and `Plan.sql` gives the query.
`grants_nothing_beyond(a, b)` and `hygiene(policy)` compare and check with proof (extra `analysis`); `cautions(policy)`
finds what a writer may not mean.
ODRL Information Model 2.2, W3C ODRL Formal Semantics draft, DSP 2025-1.
"""

from datahub.policy.bounds import unique_members
from datahub.policy.cautions import cautions
from datahub.policy.compare import Comparison, compatible, equivalent, grants_nothing_beyond, hygiene
from datahub.policy.compile import ColumnSort, Groups, Mask, Plan, plan
from datahub.policy.counters import Counter, counters
from datahub.policy.decision import Decision, advice, decide
from datahub.policy.examples import Change, Example, broken_examples, preview
from datahub.policy.explain import Reason, RuleReport
from datahub.policy.facts import Facts
from datahub.policy.hanging import consent_purposes
from datahub.policy.model import Duty, Fault, Kind, Policy, PolicyFaults, Timing, duties_of
from datahub.policy.owed import Owed, action_words, owed
from datahub.policy.parse import read_policy
from datahub.policy.query import Shown, bucketed, plan_sql, plan_tests
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
    "Counter",
    "Decision",
    "Duty",
    "Enforcement",
    "Example",
    "Facts",
    "Fault",
    "Groups",
    "Kind",
    "Mask",
    "Owed",
    "Parameter",
    "Plan",
    "Policy",
    "PolicyFaults",
    "Reason",
    "RuleReport",
    "Shown",
    "Taxonomy",
    "Template",
    "Timing",
    "action_words",
    "advice",
    "broken_examples",
    "bucketed",
    "canonical",
    "cautions",
    "compatible",
    "compliance_report",
    "consent_purposes",
    "counters",
    "decide",
    "duties_of",
    "equivalent",
    "fill_template",
    "grants_nothing_beyond",
    "hygiene",
    "labels",
    "owed",
    "patterns",
    "plan",
    "plan_sql",
    "plan_tests",
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
    "unique_members",
]

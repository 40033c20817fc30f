"""The policy engine: ODRL that is read, decided, explained and written out. Pure: it owns no table and asks no clock.

How to use it. `read_policy(document)` turns ODRL JSON-LD into a `Policy`, or raises `PolicyFaults` with every fault
(pointer, code, message, remedy). `decide(policy, Facts(...))` answers; whatever the facts leave out is unknown, and
unknown permits nothing. `Decision.permit` is the answer, `Decision.code` its stable code, `Decision.explanation(lang,
view)` its sentence. When `Decision.permit_with_plan` is true, rows and columns are still open: data may flow through
the policy's plan only. `render(policy, lang)` is the text people accept; `policy_hash(policy)` names the policy;
`to_jsonld(policy)` writes it as DSP 2025-1 wants it; `fill_template(name, parameters)` makes a policy from a template.
ODRL Information Model 2.2, W3C ODRL Formal Semantics draft, DSP 2025-1.
"""

from datahub.policy.decision import Decision, decide
from datahub.policy.explain import Reason, RuleReport
from datahub.policy.facts import Facts
from datahub.policy.model import Duty, Fault, Kind, Policy, PolicyFaults, Timing, duties_of
from datahub.policy.parse import read_policy
from datahub.policy.registry import Enforcement, patterns
from datahub.policy.render import labels, render
from datahub.policy.report import compliance_report
from datahub.policy.templates import Parameter, Template, fill_template, template, templates
from datahub.policy.vocabulary import Taxonomy, taxonomies
from datahub.policy.write import canonical, policy_hash, to_jsonld

__all__ = [
    "Decision",
    "Duty",
    "Enforcement",
    "Facts",
    "Fault",
    "Kind",
    "Parameter",
    "Policy",
    "PolicyFaults",
    "Reason",
    "RuleReport",
    "Taxonomy",
    "Template",
    "Timing",
    "canonical",
    "compliance_report",
    "decide",
    "duties_of",
    "fill_template",
    "labels",
    "patterns",
    "policy_hash",
    "read_policy",
    "render",
    "taxonomies",
    "template",
    "templates",
    "to_jsonld",
]

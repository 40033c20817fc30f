"""What a dataset that is shared on owes to the agreement it was obtained under. Pure.

Agreements are a tier above: `app` hands the routes a check, and the verbs of datasets and offers ask it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from datahub.kernel.context import Context
from datahub.policy import Policy

WITHIN = "within"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Upstream:
    """Where the data comes from, and whether the policy asked about was proved to grant nothing beyond (`within`)."""

    dataset_id: str
    verdict: str


UpstreamCheck: TypeAlias = Callable[[Context, str, str, Policy | None], Upstream]
"""(agreement, the provider that shares on, its policy) → Upstream, or a refusal. Without a policy only the agreement
is asked after: that it is in force, and that the provider is its consumer."""

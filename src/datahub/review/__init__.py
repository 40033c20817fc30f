"""Review of the access log: what is unusual is found by rules that explain themselves, and people judge it.

Rules look at entries as the log's tree gets them; what they find, and samples, become reviews that are assigned, asked
about and closed. Reports for persons are made here, and the log is forwarded to other systems from here.
"""

from datahub.review.models import Finding, Review

__all__ = ["Finding", "Review"]

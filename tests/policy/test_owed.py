"""Which duties of a policy somebody has to keep track of."""

from datetime import UTC, datetime, timedelta
from typing import Any

from datahub.policy import Timing, owed, read_policy


def a_policy(*duties: dict[str, Any], **more: Any) -> Any:
    return read_policy(
        {"@id": "urn:x", "@type": "Offer", "permission": [{"action": "use", "duty": list(duties)}], **more}
    )


def test_what_the_exchange_does_itself_and_what_is_legal_text_is_owed_by_nobody() -> None:
    found = owed(
        a_policy({"action": "inform"}, {"action": "dh:mask"}, {"action": "annotate"}, {"action": "delete"})
    )
    assert [each.action for each in found] == ["delete"]


def test_what_stands_in_the_way_of_use_is_kept_track_of_whatever_its_label() -> None:
    before = {"leftOperand": "dh:timing", "operator": "eq", "rightOperand": "pre"}
    found = owed(a_policy({"action": "annotate", "constraint": [before]}, {"action": "compensate"}))
    assert [(each.action, each.timing) for each in found] == [
        ("annotate", Timing.PRE),
        ("compensate", Timing.PRE),
    ]


def test_terms_and_evidence_are_as_stated_the_strictest_of_several() -> None:
    stated = [
        {"leftOperand": "dh:deadline", "operator": "lteq", "rightOperand": "P30D"},
        {"leftOperand": "dh:deadline", "operator": "lteq", "rightOperand": "P10D"},
        {"leftOperand": "dh:dueBy", "operator": "lteq", "rightOperand": "2027-01-01T00:00:00Z"},
        {"leftOperand": "dh:evidence", "operator": "eq", "rightOperand": "certificate"},
    ]
    policy = a_policy({"action": "delete", "constraint": stated}, obligation=[{"action": "dh:reportUse"}])
    first, second = owed(policy)
    assert (first.term, first.due_by) == (timedelta(days=10), datetime(2027, 1, 1, tzinfo=UTC))
    assert first.evidence == "certificate"
    assert (second.key, second.term, second.evidence) == ("/obligation/0", None, "attestation")

"""Consent: on which basis rows about people may leave a dataset, what each person decided, and who is let through.

ISO/IEC TS 27560:2023 in the terms of DPV 2.3; GDPR art. 6, 7, 8, 9, 17, 21. A rule with its notice is versioned with the
dataset; decisions are events that are never changed; the gate is an exact array over a version's people, rebuilt from
the database and as new as its epochs.
"""

from datahub.consent.models import Choice, ConsentRule, Move, Nobody, Several
from datahub.consent.rules.gate import NOBODY, UNKNOWN, Allowed, SubjectIndex, rows_allowed
from datahub.consent.schemas.records import MyTopicOut
from datahub.consent.service.admission import (
    Admission,
    ConsentMoved,
    Desk,
    admit,
    admit_table,
    all_let,
    digests_in,
    digests_left,
)
from datahub.consent.service.disclosures import (
    Leaving,
    Received,
    note_persons,
    recipients_of,
    recipients_of_many,
    reserve,
    settle,
)
from datahub.consent.service.gate import Gate, index_of
from datahub.consent.service.holding import (
    keys_of,
    may_hold,
    open_person,
    people_of_records,
    said_yes_since,
)
from datahub.consent.service.logins import known_logins
from datahub.consent.service.mine import MyTopic, authenticate_person, decide_mine, is_session, me, my_topics
from datahub.consent.service.needs import Need, Shut, need_of
from datahub.consent.service.people import digest_of_key
from datahub.consent.service.people_index import Named
from datahub.consent.service.preview import Reader
from datahub.consent.service.rules import may_see_profiles, must_fit_rule, must_fit_terms
from datahub.consent.store.rules import current_rule, ruled_datasets

__all__ = [
    "NOBODY",
    "UNKNOWN",
    "Admission",
    "Allowed",
    "Choice",
    "ConsentMoved",
    "ConsentRule",
    "Desk",
    "Gate",
    "Leaving",
    "Move",
    "MyTopic",
    "MyTopicOut",
    "Named",
    "Need",
    "Nobody",
    "Reader",
    "Received",
    "Several",
    "Shut",
    "SubjectIndex",
    "admit",
    "admit_table",
    "all_let",
    "authenticate_person",
    "current_rule",
    "decide_mine",
    "digest_of_key",
    "digests_in",
    "digests_left",
    "index_of",
    "is_session",
    "keys_of",
    "known_logins",
    "may_hold",
    "may_see_profiles",
    "me",
    "must_fit_rule",
    "must_fit_terms",
    "my_topics",
    "need_of",
    "note_persons",
    "open_person",
    "people_of_records",
    "recipients_of",
    "recipients_of_many",
    "reserve",
    "rows_allowed",
    "ruled_datasets",
    "said_yes_since",
    "settle",
]

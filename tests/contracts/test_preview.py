"""A change of terms looked at before it is saved: who gains and loses, which agreements, which reads on record."""

from typing import Any

import pytest

from datahub.contracts.rules import preview as rules
from datahub.contracts.rules.comparison import Verdict, relation
from datahub.contracts.rules.preview import Asking, Recorded
from datahub.policy import Facts, Policy, fill_template, read_policy
from tests.build import NOON
from tests.contracts.stage import RESEARCH, Stage


def _filled(name: str, **parameters: Any) -> Policy:
    return read_policy(fill_template(name, parameters))


def _preview(stage: Stage, offer: dict[str, Any], who: str = "publisher", **body: Any) -> Any:
    return stage.client(who).post(f"{stage.offers_at}/{offer['id']}/preview", json=body)


def _terms(*purposes: str) -> dict[str, Any]:
    return {"template": "purpose", "parameters": {"purposes": list(purposes)}}


def test_narrower_terms_say_who_loses_and_which_agreements_stop(stage: Stage) -> None:
    agreement = stage.an_agreement()
    offer = stage.client("publisher").get(f"{stage.offers_at}/{agreement['offerId']}").json()
    found = _preview(stage, offer, **_terms("dpv:CommercialResearch"))
    assert found.status_code == 200, found.text
    said = found.json()
    assert said["comparison"]["verdict"] == "narrower"
    assert said["comparison"]["onlyOldPermits"]["purpose"]
    assert "onlyNewPermits" not in said["comparison"] or said["comparison"]["onlyNewPermits"] is None
    lost = {(each["participantId"], each["purpose"]) for each in said["combinations"]["changed"]}
    assert (stage.consumer.id, "dpv:AcademicResearch") in lost
    assert (stage.consumer.id, "dpv:CommercialResearch") not in lost
    assert said["combinations"]["gain"] == 0
    assert said["combinations"]["isComplete"] is True
    (fate,) = said["agreements"]
    assert (fate["agreementId"], fate["effect"]) == (agreement["id"], "loses")
    assert fate["comparison"]["verdict"] == "narrower"


def test_wider_terms_say_who_gains_with_an_attempt_that_shows_it(stage: Stage) -> None:
    offer = stage.an_offer()
    said = _preview(stage, offer, template="open").json()
    assert said["comparison"]["verdict"] == "wider"
    assert said["comparison"]["onlyNewPermits"]["action"]
    assert said["combinations"]["gain"] > 0
    assert said["combinations"]["lose"] == 0
    # a request needs no purpose any more
    assert None in {each["purpose"] for each in said["combinations"]["changed"]}


def test_the_same_terms_change_nothing_and_nothing_is_saved(stage: Stage) -> None:
    agreement = stage.an_agreement()
    offer = stage.client("publisher").get(f"{stage.offers_at}/{agreement['offerId']}").json()
    said = _preview(stage, offer, **_terms("dpv:ResearchAndDevelopment")).json()
    assert said["comparison"] == {"verdict": "same", "onlyNewPermits": None, "onlyOldPermits": None}
    assert said["combinations"]["changed"] == []
    assert [(each["effect"], each["comparison"]["verdict"]) for each in said["agreements"]] == [
        ("stays", "same")
    ]
    now = stage.client("publisher").get(f"{stage.offers_at}/{offer['id']}").json()
    assert now == offer


def test_an_agreement_on_earlier_terms_is_compared_with_its_own(stage: Stage) -> None:
    agreement = stage.an_agreement()
    where = f"{stage.offers_at}/{agreement['offerId']}"
    client = stage.client("publisher")
    body = {"title": {"en": "Now for marketing"}, **_terms("dpv:Marketing")}
    changed = client.put(where, json=body, headers={"If-Match": client.get(where).headers["etag"]})
    said = _preview(stage, changed.json(), **_terms("dpv:Marketing", "dpv:ResearchAndDevelopment")).json()
    assert said["comparison"]["verdict"] == "wider"
    assert [(each["offerVersion"], each["effect"]) for each in said["agreements"]] == [(1, "stays")]
    assert said["agreements"][0]["comparison"]["verdict"] == "wider"


def test_examples_that_would_break_are_shown(stage: Stage) -> None:
    example = {"title": "A university", "purpose": "dpv:AcademicResearch", "expect": "allow"}
    offer = stage.an_offer(examples=[example])
    said = _preview(stage, offer, **_terms("dpv:Marketing")).json()
    assert [(each["place"], each["title"], each["code"]) for each in said["brokenExamples"]] == [
        (0, "A university", "purpose-not-met")
    ]


def test_only_who_may_change_an_offer_looks_ahead(stage: Stage) -> None:
    offer = stage.an_offer()
    assert _preview(stage, offer, "requester", template="open").status_code == 403
    wrong = _preview(stage, offer, policy={"permission": [{"action": "fly"}]})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "policy-not-usable")
    assert _preview(stage, offer).status_code == 400
    assert _preview(stage, offer, template="open", days=0).status_code == 400
    assert _preview(stage, {"id": stage.dataset.id}, template="open").status_code == 404


@pytest.mark.parametrize(
    ("new", "old", "verdict"),
    [
        (_filled("open"), _filled("open"), Verdict.SAME),
        (_filled("open"), _filled("embargo", **{"from": "2026-01-01T00:00:00Z"}), Verdict.WIDER),
        (
            _filled("rows-where", column="a", values=["x"]),
            _filled("rows-where", column="a", values=["x", "y"]),
            Verdict.NARROWER,
        ),
        (
            _filled("rows-where", column="a", values=["x"]),
            _filled("rows-where", column="a", values=["y"]),
            Verdict.DIFFERENT,
        ),
    ],
)
def test_two_policies_are_compared_with_proof(new: Policy, old: Policy, verdict: Verdict) -> None:
    found = relation(new, old)
    assert found.verdict is verdict
    assert bool(found.gained) is (verdict in (Verdict.WIDER, Verdict.DIFFERENT))


def test_ten_thousand_combinations_are_tried_and_no_more() -> None:
    old = _filled("purpose", purposes=["dpv:ResearchAndDevelopment"])
    new = _filled("purpose-until-date", purposes=["dpv:Marketing"], until="2027-01-01T00:00:00Z")
    asking = [
        Asking(f"p{n}", f"P {n}", Facts(recipient=[f"p{n}", f"kvk:{n}"], now=NOON)) for n in range(1000)
    ]
    purposes = rules.purposes_to_try((old, new), [RESEARCH])
    tried = rules.combinations(old, new, asking, purposes)
    assert len(tried.tried) == rules.MOST_COMBINATIONS
    assert not tried.is_complete
    assert tried.count("gains") > 0 < tried.count("loses")


def test_a_record_without_facts_is_not_replayed_but_counted() -> None:
    old = _filled("purpose", purposes=["dpv:ResearchAndDevelopment"])
    known = {"action": "read", "now": "2026-06-01T12:00:00+00:00", "purpose": RESEARCH}
    records = [
        Recorded("1", known, old),
        Recorded("2", {}, old),
        Recorded("3", known | {"purpose": "https://w3id.org/dpv#Marketing"}, old),
        Recorded("4", known | {"shoeSize": 40}, old),
    ]
    found = rules.replay(_filled("purpose", purposes=["dpv:Marketing"]), records)
    assert (found.considered, found.not_replayable) == (4, 2)
    assert (list(found.would_deny), list(found.would_permit)) == (["1"], ["3"])


def test_a_policy_too_large_to_analyse_is_previewed_in_bounded_time(one_stage: Stage) -> None:
    term = {"leftOperand": "purpose", "operator": "isA", "rightOperand": "dpv:Marketing"}
    large = {"@type": "Offer", "permission": [{"action": "use", "constraint": [{"or": [term] * 5000}]}]}
    offer = one_stage.an_offer()
    said = _preview(one_stage, offer, policy=large).json()
    assert said["comparison"]["verdict"] == "not-analysed"
    assert said["combinations"]["gain"] > 0 < said["combinations"]["lose"]

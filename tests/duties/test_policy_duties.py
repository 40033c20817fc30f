"""Duties that follow from the policy of an agreement, through HTTP and the worker, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from datahub.duties import owe_what_was_agreed, settle_what_is_over
from datahub.kernel.context import ANONYMOUS
from datahub.participants import Role
from tests.duties.stage import DELETE, ETHICS, SAID, Deal, a_deal
from tests.hub import Hub, a_hub


@pytest.fixture
def deal(database_url: str, tmp_path: Path) -> Iterator[Deal]:
    with a_hub(tmp_path, database_url) as hub:
        yield a_deal(hub)


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("duties")
    with a_hub(home, f"sqlite:///{home}/datahub.db") as hub:
        yield hub


@pytest.fixture
def lite(one_hub: Hub) -> Deal:
    """For what has nothing to do with the database."""
    return a_deal(one_hub)


def test_a_duty_to_delete_waits_for_the_end_of_the_agreement_and_is_attested(deal: Deal) -> None:
    agreement = deal.agree(DELETE)
    (duty,) = deal.duties()
    assert duty["state"] == "open"
    assert duty["action"] == "delete"
    assert duty["words"] == {"en": "delete the data", "nl": "de data verwijderen"}
    assert (duty["startsAt"], duty["dueAt"], duty["termSeconds"]) == (None, None, 30 * 86_400)
    assert (duty["debtorId"], duty["creditorId"]) == (deal.university.id, deal.clinic.id)
    assert duty["rule"] == "/permission/0/duty/0"
    assert duty["needs"] == "attestation"
    early = deal.move(deal.university, duty["id"], "fulfil", evidence=SAID)
    assert (early.status_code, early.json()["code"]) == (409, "duty-move-not-possible")
    deal.end(agreement)
    (duty,) = deal.duties(state="due")
    assert duty["dueAt"] == deal.at(30)
    assert duty["moves"] == ["fulfil"]
    done = deal.move(deal.university, duty["id"], "fulfil", evidence={**SAID, "sha256": "ab" * 32})
    assert done.status_code == 201, done.text
    assert done.json()["state"] == "fulfilled"
    assert done.json()["evidence"]["text"] == SAID["text"]
    (seen,) = deal.duties(deal.clinic, role="creditor")
    assert seen["evidence"]["sha256"] == "ab" * 32
    assert seen["moves"] == ["return"]
    moves = deal.clinic.done("GET", f"/v1/duties/{duty['id']}/transitions", 200)["items"]
    assert [(each["move"], each["toState"]) for each in moves] == [
        ("arise", "open"),
        ("start", "due"),
        ("fulfil", "fulfilled"),
    ]


def test_a_duty_that_is_overdue_suspends_and_being_kept_late_lifts_only_that(deal: Deal) -> None:
    agreement = deal.agree(deal.report())
    (duty,) = deal.duties(state="due")
    assert duty["dueAt"] == deal.at(30)
    deal.hub.clock.forward(days=30)
    assert deal.duties(state="overdue")[0]["id"] == duty["id"], "the clock is asked, whatever the worker did"
    assert deal.state_of(agreement) == "active"
    deal.hub.work()
    deal.hub.work()
    assert deal.state_of(agreement) == "suspended"
    assert deal.duties()[0]["holds"] == [agreement]
    resumed = deal.clinic.post(f"/v1/agreements/{agreement}/transitions", json={"move": "resume"})
    assert resumed.status_code == 403, "what the exchange suspended, a party cannot lift"
    done = deal.move(deal.university, duty["id"], "fulfil", evidence=SAID)
    assert done.json()["holds"] == []
    assert deal.state_of(agreement) == "active"
    deal.hub.work()
    assert deal.state_of(agreement) == "active"
    back = deal.move(deal.clinic, duty["id"], "return", reason="This says nothing of the second half")
    assert (back.json()["state"], back.json()["dueAt"]) == ("due", deal.at(14))


def test_what_was_suspended_for_another_reason_stays_suspended(lite: Deal) -> None:
    agreement = lite.agree(lite.report())
    (duty,) = lite.duties()
    where = f"/v1/agreements/{agreement}/transitions"
    lite.clinic.done("POST", where, 201, json={"move": "suspend", "reason": "a look"})
    lite.hub.clock.forward(days=31)
    lite.hub.work()
    assert lite.duties()[0]["holds"] == []
    assert lite.move(lite.university, duty["id"], "fulfil", evidence=SAID).status_code == 201
    assert lite.state_of(agreement) == "suspended"


def test_who_resumes_while_a_duty_is_overdue_finds_it_suspended_again_until_the_duty_is_waived(
    lite: Deal,
) -> None:
    agreement = lite.agree(lite.report())
    (duty,) = lite.duties()
    where = f"/v1/agreements/{agreement}/transitions"
    lite.clinic.done("POST", where, 201, json={"move": "suspend", "reason": "a look"})
    lite.hub.clock.forward(days=31)
    lite.hub.work()
    lite.clinic.done("POST", where, 201, json={"move": "resume"})
    lite.hub.work()
    assert lite.state_of(agreement) == "suspended"
    assert lite.move(lite.clinic, duty["id"], "waive", reason="we talked").json()["state"] == "waived"
    assert lite.state_of(agreement) == "active"
    restored = lite.move(lite.clinic, duty["id"], "restore", reason="a mistake").json()
    assert (restored["state"], restored["dueAt"]) == ("due", lite.at(14))


def test_what_was_waived_before_its_term_began_waits_again_once_it_is_restored(lite: Deal) -> None:
    agreement = lite.agree(DELETE)
    (duty,) = lite.duties()
    lite.move(lite.clinic, duty["id"], "waive", reason="no need")
    restored = lite.move(lite.clinic, duty["id"], "restore", reason="a mistake").json()
    assert (restored["state"], restored["dueAt"]) == ("open", None)
    lite.end(agreement)
    (duty,) = lite.duties()
    assert (duty["state"], duty["dueAt"]) == ("due", lite.at(30))


def test_what_was_waived_and_restored_when_use_is_over_has_the_term_that_it_would_have_had(
    lite: Deal,
) -> None:
    agreement = lite.agree(DELETE)
    (duty,) = lite.duties()
    lite.move(lite.clinic, duty["id"], "waive", reason="no need")
    lite.end(agreement)
    expected = lite.at(30)
    lite.hub.clock.forward(days=3)
    restored = lite.move(lite.clinic, duty["id"], "restore", reason="a mistake").json()
    assert (restored["state"], restored["dueAt"]) == ("due", expected)


def test_what_is_owed_again_and_again_is_written_as_one_duty_for_each_time(lite: Deal) -> None:
    lite.agree(lite.report(30), lite.report(60))
    assert sorted(each["dueAt"] for each in lite.duties()) == [lite.at(30), lite.at(60)]


def test_two_overdue_duties_are_both_to_be_kept(lite: Deal) -> None:
    agreement = lite.agree(lite.report(), lite.report(action="dh:returnResults"))
    lite.hub.clock.forward(days=31)
    lite.hub.work()
    first, second = lite.duties(state="overdue")
    lite.move(lite.university, first["id"], "fulfil", evidence=SAID)
    assert lite.state_of(agreement) == "suspended"
    lite.move(lite.university, second["id"], "fulfil", evidence=SAID)
    assert lite.state_of(agreement) == "active"


def test_a_renewal_takes_over_what_is_owed_after_use_and_is_held_for_what_is_overdue(lite: Deal) -> None:
    old = lite.agree(DELETE, lite.report())
    new = lite.agree(DELETE, supersedes=old)
    found = {(each["agreementId"], each["action"]): each["state"] for each in lite.duties()}
    assert found == {(old, "delete"): "lapsed", (old, "dh:reportUse"): "due", (new, "delete"): "open"}
    lite.hub.clock.forward(days=31)
    lite.hub.work()
    assert lite.state_of(new) == "suspended"


def test_a_duty_before_use_blocks_until_it_is_shown(lite: Deal) -> None:
    agreement = lite.agree(ETHICS)
    (duty,) = lite.duties()
    assert (duty["timing"], duty["state"], duty["dueAt"]) == ("pre", "due", None)

    assert not lite.may_read(agreement)
    shown = lite.move(lite.university, duty["id"], "fulfil", evidence={"text": "METC 2026-14"})
    assert shown.status_code == 201
    assert lite.may_read(agreement)
    lite.move(lite.clinic, duty["id"], "return", reason="of another study")
    assert not lite.may_read(agreement)


def test_the_debtor_is_reminded_a_week_and_a_day_ahead_and_both_are_told_of_each_step(lite: Deal) -> None:
    lite.agree(lite.report())
    told = []
    for days in (22, 1, 1, 5, 1, 1):
        lite.hub.clock.forward(days=days)
        lite.hub.work()
        lite.hub.work()
        (duty,) = lite.duties()
        moves = lite.clinic.done("GET", f"/v1/duties/{duty['id']}/transitions", 200)["items"]
        told.append([each["move"] for each in moves])
    assert [len(each) for each in told] == [1, 2, 2, 3, 4, 4]
    assert told[-1] == ["arise", "remind", "remind", "expire"]


def test_facts_that_come_twice_give_one_duty(lite: Deal) -> None:
    agreement = lite.agree(DELETE)
    lite.end(agreement)
    before = lite.duties()
    for handle in (owe_what_was_agreed, settle_what_is_over, owe_what_was_agreed):
        with lite.hub.context(ANONYMOUS) as ctx:
            handle(ctx, {"agreementId": agreement})
    assert lite.duties() == before


def test_only_the_two_sides_and_who_oversees_see_a_duty(lite: Deal) -> None:
    lite.agree(lite.report())
    (duty,) = lite.duties()
    stranger = lite.hub.party("stranger", Role.REQUESTER, Role.APPROVER)
    assert stranger.get(f"/v1/duties/{duty['id']}").status_code == 404
    assert lite.duties(stranger) == []
    assert lite.move(stranger, duty["id"], "fulfil", evidence=SAID).status_code == 404
    assert lite.hub.auditor.get(f"/v1/duties/{duty['id']}").status_code == 200
    refused = lite.move(lite.clinic, duty["id"], "fulfil", evidence=SAID)
    assert (refused.status_code, refused.json()["code"]) == (403, "duty-move-not-allowed")
    assert lite.move(lite.university, duty["id"], "waive", reason="please").status_code == 403
    bare = lite.move(lite.university, duty["id"], "fulfil")
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (400, "/evidence")
    assert (
        lite.move(lite.clinic, duty["id"], "extend", reason="busy").json()["errors"][0]["pointer"] == "/dueAt"
    )
    longer = {"reason": "busy", "dueAt": lite.at(60)}
    assert lite.move(lite.clinic, duty["id"], "extend", **longer).json()["dueAt"] == longer["dueAt"]
    assert lite.move(lite.university, duty["id"], "extend", **longer).status_code == 403
    assert lite.move(lite.university, duty["id"], "decline", reason="no").status_code == 403


def test_lists_go_by_pages_and_filters(lite: Deal) -> None:
    agreement = lite.agree(DELETE, lite.report(), ETHICS)
    first = lite.university.get("/v1/duties", params={"limit": 2}).json()
    second = lite.university.get("/v1/duties", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    assert len({each["id"] for each in [*first["items"], *second["items"]]}) == 3
    assert len(lite.duties(agreement=agreement, ground="policy", role="debtor")) == 3
    assert [each["action"] for each in lite.duties(dueBefore=lite.at(31))] == ["dh:reportUse"]
    assert lite.duties(role="creditor") == []
    assert lite.duties(ground="recall") == []
    assert {each["state"] for each in lite.duties(state="due")} == {"due"}
    assert lite.university.get("/v1/duties", params={"state": "gone"}).status_code == 400

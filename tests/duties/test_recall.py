"""A person says no; whoever received their rows is to erase them, and it is known who did."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from datahub import worker
from datahub.engine import code_of
from datahub.kernel import db
from datahub.kernel.context import ANONYMOUS
from datahub.kernel.outbox import OutboxRow
from tests.consent.building import MARKETING, RESEARCH, a_purpose
from tests.duties.region import HIDDEN, MASKED, WHOLE, Region, a_region
from tests.duties.stage import SAID
from tests.hub import Hub, a_hub


@pytest.fixture
def region(database_url: str, tmp_path: Path) -> Iterator[Region]:
    with a_hub(tmp_path, database_url) as hub:
        yield a_region(hub)


@pytest.fixture(scope="module")
def one_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    home = tmp_path_factory.mktemp("recalls")
    with a_hub(home, f"sqlite:///{home}/datahub.db") as hub:
        yield hub


@pytest.fixture
def lite(one_hub: Hub, request: pytest.FixtureRequest) -> Region:
    """For what has nothing to do with the database; a clinic for each test."""
    return a_region(one_hub, slug=f"clinic-{abs(hash(request.node.name)) % 10**9}")


def facts(hub: Hub, name: str) -> list[dict[str, Any]]:
    with hub.context(ANONYMOUS) as ctx:
        rows = ctx.session.exec(select(OutboxRow).where(OutboxRow.fact == name)).all()
    return [dict(row.payload) for row in rows]


def test_a_no_is_followed_to_everybody_who_received_the_rows_until_they_say_they_erased_them(
    region: Region,
) -> None:
    hub = region.hub
    masked, whole, hidden, empty = (region.university(f"university-{n}") for n in range(4))
    terms = {masked.id: MASKED, whole.id: WHOLE, hidden.id: HIDDEN, empty.id: WHOLE}
    agreements = {who.id: region.agree(who, terms[who.id]) for who in (masked, whole, hidden, empty)}
    for who in (masked, whole, hidden):
        region.receive(agreements[who.id], "ann", "bob", "cat")
    region.receive(agreements[empty.id], "cat")
    region.clinic.say("ann", "withdraw")
    hub.work()
    assert region.recalls(empty) == []
    (duty,) = region.recalls(masked)
    assert (duty["state"], duty["subjects"], duty["consequence"]) == ("open", 1, "suspend")
    assert duty["rule"] == "GDPR art. 17(1)(b) and 19"
    region.go_out()
    (duty,) = region.recalls(masked)
    expected = hub.clock() + timedelta(days=30)
    assert (duty["state"], duty["dueAt"]) == ("due", expected.isoformat().replace("+00:00", "Z"))
    key = hub.settings.derive_key(f"pseudonym/{region.clinic.party.id}/{masked.id}")
    (person,) = region.people(masked, duty)
    assert (person["known"], person["name"]) == ("pseudonym", code_of("ann", key))
    (person,) = region.people(whole, region.recalls(whole)[0])
    assert (person["known"], person["name"]) == ("key", "ann")
    (person,) = region.people(hidden, region.recalls(hidden)[0])
    assert (person["known"], person["name"]) == ("hidden", None)
    assert "fresh read" in person["match"]["en"]
    refused = region.clinic.party.get(f"/v1/duties/{duty['id']}/subjects")
    assert (refused.status_code, refused.json()["code"]) == (403, "subjects-not-shown")
    at = f"/v1/duties/{duty['id']}/transitions"
    done = masked.done("POST", at, 201, json={"move": "fulfil", "evidence": SAID})
    assert done["state"] == "fulfilled"
    hub.clock.forward(days=30)
    hub.work()
    where = f"/v1/agreements/{agreements[whole.id]}"
    assert whole.done("GET", where, 200)["state"] == "suspended"
    assert masked.done("GET", f"/v1/agreements/{agreements[masked.id]}", 200)["state"] == "active"
    late = region.recalls(whole)[0]
    whole.done("POST", f"/v1/duties/{late['id']}/transitions", 201, json={"move": "fulfil", "evidence": SAID})
    assert whole.done("GET", where, 200)["state"] == "active"


def test_news_that_comes_twice_to_two_workers_gives_one_duty_about_each_person(lite: Region) -> None:
    hub = lite.hub
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    agreement = lite.agree(who, WHOLE)
    lite.receive(agreement, "ann", "bob")
    lite.clinic.say("ann", "withdraw")
    lite.clinic.say("bob", "withdraw")
    news = [each for each in facts(hub, "ConsentWithdrawn") if each["datasetId"] == lite.clinic.dataset_id]
    assert len(news) == 2
    engines = [db.make_engine(hub.settings.database_url) for _ in range(2)]
    for _ in range(2):
        for engine in engines:
            for each in news:
                worker.ERRANDS["ConsentWithdrawn"](engine, hub.settings, each, hub.clock())
    for engine in engines:
        engine.dispose()
    lite.go_out()
    (duty,) = lite.recalls(who)
    assert sorted(each["name"] for each in lite.people(who, duty)) == ["ann", "bob"]
    who.done("POST", f"/v1/duties/{duty['id']}/transitions", 201, json={"move": "fulfil", "evidence": SAID})
    hub.clock.forward(days=1)
    lite.receive(agreement, "cat")  # a later read that the two are not in
    for each in news:
        worker.ERRANDS["ConsentWithdrawn"](hub.engine, hub.settings, each, hub.clock())
    assert len(lite.recalls(who)) == 1, "nothing about them left since they were erased"
    lite.give("ann")
    lite.receive(agreement, "ann")
    hub.clock.forward(minutes=1)
    lite.clinic.say("ann", "withdraw")
    lite.go_out()
    newest, _ = lite.recalls(who)
    assert [each["name"] for each in lite.people(who, newest)] == ["ann"]


def test_many_who_say_no_at_once_are_one_duty_and_little_mail(lite: Region) -> None:
    hub = lite.hub
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    agreement = lite.agree(who, HIDDEN)
    names = [f"p{number}" for number in range(1200)]
    line = '{{"subject":"{}","purpose":"{}","move":"{}","at":"{}"{}}}\n'
    yes = f',"validUntil":"{lite.at(200)}","explicit":true'
    lite.clinic.send("".join(line.format(n, RESEARCH, "give", lite.at(-2), yes) for n in names).encode())
    lite.receive(agreement, *names)
    lite.clinic.send("".join(line.format(n, RESEARCH, "withdraw", lite.at(-1), "") for n in names).encode())
    lite.go_out()
    (duty,) = lite.recalls(who)
    assert (duty["state"], duty["subjects"]) == ("due", 1200)
    told = [f for name in ("DutyArose", "DutyStarted") for f in facts(hub, name) if f["dutyId"] == duty["id"]]
    assert len(told) == 2
    seen, cursor = 0, None
    while True:
        query = "limit=200" + (f"&cursor={cursor}" if cursor else "")
        page = who.done("GET", f"/v1/duties/{duty['id']}/subjects?{query}", 200)
        seen, cursor = seen + len(page["items"]), page["nextCursor"]
        if cursor is None:
            break
    assert seen == 1200


def test_who_says_yes_again_before_it_goes_out_is_left_out_and_a_recall_of_nobody_lapses(
    lite: Region,
) -> None:
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    lite.receive(lite.agree(who, WHOLE), "ann", "bob")
    lite.clinic.say("ann", "withdraw")
    lite.clinic.say("bob", "withdraw")
    lite.hub.work()
    lite.give("ann")
    lite.go_out()
    (duty,) = lite.recalls(who)
    assert (duty["state"], duty["subjects"]) == ("due", 1)
    assert [each["name"] for each in lite.people(who, duty)] == ["bob"]
    lite.clinic.say("ann", "withdraw")
    lite.hub.work()
    lite.give("ann")
    lite.go_out()
    assert [each["state"] for each in lite.recalls(who)] == ["lapsed", "due"]


def test_a_recall_that_was_waived_while_it_gathered_gathers_on_and_then_has_its_term(lite: Region) -> None:
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    lite.receive(lite.agree(who, WHOLE), "ann", "bob")
    lite.clinic.say("ann", "withdraw")
    lite.hub.work()
    (duty,) = lite.recalls(who)
    at = f"/v1/duties/{duty['id']}/transitions"
    lite.clinic.party.done("POST", at, 201, json={"move": "waive", "reason": "no need"})
    restored = lite.clinic.party.done("POST", at, 201, json={"move": "restore", "reason": "a mistake"})
    assert restored["state"] == "open"
    lite.clinic.say("bob", "withdraw")
    lite.go_out()
    (duty,) = lite.recalls(who)
    assert (duty["state"], duty["subjects"], duty["dueAt"]) == ("due", 2, lite.at(30))


def test_a_recall_that_is_done_before_the_worker_began_its_term_has_one_when_it_is_returned(
    lite: Region,
) -> None:
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    lite.receive(lite.agree(who, WHOLE), "ann")
    lite.clinic.say("ann", "withdraw")
    lite.hub.work()
    lite.hub.clock.forward(seconds=lite.hub.settings.recall_gather_s)
    (duty,) = lite.recalls(who)
    at = f"/v1/duties/{duty['id']}/transitions"
    who.done("POST", at, 201, json={"move": "fulfil", "evidence": SAID})
    returned = lite.clinic.party.done("POST", at, 201, json={"move": "return", "reason": "not so"})
    assert (returned["state"], returned["dueAt"]) == ("due", lite.at(30))


def test_an_end_a_person_forgotten_and_an_objection_are_followed_too(lite: Region) -> None:
    who = lite.university(f"of-{lite.clinic.party.id[-8:]}")
    agreement = lite.agree(who, WHOLE)
    lite.receive(agreement, "ann", "bob", "cat")
    forgotten = f"{lite.clinic.at}/consents/erasures"
    lite.clinic.party.done("POST", forgotten, 200, json={"subject": "bob"})
    lite.go_out()
    (duty,) = lite.recalls(who)
    assert [each["name"] for each in lite.people(who, duty)] == ["bob"]
    lite.hub.clock.forward(days=250)
    lite.go_out()
    newest, _ = lite.recalls(who)
    assert sorted(each["name"] for each in lite.people(who, newest)) == ["ann", "cat"], "their yes has ended"


def test_a_no_to_another_purpose_recalls_nothing(one_hub: Hub) -> None:
    purposes = [a_purpose(), a_purpose(MARKETING, basis="legitimate-interest", explicit=False)]
    handling = {"address": "Plein 1", "retention": "P5Y", "recallDays": 7}
    region = a_region(one_hub, slug="two-purposes", purposes=purposes, handling=handling)
    who = region.university("of-two-purposes")
    region.receive(region.agree(who, WHOLE), "ann")
    region.clinic.say("ann", "refuse", purpose=MARKETING)
    region.go_out()
    assert region.recalls(who) == []
    region.clinic.say("ann", "withdraw")
    region.go_out()
    (duty,) = region.recalls(who)
    assert duty["termSeconds"] == 7 * 86_400

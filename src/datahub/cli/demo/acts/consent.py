"""Consent: people are asked before anything leaves; some withdraw, and whoever has their rows is told to erase them."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from datahub.cli.demo import data
from datahub.cli.demo.acts.ask import details
from datahub.cli.demo.caller import ANYBODY, Caller
from datahub.cli.demo.cast import Cast
from datahub.cli.demo.show import Line
from datahub.cli.demo.teller import Answer, StoryBroke, Teller
from datahub.kernel.clock import rfc3339, system_clock

PURPOSE = "https://w3id.org/dpv#ResearchAndDevelopment"
SPECIAL = "mental_health_care"
_FORMS, _LATER = timedelta(days=20), timedelta(days=300)
_PATIENCE_S = 60
_SHOWN = 3
_EVERY, _LETTERS = 31, 24


def ask_people(tell: Teller, cast: Cast) -> None:
    """Write the rule of a dataset about people, and report what they answered on paper."""
    tell.stage.note("It says what the dataset needs: a rule that tells whom people let their rows go to.")
    where = f"/v1/datasets/{cast.datasets['care-use']}"
    rule = _rule(cast)
    purpose = rule["purposes"][0]
    tell.call(
        cast.care_desk,
        "POST",
        f"{where}/consent-rules",
        rule,
        shows={
            "subjects": rule["subjects"],
            "purposes": [{n: purpose[n] for n in ("purpose", "basis", "explicit", "recipients")}],
        },
        expects=201,
        tells=("number", "purposes.0.choice", "notice.en"),
    )
    tell.stage.note(
        "The forms came back on paper; they go in as one file, and each person sees who reported it."
    )
    lines = _answers(data.answers(), system_clock() - _FORMS)
    _import(tell, cast, lines, is_quiet=False)


def withdraw(tell: Teller, cast: Cast) -> None:
    """Let people withdraw; the next read is shorter, the university's duty appears, and a person sees what became of it."""
    tell.stage.act("Consent: a no holds at the next read, and reaches who has the rows")
    before = _read(tell, cast)
    person, key = _own_door(tell, cast, before)
    gone = {key, *_others(tell, cast, before - {key})}
    _shorter(tell, cast, before, gone)
    _attested(tell, cast, _duties(tell, cast, gone))
    _told(tell, cast, person)
    tell.sign_in(cast.researcher, "data:read", details(cast, "care-use"))


def _own_door(tell: Teller, cast: Cast, given: set[str]) -> tuple[Caller, str]:
    tell.stage.scene(
        "A person opens the link in her letter, and changes her mind",
        "No account, no form, no reason: saying no is one call, as saying yes is.",
    )
    key = min(given)
    where = f"/v1/datasets/{cast.datasets['care-use']}/consent-links"
    body = {"subject": key, "delivery": "paper"}
    link = tell.call(
        cast.care_desk,
        "POST",
        where,
        body,
        shows={**body, "subject": "<her number>"},
        expects=201,
        tells=("expiresAt",),
    )
    token = str(link.json["url"]).partition("#")[2]
    session = tell.call(
        ANYBODY,
        "POST",
        "/v1/me/sessions",
        {"token": token},
        shows={"token": "<from her letter>"},
        expects=201,
        tells=("expiresAt",),
    )
    person = Caller("a person, by her own link", token=session.json["accessToken"])

    def mine(answer: Answer) -> Sequence[Line]:
        topic = answer.json["items"][0]
        event = topic["consent"]["events"][0]
        return [
            ("asked by", topic["provider"]),
            ("for", topic["label"]["en"]),
            (
                "decided",
                f"{topic['consent']['state']}, by {event['channel']}, reported by the {event['collector']}: {event['evidence']}",
            ),
            ("moves", ", ".join(topic["moves"])),
        ]

    tell.call(person, "GET", "/v1/me/consents", tells=mine)
    no = {"datasetId": cast.datasets["care-use"], "purpose": PURPOSE, "move": "withdraw"}
    tell.call(
        person,
        "POST",
        "/v1/me/consents",
        no,
        shows={"move": "withdraw"},
        expects=201,
        tells=("state", "isPersonsOwn"),
    )
    return person, key


def _others(tell: Teller, cast: Cast, given: set[str]) -> set[str]:
    tell.stage.note("Two dozen others wrote a letter; the health service reports those in one file.")
    gone = sorted(given)[::_EVERY][:_LETTERS]
    now = rfc3339(system_clock().replace(microsecond=0))
    lines = [{"subject": each, "purpose": PURPOSE, "move": "withdraw", "at": now} for each in gone]
    _import(tell, cast, lines, is_quiet=False)
    return set(gone)


def _shorter(tell: Teller, cast: Cast, before: set[str], gone: set[str]) -> None:
    tell.stage.scene(
        "The university's next read is shorter",
        "The same token, the same address: the rows of who said no are not in it, and nothing tells whose they were.",
    )
    after = _read(tell, cast, is_quiet=False)
    if after != before - gone:
        msg = "the read after the withdrawals does not hold exactly the rows of who still lets them go"
        raise StoryBroke(msg)
    tell.stage.note(
        f"{len(before):,} rows before, {len(after):,} now: exactly the {len(gone)} who withdrew are gone."
    )


def _duties(tell: Teller, cast: Cast, gone: set[str]) -> list[str]:
    tell.stage.scene(
        "The rows that left before are called back",
        "The exchange knows under which agreements they left; the university is told whom to erase, and by when.",
    )
    tell.sign_in(cast.researcher)
    params = {"role": "debtor", "ground": "recall"}
    until = time.monotonic() + _PATIENCE_S
    while (
        time.monotonic() < until
    ):  # people are gathered into one recall, in the demo for a second: or into two
        found = tell.quietly(cast.researcher, "GET", "/v1/duties", params=params).json["items"]
        if sum(each["subjects"] for each in found if each["state"] == "due" and each["dueAt"]) == len(gone):
            break
        time.sleep(0.2)

    def owed(answer: Answer) -> Sequence[Line]:
        return [
            line
            for duty in answer.json["items"]
            for line in (
                ("duty", duty["words"]["en"]),
                *((name, str(duty[name])) for name in ("state", "subjects", "dueAt", "consequence")),
            )
        ]

    answer = tell.call(cast.researcher, "GET", "/v1/duties", params=params, tells=owed)
    duties = [str(each["id"]) for each in answer.json["items"]]

    def people(answer: Answer) -> list[str]:
        items = answer.json["items"]
        return [*(f"{each['known']}: {each['name']}" for each in items[:_SHOWN]), f"… {len(items)} people"]

    named: set[str] = set()
    for duty in duties:
        where = f"/v1/duties/{duty}/subjects"
        listed = tell.call(cast.researcher, "GET", where, params={"pageSize": "100"}, tells=people)
        named |= {each["name"] for each in listed.json["items"]}
    if named != gone:
        msg = "the duties do not name exactly the people who withdrew"
        raise StoryBroke(msg)
    return duties


def _attested(tell: Teller, cast: Cast, duties: Sequence[str]) -> None:
    tell.stage.note(
        "It erases them, and says so; unanswered, its agreement would stand still after that date."
    )
    done = {"move": "fulfil", "evidence": {"text": "Erased from both copies; checked by two of us."}}
    for duty in duties:
        where = f"/v1/duties/{duty}/transitions"
        tell.call(cast.researcher, "POST", where, done, shows=done, expects=201, tells=("state", "settledAt"))


def _told(tell: Teller, cast: Cast, person: Caller) -> None:
    tell.stage.scene(
        'She asks: "Who has my data?"',
        "Who received rows about her, when, and who says that they were erased: from the record, not from memory.",
    )

    def recipients(answer: Answer) -> Sequence[Line]:
        lines: list[Line] = []
        for each in answer.json["items"]:
            erasure = each["erasure"] or {"state": "not asked", "confirmedAt": None, "evidence": None}
            said = (erasure["evidence"] or {}).get("text")
            lines += [
                ("organisation", each["organisation"]),
                ("purpose", each["purpose"].rpartition("#")[2]),
                ("received", f"{each['firstAt']}, last {each['lastAt']}"),
                ("erasure", f"{erasure['state']}, confirmed {erasure['confirmedAt']}: “{said}”"),
            ]
        return lines

    answer = tell.call(person, "GET", "/v1/me/recipients", tells=recipients)
    told = [(each["organisation"], (each["erasure"] or {}).get("state")) for each in answer.json["items"]]
    if told != [(cast.university.name, "fulfilled")]:
        msg = "the person is not told who received her rows, and that they were erased"
        raise StoryBroke(msg)

    def report(answer: Answer) -> Sequence[Line]:
        return [
            (
                cast.name_of(each["consumerId"]),
                f"first received rows about her at {each['at']}: leaf {each['leafIndex']} of the log",
            )
            for each in answer.json["items"]
        ]

    answer = tell.call(person, "GET", "/v1/me/report", tells=report)
    if [each["consumerId"] for each in answer.json["items"]] != [cast.university.id]:
        msg = "the log's report does not say who received rows about her"
        raise StoryBroke(msg)
    tell.stage.note("Each comes with its proof, and with a key by which she finds what would be withheld.")


def _read(tell: Teller, cast: Cast, *, is_quiet: bool = True) -> set[str]:
    where = f"/v1/datasets/{cast.datasets['care-use']}/data"

    def size(answer: Answer) -> list[str]:
        return [f"{len(_people(answer)):,} rows, {len(answer.content):,} bytes"]

    answer = tell.call(cast.researcher, "GET", where, params={"format": "csv"}, tells=size, is_quiet=is_quiet)
    return set(_people(answer))


def _people(answer: Answer) -> list[str]:
    return [row["person_id"] for row in csv.DictReader(io.StringIO(answer.content.decode()))]


def _import(tell: Teller, cast: Cast, lines: Sequence[Mapping[str, Any]], *, is_quiet: bool) -> None:
    where = f"/v1/datasets/{cast.datasets['care-use']}/consent-imports"
    body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    made = tell.call(
        cast.care_desk,
        "POST",
        where,
        content=body,
        headers={"Content-Type": "application/x-ndjson"},
        params={"channel": "paper", "evidence": "archive box 12"},
        shows=f"<{len(lines):,} lines of JSON>",
        expects=202,
        is_quiet=True,
    )
    until = time.monotonic() + _PATIENCE_S
    one = f"{where}/{made.json['id']}"
    while time.monotonic() < until:
        if tell.quietly(cast.care_desk, "GET", one).json["state"] == "done":
            break
        time.sleep(0.1)
    tell.call(cast.care_desk, "GET", one, tells=("state", "lines", "applied", "faulty"), is_quiet=is_quiet)


def _answers(answers: Mapping[str, bool], at: datetime) -> list[dict[str, Any]]:
    said_at = rfc3339(at.replace(microsecond=0))
    until = rfc3339((at + _LATER).replace(microsecond=0))
    yes = {"move": "give", "explicit": True, "validUntil": until}
    return [
        {"subject": person, "purpose": PURPOSE, "at": said_at, **(yes if is_yes else {"move": "refuse"})}
        for person, is_yes in answers.items()
    ]


def _rule(cast: Cast) -> dict[str, Any]:
    research = {"nl": "Onderzoek in de regio", "en": "Research in the region"}
    members = [f"kvk:{each.identifiers['kvk']}" for each in (cast.university, cast.streetlens)]
    return {
        "subjects": ["person_id"],
        "keySpace": "care-number",
        "purposes": [
            {"purpose": PURPOSE, "basis": "consent", "explicit": True, "recipients": ["class:research"]}
        ],
        "classes": {"research": {"title": research, "members": members}},
        "notice": {
            "nl": f"Mogen uw zorggegevens gebruikt worden voor onderzoek in {data.REGION}?",
            "en": f"May your care records be used for research in {data.REGION}?",
        },
        "handling": {"address": f"Kade 1, {data.REGION}", "retention": "P5Y"},
    }

"""Every way in which rows leave goes through the gate: nothing of whoever said no, in any form."""

import io
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from sqlmodel import Session, col, select

from datahub.audit import Decision, Entry
from datahub.consent import digest_of_key, recipients_of
from datahub.kernel.context import ANONYMOUS
from datahub.participants import Role
from tests.consent.building import ACADEMIC, MARKETING, Clinic, a_clinic, a_purpose
from tests.hub import Hub, Party

FORMS = ("csv", "jsonl", "parquet", "arrow")


@dataclass
class Reading:
    """A clinic whose rows a university may have."""

    clinic: Clinic
    university: Party
    agreement_id: str = ""

    @property
    def hub(self) -> Hub:
        return self.clinic.hub

    def agree(self, template: str = "purpose", purpose: str = ACADEMIC, **parameters: Any) -> str:
        """Go all the way to an agreement for research; return its id."""
        clinic, at = self.clinic, f"{self.clinic.at}/offers"
        is_for = template in ("purpose", "consent")
        told: dict[str, Any] = {"purposes": ["dpv:ResearchAndDevelopment"]} if is_for else {}
        body = {"title": {"en": "An offer"}, "template": template, "parameters": told | parameters}
        offer = clinic.party.done("POST", at, 201, json=body)
        clinic.party.done("POST", f"{at}/{offer['id']}/transitions", 201, json={"move": "open"})
        asked = {"offerId": offer["id"], "agreesTo": offer["policyHash"], "purpose": purpose}
        request = self.university.done("POST", "/v1/access-requests", 201, json=asked)
        moved = f"/v1/access-requests/{request['id']}/transitions"
        approved = clinic.party.done("POST", moved, 201, json={"move": "approve"})
        self.agreement_id = str(approved["agreementId"])
        return self.agreement_id

    def token(self, *actions: str, **detail: Any) -> str:
        """A token of the university on its agreement."""
        details: dict[str, Any] = {"type": "dataset", "identifier": self.clinic.dataset_id}
        details |= {"agreement": self.agreement_id, "actions": list(actions or ("read",)), **detail}
        return self.university.token(authorization_details=orjson.dumps([details]).decode())

    def get(
        self, form: str = "csv", *, token: str | None = None, method: str = "GET", **more: Any
    ) -> httpx2.Response:
        """Fetch the data."""
        params = {"format": form, **more.pop("params", {})}
        params = {name: value for name, value in params.items() if value is not None}
        headers = {"Authorization": f"Bearer {token or self.token()}", **more.pop("headers", {})}
        path = more.pop("path", "data")
        return self.hub.http.request(
            method, f"{self.clinic.at}/{path}", params=params, headers=headers, **more
        )

    def rows(self, form: str = "csv", **more: Any) -> list[tuple[Any, ...]]:
        """The rows that leave, as person and visits."""
        answer = self.get(form, **more)
        assert answer.status_code == 200, answer.text
        return read(form, answer.content)

    def received(self, key: str) -> list[str]:
        """Under which agreements somebody's rows have left."""
        with self.hub.context(ANONYMOUS) as ctx:
            digest = digest_of_key(ctx.settings, self.clinic.party.id, "citizen", key)
            return [each.agreement_id for each in recipients_of(ctx, self.clinic.dataset_id, digest)]

    def last(self, action: str) -> Entry:
        with Session(self.hub.engine) as session:
            found = select(Entry).where(Entry.action == action).order_by(col(Entry.id).desc())
            return session.exec(found).first()  # type: ignore[return-value]  # there is one


def read(form: str, content: bytes) -> list[tuple[Any, ...]]:
    """Read any form into rows of person and visits."""
    if form == "csv":
        lines = [line.split(",") for line in content.decode().replace('"', "").splitlines()]
        table = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    elif form == "jsonl":
        table = [orjson.loads(line) for line in content.splitlines()]
    elif form == "parquet":
        table = pq.read_table(io.BytesIO(content)).to_pylist()
    else:
        with pa.ipc.open_stream(content) as stream:
            table = stream.read_all().to_pylist()
    return [(row.get("person") or None, int(row["visits"])) for row in table]


def a_reading(hub: Hub, **rule: Any) -> Reading:
    clinic = a_clinic(hub)
    clinic.rule(**rule)
    assert clinic.publish().status_code == 201
    return Reading(clinic, hub.party("university", Role.REQUESTER))


@pytest.fixture
def reading(hub: Hub) -> Reading:
    return a_reading(hub)


@pytest.fixture
def sqlite_reading(sqlite_hub: Hub) -> Reading:
    return a_reading(sqlite_hub)


def test_each_form_holds_the_rows_of_whoever_said_yes_and_the_next_read_is_shorter(reading: Reading) -> None:
    reading.agree()
    assert reading.rows() == [], "nobody said anything"
    for key in ("ann", "bob"):
        reading.clinic.say(key, "give")
    etags = set()
    for form in FORMS:
        answer = reading.get(form)
        assert read(form, answer.content) == [("ann", 3), ("bob", 1)], form
        assert answer.headers["accept-ranges"] == "none"
        assert "repr-digest" not in answer.headers
        etags.add((form, answer.headers["etag"]))
    assert (reading.received("ann"), reading.received("cat")) == ([reading.agreement_id], [])
    kept = dict(etags)
    again = reading.get("csv", headers={"If-None-Match": kept["csv"]})
    assert again.status_code == 304
    reading.clinic.say("ann", "withdraw")
    for form in FORMS:
        answer = reading.get(form, headers={"If-None-Match": kept[form], "Range": "bytes=0-9"})
        assert (answer.status_code, read(form, answer.content)) == (200, [("bob", 1)]), form
        head = reading.get(form, method="HEAD")
        assert "content-length" not in head.headers
        assert head.headers["etag"] != kept[form]
    assert reading.rows(params={"filter": "person:eq:ann"}) == []
    assert reading.rows(path="versions/1/data") == [("bob", 1)]
    assert reading.received("ann") == [reading.agreement_id], "what left has left"
    attempt, outcome = reading.last("data.read"), reading.last("data.deliver")
    assert attempt.details["consent"] == outcome.details["consent"] == "rule=1;ResearchAndDevelopment=3"
    with Session(reading.hub.engine) as session:
        decision = session.get(Decision, attempt.decision_id)
        assert decision is not None
        assert decision.facts["consent"] == "rule=1;ResearchAndDevelopment=3"
    assert outcome.rows == 1


def test_whose_rows_left_is_known_exactly(reading: Reading) -> None:
    reading.agree()
    for key in ("ann", "bob", "cat"):
        reading.clinic.say(key, "give")
    assert reading.get(method="HEAD").status_code == 200
    assert [reading.received(key) for key in ("ann", "bob", "cat")] == [[], [], []], "a HEAD gives nothing"
    reading.rows(params={"filter": "visits:ge:2"})
    assert [bool(reading.received(key)) for key in ("ann", "bob", "cat")] == [True, False, True]
    assert reading.received("zed") == []


def test_a_mask_on_the_key_does_not_blind_the_gate_and_the_provider_sees_its_own(
    sqlite_reading: Reading,
) -> None:
    reading = sqlite_reading
    reading.agree("columns-masked", columns=["person"], method="hmac")
    reading.clinic.say("bob", "give")
    [(code, visits)] = reading.rows()
    assert (len(code), visits) == (32, 1)
    assert reading.rows(params={"filter": f"person:eq:{code}", "fields": "visits"}) == [(None, 1)]
    own = reading.clinic.party.get(f"{reading.clinic.at}/data")
    assert len(own.text.splitlines()) == 5, "the provider's own data does not leave it"
    reading.agree("columns-without", columns=["person"])
    assert reading.rows() == [(None, 1)]


@pytest.mark.parametrize(
    ("several", "nobody", "expected"),
    [
        ("all", "out", [("ann", 3)]),
        ("any", "out", [("ann", 3), ("bob", 1)]),
        ("all", "in", [("ann", 3), (None, 9)]),
    ],
)
def test_rows_about_several_people_and_about_nobody(
    sqlite_hub: Hub, several: str, nobody: str, expected: list[Any]
) -> None:
    reading = a_reading(sqlite_hub, subjects=["person", "partner"], several=several, nobody=nobody)
    reading.agree()
    for key in ("ann", "bob"):
        reading.clinic.say(key, "give")
    assert reading.rows() == expected
    assert bool(reading.received("cat")) is (several == "any"), "a row about two tells of both"


def test_purpose_recipient_columns_and_notice_are_held_to_the_rule(sqlite_reading: Reading) -> None:
    reading = sqlite_reading
    reading.agree()
    for key in ("ann", "bob"):
        reading.clinic.say(key, "give")
    clinic, token = reading.clinic, reading.token()
    clinic.rule(purposes=[a_purpose(data=["area"])])
    refused = reading.get()
    assert (refused.status_code, refused.json()["code"], refused.json()["columns"]) == (
        403, "consent-columns-not-covered", ["partner", "visits"],
    )  # fmt: skip
    assert reading.last("data.read").outcome == "deny"
    assert reading.get(params={"fields": "area"}).text == '"area"\n"north"\n"north"\n'
    sneaky = reading.get(params={"fields": "area", "filter": "visits:eq:3"})
    assert sneaky.json()["code"] == "consent-columns-not-covered", "a filter tells as much as a column"
    clinic.say("cat", "give")
    clinic.rule()
    assert reading.rows() == [("ann", 3), ("bob", 1)], "cat's yes was to a notice of less"
    clinic.rule(purposes=[a_purpose(recipients=["kvk:1"])])
    assert reading.get(token=token).json()["code"] == "consent-not-covered", "to somebody else"
    with pytest.raises(AssertionError, match="consent rule lets nothing"):
        reading.token()
    clinic.rule(purposes=[a_purpose(MARKETING)])
    assert reading.get(token=token).json()["code"] == "consent-not-covered", "for something else"
    clinic.rule(purposes=[a_purpose(basis="public-task", explicit=False)])
    assert len(reading.rows()) == 3, "everybody who did not object, and nobody's rows stay out"
    clinic.say("ann", "withdraw")
    assert reading.rows() == [("bob", 1), ("cat", 2)]


def test_a_policy_that_wants_consent_is_met_by_the_gate_and_by_no_other_basis(
    sqlite_reading: Reading,
) -> None:
    reading = sqlite_reading
    reading.agree("consent")
    assert reading.rows() == []
    reading.clinic.say("cat", "give")
    assert reading.rows() == [("cat", 2)]
    token = reading.token()
    reading.clinic.rule(purposes=[a_purpose(basis="public-task", explicit=False)])
    assert reading.get(token=token).json()["code"] == "consent-not-covered"
    plain = Reading(reading.clinic, reading.university)
    plain.agree()
    assert len(plain.rows()) == 3


def test_time_ends_a_yes_and_a_guardians_ends_at_majority(sqlite_reading: Reading) -> None:
    reading = sqlite_reading
    reading.agree()
    reading.clinic.say("ann", "give", validUntil="2026-07-01T00:00:00Z")
    guardian = {"relation": "parent", "majorityAt": "2026-06-11T12:00:00Z"}
    reading.clinic.say("cat", "give", guardian=guardian)
    etag = reading.get().headers["etag"]
    assert len(reading.rows()) == 2
    reading.hub.clock.forward(days=12)
    answer = reading.get(headers={"If-None-Match": etag})
    assert read("csv", answer.content) == [("ann", 3)], "of age, and nothing was written down"
    reading.hub.clock.forward(days=30)
    assert reading.rows() == []


def test_an_open_offer_has_no_purpose_to_consent_to_and_a_whole_file_is_never_sent(
    sqlite_reading: Reading,
) -> None:
    clinic = sqlite_reading.clinic
    at = f"{clinic.at}/offers"
    body = {"title": {"en": "Open"}, "template": "open", "parameters": {}}
    offer = clinic.party.done("POST", at, 201, json=body)
    clinic.party.done("POST", f"{at}/{offer['id']}/transitions", 201, json={"move": "open"})
    answer = sqlite_reading.hub.http.get(f"{clinic.at}/data?format=parquet")
    assert (answer.status_code, answer.json()["code"]) == (403, "consent-not-covered")


def test_what_is_not_known_to_have_the_column_that_names_people_is_not_sent(sqlite_reading: Reading) -> None:
    reading = sqlite_reading
    reading.agree()
    reading.clinic.say("ann", "give")
    token = reading.token()
    with reading.hub.engine.begin() as connection:
        connection.execute(text("update dataset_version set columns = null"))
    refused = reading.get(token=token)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent-column-missing")


def test_queries_do_not_count_whoever_said_no(sqlite_reading: Reading) -> None:
    reading = sqlite_reading
    reading.agree()
    for key in ("ann", "bob", "cat"):
        reading.clinic.say(key, "give")
    token = reading.token("read", "query")
    ask = {"measures": [{"function": "sum", "column": "visits", "as": "n"}]}

    def total() -> int:
        found = reading.university.call("POST", f"{reading.clinic.at}/queries", token=token, json=ask)
        assert found.status_code == 200, found.text
        return int(found.json()["rows"][0]["n"])

    assert total() == 6
    assert reading.received("ann") == [], "a sum is not somebody's row"
    reading.clinic.say("bob", "withdraw")
    assert total() == 5
    sql = {"sql": "select person, visits from data order by visits"}
    found = reading.university.call("POST", f"{reading.clinic.at}/sql", token=token, json=sql)
    assert found.status_code == 200, found.text
    assert [row["person"] for row in found.json()["rows"]] == ["cat", "ann"]
    assert [bool(reading.received(key)) for key in ("ann", "bob", "cat")] == [True, False, True]


def test_a_gateway_is_told_about_the_people_it_names(sqlite_reading: Reading) -> None:
    reading = sqlite_reading
    reading.agree()
    reading.clinic.say("ann", "give")
    gateway = reading.clinic.hub.client_of(reading.clinic.party.participant, Role.PUBLISHER, Role.APPROVER)

    def ask(*people: str) -> Any:
        body = {
            "subject": {"type": "access-token", "id": reading.token()},
            "action": {"name": "read"},
            "resource": {"id": reading.clinic.dataset_id},
            "context": {"people": list(people)},
        }
        answer = gateway.post("/v1/decisions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert ask()["context"]["code"] == "consent-of-whom"
    assert (ask("ann")["decision"], ask("ann", "bob")["context"]["code"]) == (True, "consent-not-given")
    assert reading.received("ann") == [reading.agreement_id]
    assert ask("ann")["decision"], "asked twice, through the hot door too"
    reading.clinic.say("ann", "withdraw")
    assert ask("ann")["context"]["code"] == "consent-not-given"

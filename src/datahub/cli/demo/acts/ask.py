"""Act 3: asking for access; a policy, a rule or a person decides."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from datahub.cli.demo.caller import Caller
from datahub.cli.demo.cast import Cast
from datahub.cli.demo.show import Line
from datahub.cli.demo.teller import Answer, Teller
from datahub.kernel.clock import rfc3339, system_clock

RESEARCH = "https://w3id.org/dpv#AcademicResearch"
MARKETING = "https://w3id.org/dpv#Marketing"
_WISHED, _GIVEN = timedelta(days=300), timedelta(days=90)


def details(
    cast: Cast, dataset: str, agreement: str = "", purpose: str = RESEARCH, action: str = "read"
) -> list[dict[str, Any]]:
    """Return what a token is asked for: one dataset, one action, one purpose, one agreement (RFC 9396)."""
    return [
        {
            "type": "dataset",
            "identifier": cast.datasets[dataset],
            "actions": [action],
            "purpose": purpose,
            "agreement": cast.agreements[agreement or dataset],
        }
    ]


def ask(tell: Teller, cast: Cast) -> None:
    """Be refused, ask, be granted by a rule, and be granted by a person, on changed terms."""
    tell.stage.act("Asking: every no says why, and every yes is signed")
    _too_early(tell, cast)
    _wrong_purpose(tell, cast)
    _by_rule(tell, cast)
    _by_person(tell, cast)
    _results_only(tell, cast)


def _too_early(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The university reads before anybody agreed",
        "Without an agreement there is no data, however good the token; the answer says what to do about it.",
    )
    where = f"/v1/datasets/{cast.datasets['care-use']}/data"
    tell.call(cast.researcher, "GET", where, params={"format": "csv"}, expects=403)


def _wrong_purpose(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A request that could never be granted",
        "Nobody's time is spent on a purpose that the policy rules out; the refusal names what would permit.",
    )
    _request(tell, cast, cast.app, "care-use", MARKETING, project="Selling walking shoes", expects=403)


def _by_rule(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A rule says yes",
        "The municipality wrote beforehand when nobody needs to look at it: this organisation, for research.",
    )
    answer = _request(tell, cast, cast.researcher, "schooling-records", RESEARCH)
    cast.agreements["schooling-records"] = answer.json["agreementId"]


def _by_person(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A person says yes, but for a shorter time",
        "People decide where the provider wants it; a change of terms must be accepted before it counts.",
    )
    wished = rfc3339((system_clock() + _WISHED).replace(microsecond=0))
    answer = _request(tell, cast, cast.researcher, "care-use", RESEARCH, project="Fair care", until=wished)
    where = f"/v1/access-requests/{answer.json['id']}/transitions"
    given = rfc3339((system_clock() + _GIVEN).replace(microsecond=0))
    back = {"move": "return", "reason": "Three months is enough for this project.", "validUntil": given}
    returned = tell.call(
        cast.approver,
        "POST",
        where,
        back,
        shows=back,
        expects=201,
        tells=("status", "state", "offeredUntil", "possibleMoves"),
    )
    yes = {"move": "accept", "agreesTo": returned.json["policyHash"]}
    agreed = tell.call(
        cast.researcher,
        "POST",
        where,
        yes,
        shows={**yes, "agreesTo": "<the policy's hash>"},
        expects=201,
        tells=("status", "state", "agreementId"),
    )
    cast.agreements["care-use"] = agreed.json["agreementId"]
    tell.stage.note(
        "What was agreed is frozen: policy, text in two languages, end, and the exchange's signature."
    )
    where = f"/v1/agreements/{cast.agreements['care-use']}"

    def frozen(answer: Answer) -> Sequence[Line]:
        found = answer.json
        hashed, signed = found["policyHash"][:32], found["signature"][:48]
        return [
            ("standing", found["standing"]),
            ("validUntil", found["validUntil"]),
            ("policyHash", f"{hashed}…"),
            ("signature", f"{signed}…"),
            ("text.en", found["text"]["en"]),
        ]

    tell.call(cast.researcher, "GET", where, tells=frozen)


def _results_only(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "A smart-city app is given results only",
        "It never sees a row: its questions run here, and only groups leave.",
    )
    answer = _request(tell, cast, cast.app, "results", RESEARCH)
    where = f"/v1/access-requests/{answer.json['id']}/transitions"
    yes = {"move": "approve"}
    tell.call(cast.approver, "POST", where, yes, shows=yes, expects=201, tells=("status", "state"))
    tell.stage.note("Its agreement carries no right to read rows, so a token for that is refused:")
    cast.agreements["results"] = tell.quietly(cast.app, "GET", "/v1/agreements").json["items"][0]["id"]
    wanted = details(cast, "care-use", "results")
    tell.sign_in(cast.app, "data:read", wanted, is_quiet=False, expects=400, code="results-only")


def _request(
    tell: Teller,
    cast: Cast,
    who: Caller,
    offer: str,
    purpose: str,
    *,
    project: str = "",
    until: str = "",
    expects: int = 201,
) -> Answer:
    body: dict[str, Any] = {
        "offerId": cast.offers[offer]["id"],
        "agreesTo": cast.offers[offer]["hash"],
        "purpose": purpose,
    }
    if project:
        body["answers"] = {"project": project}
    if until:
        body["wishedUntil"] = until
    return tell.call(
        who,
        "POST",
        "/v1/access-requests",
        body,
        shows={name: each for name, each in body.items() if name != "agreesTo"},
        expects=expects,
        tells=("status", "state", "isByRule", "agreementId"),
    )

"""Act 5: looking back: who read my data, and why was it allowed."""

from collections.abc import Sequence
from typing import Any

from datahub.cli.demo.cast import Cast
from datahub.cli.demo.show import Line
from datahub.cli.demo.teller import Answer, Teller

_SHOWN = 30
_WIDE = 96  # from here all columns of the log fit
_LOOKING = ("log", "decision")


def look(tell: Teller, cast: Cast) -> None:
    """Let the provider, the consumer and the auditor read the log, and print it."""
    tell.stage.act("Looking back: the access log")
    _who_read(tell, cast)
    _why(tell, cast)
    _counts(tell, cast)
    _whole_log(tell, cast)


def _who_read(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        'The health service asks: "Who read my data?"',
        "A provider sees every attempt on its own datasets, allowed or refused, without asking anybody.",
    )

    def reads(answer: Answer) -> list[str]:
        return [_line(cast, entry) for entry in answer.json["items"][:_SHOWN]]

    params = {"dataset": cast.datasets["care-use"], "action": "data.read"}
    tell.call(cast.care_desk, "GET", "/v1/log-entries", params=params, tells=reads)


def _why(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The university asks: why was I refused?",
        "A decision is kept with the facts it saw; each side reads the part that is its own business.",
    )
    params = {"dataset": cast.datasets["care-use"], "outcome": "deny", "pageSize": "1"}
    found = tell.quietly(cast.researcher, "GET", "/v1/log-entries", params=params)
    decision = found.json["items"][0]["decisionId"]

    def reason(answer: Answer) -> Sequence[Line]:
        side = answer.json["explanation"]["requester"]
        return [("code", answer.json["code"]), *((n, str(each)) for n, each in side.items() if n != "code")]

    tell.call(cast.researcher, "GET", f"/v1/decisions/{decision}", tells=reason)


def _counts(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The auditor counts use per consumer and purpose",
        "The exchange's auditor sees the whole log; that the auditor looked, and why, is in it too.",
    )
    params = {"groupBy": "consumer,purpose", "reason": "Quarterly review"}
    answer = tell.call(cast.auditor, "GET", "/v1/log-statistics", params=params)
    names = ("permitted", "denied", "finished", "rows", "bytes")
    rows = [
        [cast.name_of(each.get("consumer")), _purpose(each.get("purpose")), *(f"{each[n]:,}" for n in names)]
        for each in answer.json["items"]
        if each["denied"] or each["finished"]
    ]
    tell.stage.table(("consumer", "purpose", *names), rows, right=names)


def _whole_log(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The log", "As the auditor reads it; the database itself refuses to change or remove a line."
    )
    params = {"pageSize": "200", "reason": "Quarterly review"}
    answer = tell.call(cast.auditor, "GET", "/v1/log-entries", params=params)
    entries = [each for each in answer.json["items"] if each["action"].partition(".")[0] not in _LOOKING]
    rows = [
        [
            each["at"][11:19],
            cast.name_of(each.get("actorParticipantId") or each.get("consumerId")),
            each["action"],
            each["outcome"] if each["code"] in ("ok", "permitted") else f"{each['outcome']} {each['code']}",
            cast.dataset_called(each.get("datasetId")),
            "" if each.get("rows") is None else f"{each['rows']:,}",
        ]
        for each in reversed(entries[:_SHOWN])
    ]
    columns = ["UTC", "who", "did", "outcome", "dataset", "rows"]
    if tell.stage.width < _WIDE:
        at = columns.index("dataset")
        for each in (columns, *rows):
            del each[at]
    tell.stage.table(columns, rows, right=("rows",), wraps=("did", "outcome", "dataset"))
    tell.stage.note(f"The last {len(rows)} of {len(entries)} lines, without those about reading the log.")


def _line(cast: Cast, entry: dict[str, Any]) -> str:
    who = cast.name_of(entry.get("actorParticipantId"))
    rows = "" if entry.get("rows") is None else f"{entry['rows']:,} rows"
    return f"{entry['at'][11:19]}  {who:<12}{entry['outcome']:<9}{entry['code']:<24}{_purpose(entry.get('purpose')):<18}{rows}"


def _purpose(iri: str | None) -> str:
    return (iri or "").rpartition("#")[2] or "–"

"""Act 2: four datasets, each with its own terms."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from datahub.cli.demo import data
from datahub.cli.demo.acts.consent import SPECIAL, ask_people
from datahub.cli.demo.caller import ANYBODY, Caller
from datahub.cli.demo.cast import Cast
from datahub.cli.demo.teller import Answer, Teller
from datahub.kernel.clock import rfc3339, system_clock

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
_YEAR = timedelta(days=365)
_UNKNOWN_TERM = {
    "@context": "http://www.w3.org/ns/odrl.jsonld",
    "@type": "Offer",
    "uid": "urn:example:under-a-full-moon",
    "permission": [
        {
            "action": "use",
            "constraint": [
                {"leftOperand": "urn:example:moonPhase", "operator": "eq", "rightOperand": "full"}
            ],
        }
    ],
}


def publish(tell: Teller, cast: Cast) -> None:
    """Publish two open datasets and two that are not; show what bad data and bad terms get."""
    tell.stage.act("Publishing: open metadata, and data under the provider's own terms")
    _income(tell, cast)
    _travel(tell, cast)
    _schooling(tell, cast)
    _care(tell, cast)
    _catalogue(tell)


def _income(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The municipality publishes income and schooling per neighbourhood, for everybody",
        "Columns are declared, so every cell that comes in is checked and every mistake is named.",
    )
    columns: list[Mapping[str, Any]] = [
        {"name": "neighbourhood_code", "type": "string", "nullable": False},
        {"name": "neighbourhood", "type": "string", "nullable": False},
        {"name": "year", "type": "int64", "nullable": False},
        {"name": "residents", "type": "int64"},
        {"name": "median_income_eur", "type": "int64"},
        {"name": "low_income_pct", "type": "float64"},
        {"name": "basic_qualification_pct", "type": "float64"},
    ]
    dataset = _describe(
        tell,
        cast,
        cast.city_desk,
        slug="income-schooling",
        title="Income and schooling per neighbourhood",
        description="Median income, share of low incomes and of people with a basic qualification.",
        keywords=["income", "schooling", "inclusive growth"],
        rights="PUBLIC",
        columns=columns,
        is_quiet=False,
    )
    good = data.as_csv(data.income_and_schooling())
    wrong = str(data.income_and_schooling()[4]["median_income_eur"])
    bad = data.misprint(good, 6, wrong, "unknown")
    tell.stage.note("First with a misprint in line 6 of the file:")
    where = f"/v1/datasets/{dataset}/versions"
    kind = {"Content-Type": CSV}
    shown = f"<{len(bad)} bytes of CSV>"
    tell.call(cast.city_desk, "POST", where, content=bad, headers=kind, shows=shown, expects=400)
    tell.stage.note("Nothing of it was kept. Now the corrected file:")
    tell.call(
        cast.city_desk,
        "POST",
        where,
        content=good,
        headers=kind,
        shows=f"<{len(good)} bytes of CSV>",
        expects=201,
        tells=("number", "rowCount", "mediaType", "sha256"),
    )
    _go_public(tell, cast.city_desk, dataset, is_quiet=False)
    _offer(
        tell,
        cast,
        cast.city_desk,
        "income-schooling",
        {"title": {"en": "Open to everybody"}, "template": "open"},
        is_quiet=False,
    )


def _travel(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The transport authority publishes travel and sensor counts, as Parquet",
        "A week of counters per hour: the living environment and mobility of the same neighbourhoods.",
    )
    dataset = _describe(
        tell,
        cast,
        cast.travel_desk,
        slug="travel-counts",
        title="Travel and sensor counts",
        description="Boardings, cyclists and fine particles per neighbourhood and hour.",
        keywords=["mobility", "air quality"],
        rights="PUBLIC",
    )
    _upload(tell, cast.travel_desk, dataset, data.as_parquet(data.travel_and_sensor_counts()), is_quiet=False)
    _go_public(tell, cast.travel_desk, dataset)
    terms = {"title": {"en": "Open to everybody"}, "template": "open"}
    _offer(tell, cast, cast.travel_desk, "travel-counts", terms)


def _schooling(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The municipality publishes schooling per pupil, for one organisation it names",
        "Terms come from a template: machines enforce them, and people read them in their own language.",
    )
    dataset = _describe(
        tell,
        cast,
        cast.city_desk,
        slug="schooling-records",
        title="Schooling records",
        description="Level, qualification and absence per pupil, under a pseudonym.",
        keywords=["schooling"],
        rights="RESTRICTED",
    )
    _upload(tell, cast.city_desk, dataset, data.as_csv(data.schooling_records()), kind=CSV)
    _go_public(tell, cast.city_desk, dataset)
    terms = {
        "title": {"en": "The university, at once"},
        "template": "identified-organisations",
        "parameters": {"organisations": ["did:web:university.example"]},
        "automatic": [
            {"leftOperand": "purpose", "operator": "isA", "rightOperand": "dpv:ResearchAndDevelopment"}
        ],
    }
    _offer(tell, cast, cast.city_desk, "schooling-records", terms, language="nl", is_quiet=False)


def _care(tell: Teller, cast: Cast) -> None:
    tell.stage.scene(
        "The public health service publishes care use per person, of people who said yes",
        "Data about somebody's health leaves with that person's explicit consent, or not at all.",
    )
    dataset = _describe(
        tell,
        cast,
        cast.care_desk,
        slug="care-use",
        title="Care use per person",
        description="Visits to the general practitioner, mental health care and costs, under a pseudonym.",
        keywords=["care", "health"],
        rights="NON_PUBLIC",
        columns=[
            {"name": "person_id", "type": "string", "nullable": False, "sensitivity": "personal"},
            {"name": "neighbourhood_code", "type": "string"},
            {"name": "birth_year", "type": "int64", "sensitivity": "personal"},
            {"name": "gp_visits", "type": "int64", "sensitivity": "sensitive"},
            {"name": SPECIAL, "type": "boolean", "sensitivity": "special-category"},
            {"name": "costs_eur", "type": "float64", "sensitivity": "sensitive"},
        ],
    )
    _upload(tell, cast.care_desk, dataset, data.as_parquet(data.care_use()))
    move = {"move": "publish"}
    where = f"/v1/datasets/{dataset}/transitions"
    tell.call(cast.care_desk, "POST", where, move, shows=move, expects=409, code="consent-rule-not-kept")
    ask_people(tell, cast)
    _go_public(tell, cast.care_desk, dataset, is_quiet=False)
    _care_terms(tell, cast, dataset)


def _care_terms(tell: Teller, cast: Cast, dataset: str) -> None:
    tell.stage.scene(
        "It offers them for research only, and a person decides",
        "A term that the exchange does not know is refused at publication, never skipped in silence.",
    )
    odd = {"title": {"en": "Under a full moon"}, "policy": _UNKNOWN_TERM}
    where = f"/v1/datasets/{dataset}/offers"
    tell.call(cast.care_desk, "POST", where, odd, shows={"policy": _UNKNOWN_TERM["permission"]}, expects=400)
    until = rfc3339((system_clock() + _YEAR).replace(hour=0, minute=0, second=0, microsecond=0))
    terms = {
        "title": {"en": "For research, a person decides"},
        "template": "purpose-until-date",
        "parameters": {"purposes": ["dpv:ResearchAndDevelopment"], "until": until},
        "questions": [
            {"id": "project", "label": {"en": "Which project is it for?"}, "required": True},
        ],
    }
    _offer(tell, cast, cast.care_desk, "care-use", terms, is_quiet=False)
    results = {
        "title": {"en": "Results only, in groups of ten"},
        "template": "results-only",
        "parameters": {"minimumGroup": 10, "entityKey": "person_id"},
    }
    _offer(tell, cast, cast.care_desk, "care-use", results, name="results")


def _catalogue(tell: Teller) -> None:
    tell.stage.scene(
        "Anybody finds it",
        "The catalogue needs no account: what exists and on which terms is open, also where the data is not.",
    )

    def found(answer: Answer) -> list[str]:
        return [
            f"{each['ref']:<36}{each['accessRights']:<12}{each['title']['en']}"
            for each in answer.json["items"]
        ]

    tell.call(ANYBODY, "GET", "/v1/datasets", params={"sort": "title"}, tells=found)


def _describe(
    tell: Teller,
    cast: Cast,
    who: Caller,
    *,
    slug: str,
    title: str,
    description: str,
    keywords: list[str],
    rights: str,
    columns: list[Mapping[str, Any]] | None = None,
    is_quiet: bool = True,
) -> str:
    body: dict[str, Any] = {
        "slug": slug,
        "kind": "table",
        "title": {"en": title},
        "description": {"en": description},
        "keywords": keywords,
        "accessRights": rights,
        "spatial": {"label": data.REGION},
        "provenance": {"en": "Made up by the demo; about nobody."},
    }
    if columns is not None:
        body["columns"] = columns
    shows = {name: body[name] for name in ("slug", "kind", "title", "accessRights")}
    shows |= {"columns": f"<{len(columns)} columns>"} if columns else {}
    answer = tell.call(
        who,
        "POST",
        "/v1/datasets",
        body,
        shows=shows,
        expects=201,
        tells=("id", "ref", "state"),
        is_quiet=is_quiet,
    )
    cast.datasets[slug] = answer.json["id"]
    return cast.datasets[slug]


def _upload(
    tell: Teller, who: Caller, dataset: str, table: bytes, kind: str = PARQUET, *, is_quiet: bool = True
) -> None:
    tell.call(
        who,
        "POST",
        f"/v1/datasets/{dataset}/versions",
        content=table,
        headers={"Content-Type": kind},
        shows=f"<{len(table):,} bytes of {'CSV' if kind == CSV else 'Parquet'}>",
        expects=201,
        tells=("number", "rowCount", "bytes"),
        is_quiet=is_quiet,
    )


def _go_public(tell: Teller, who: Caller, dataset: str, *, is_quiet: bool = True) -> None:
    move = {"move": "publish"}
    where = f"/v1/datasets/{dataset}/transitions"
    tell.call(who, "POST", where, move, shows=move, expects=201, tells=("state",), is_quiet=is_quiet)


def _offer(
    tell: Teller,
    cast: Cast,
    who: Caller,
    slug: str,
    terms: Mapping[str, Any],
    *,
    name: str = "",
    language: str = "en",
    is_quiet: bool = True,
) -> None:
    where = f"/v1/datasets/{cast.datasets[slug]}/offers"
    shows = {name: terms[name] for name in ("template", "parameters", "automatic") if name in terms}
    answer = tell.call(
        who,
        "POST",
        where,
        terms,
        shows=shows,
        expects=201,
        tells=("state", f"text.{language}"),
        is_quiet=is_quiet,
    )
    made = answer.json
    cast.offers[name or slug] = {"id": made["id"], "hash": made["policyHash"]}
    tell.quietly(who, "POST", f"{where}/{made['id']}/transitions", {"move": "open"}, expects=201)
    if not is_quiet:
        tell.stage.note("It opens the offer with one more call.")

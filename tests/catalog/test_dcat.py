"""The catalogue as DCAT 3 in JSON-LD, read by an RDF library that has never heard of us."""

from typing import Any

import pytest
from httpx2 import Response
from rdflib import Graph, Literal, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, ODRL2, RDF, RDFS, XSD, Namespace

from tests.catalog.conftest import Catalogue

# rdflib's own JSON-LD parser still uses the class that rdflib deprecates
pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")

LINKED = {"Accept": "application/ld+json"}
EU = "http://publications.europa.eu/resource/authority"
ADMS = Namespace("http://www.w3.org/ns/adms#")
HYDRA = Namespace("http://www.w3.org/ns/hydra/core#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
FULL: dict[str, Any] = {
    "description": {"nl": "Inkomen per buurt.", "en": "Income per neighbourhood."},
    "themes": ["SOCI", "urn:own:theme"],
    "languages": ["nl", "fy"],
    "spatial": {
        "label": "Amsterdam",
        "iri": "https://sws.geonames.org/2759794/",
        "bbox": [4.7, 52.2, 5.1, 52.5],
    },
    "temporal": {"start": "2020-01-01", "end": "2024-12-31"},
    "frequency": "ANNUAL",
    "licence": f"{EU}/licence/CC_BY_4_0",
    "contact": {
        "name": "Onderzoek",
        "email": "o'data <b>@gemeente.example".replace(" ", ""),
        "url": "https://x.example/q",
    },
    "provenance": {"nl": "Uit de registers."},
    "conformsTo": ["https://example.org/norm"],
}


def graph_of(answer: Response) -> Graph:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/ld+json"
    return Graph().parse(data=answer.text, format="json-ld")


def test_a_dataset_carries_all_its_properties(catalogue: Catalogue) -> None:
    made = catalogue.published(**FULL)
    base = catalogue.settings.base_url
    graph = graph_of(catalogue.call("GET", f"/v1/datasets/{made['id']}", headers=LINKED))
    node = URIRef(f"{base}/v1/datasets/{made['id']}")
    assert (node, RDF.type, DCAT.Dataset) in graph
    expected = {
        (DCTERMS.identifier, Literal(made["id"])),
        (DCTERMS.title, Literal("Buurten neighbourhoods", lang="nl")),
        (DCTERMS.title, Literal("Neighbourhoods neighbourhoods", lang="en")),
        (DCTERMS.description, Literal("Inkomen per buurt.", lang="nl")),
        (DCAT.keyword, Literal("inkomen")),
        (DCAT.theme, URIRef(f"{EU}/data-theme/SOCI")),
        (DCAT.theme, URIRef("urn:own:theme")),
        (DCTERMS.language, URIRef(f"{EU}/language/NLD")),
        (DCTERMS.language, URIRef(f"{EU}/language/FRY")),
        (DCTERMS.accrualPeriodicity, URIRef(f"{EU}/frequency/ANNUAL")),
        (DCTERMS.accessRights, URIRef(f"{EU}/access-right/RESTRICTED")),
        (DCTERMS.license, URIRef(f"{EU}/licence/CC_BY_4_0")),
        (DCTERMS.conformsTo, URIRef("https://example.org/norm")),
        (DCTERMS.spatial, URIRef("https://sws.geonames.org/2759794/")),
        (DCTERMS.issued, Literal("2026-06-01T12:00:00Z", datatype=XSD.dateTime)),
        (DCTERMS.modified, Literal("2026-06-01T12:00:00Z", datatype=XSD.dateTime)),
        (URIRef(f"{DCAT}version"), Literal("1")),
        (ADMS.status, URIRef("http://purl.org/adms/status/Completed")),
    }
    assert expected - set(graph.predicate_objects(node)) == set()
    publisher = graph.value(node, DCTERMS.publisher)
    assert publisher == URIRef(f"{base}/v1/participants/{catalogue.provider.id}")
    assert graph.value(publisher, FOAF.name) == Literal("Gemeente")
    assert (publisher, RDF.type, FOAF.Agent) in graph
    period = graph.value(node, DCTERMS.temporal)
    assert graph.value(period, DCAT.startDate) == Literal("2020-01-01", datatype=XSD.date)
    assert graph.value(period, DCAT.endDate) == Literal("2024-12-31", datatype=XSD.date)
    contact = graph.value(node, DCAT.contactPoint)
    assert graph.value(contact, VCARD.fn) == Literal("Onderzoek")
    assert graph.value(contact, VCARD.hasEmail) == URIRef("mailto:o%27data%3Cb%3E@gemeente.example")
    assert graph.value(graph.value(node, DCTERMS.provenance), RDFS.label) == Literal(
        "Uit de registers.", lang="nl"
    )
    box = graph.value(URIRef("https://sws.geonames.org/2759794/"), DCAT.bbox)
    assert str(box) == "POLYGON((4.7 52.2, 5.1 52.2, 5.1 52.5, 4.7 52.5, 4.7 52.2))"


def test_a_table_has_a_distribution_for_each_form_it_is_given_in(catalogue: Catalogue) -> None:
    made = catalogue.published()
    where = f"/v1/datasets/{made['id']}"
    graph = graph_of(catalogue.call("GET", where, headers=LINKED))
    found = list(graph.subjects(RDF.type, DCAT.Distribution))
    media = "https://www.iana.org/assignments/media-types/"
    assert {str(graph.value(each, DCAT.mediaType)).removeprefix(media) for each in found} == {
        "text/csv", "application/jsonl", "application/vnd.apache.parquet", "application/vnd.apache.arrow.stream",
    }  # fmt: skip
    base = catalogue.settings.base_url
    forms = ("csv", "jsonl", "parquet", "arrow")
    expected = {URIRef(f"{base}{where}/data?format={form}") for form in forms}
    assert {graph.value(each, DCAT.accessURL) for each in found} == expected


def test_files_are_distributions_with_size_and_checksum(catalogue: Catalogue) -> None:
    made = catalogue.published(kind="files")
    where = f"/v1/datasets/{made['id']}"
    graph = graph_of(catalogue.call("GET", where, headers=LINKED))
    [file] = graph.subjects(RDF.type, DCAT.Distribution)
    [told] = catalogue.call("GET", f"{where}/versions/1").json()["files"]
    assert graph.value(file, DCTERMS.title) == Literal("data.txt")
    assert str(graph.value(file, DCAT.accessURL)).endswith(f"{where}/data?file=data.txt")
    assert graph.value(file, DCAT.byteSize) == Literal(str(told["bytes"]), datatype=XSD.nonNegativeInteger)
    checksum = graph.value(file, SPDX.checksum)
    assert str(graph.value(checksum, SPDX.checksumValue)).lower() == told["sha256"]


def test_a_withdrawn_dataset_says_so_and_has_no_distribution(catalogue: Catalogue) -> None:
    made = catalogue.published()
    catalogue.moved(made["id"], "withdraw")
    graph = graph_of(catalogue.call("GET", f"/v1/datasets/{made['id']}", headers=LINKED))
    assert list(graph.objects(None, ADMS.status)) == [URIRef("http://purl.org/adms/status/Withdrawn")]
    assert list(graph.subjects(RDF.type, DCAT.Distribution)) == []


def test_open_offers_are_the_policies_of_a_dataset(catalogue: Catalogue) -> None:
    made = catalogue.published()
    where = f"/v1/datasets/{made['id']}"
    terms = {"title": {"en": "Open"}, "template": "open", "parameters": {}}
    offer = catalogue.call("POST", f"{where}/offers", "publisher", json=terms)
    assert offer.status_code == 201, offer.text
    tagged = catalogue.call("GET", where, headers=LINKED)
    assert list(graph_of(tagged).objects(None, ODRL2.hasPolicy)) == []
    opened = {"move": "open"}
    moved = catalogue.call(
        "POST", f"{where}/offers/{offer.json()['id']}/transitions", "publisher", json=opened
    )
    assert moved.status_code == 201, moved.text
    again = catalogue.call("GET", where, headers=LINKED | {"If-None-Match": tagged.headers["etag"]})
    graph = graph_of(again)
    [policy] = graph.objects(None, ODRL2.hasPolicy)
    assert (policy, RDF.type, ODRL2.Offer) in graph
    [permission] = graph.objects(policy, ODRL2.permission)
    assert graph.value(permission, ODRL2.action) == ODRL2.use


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/catalog"])
def test_the_list_is_a_catalogue_whose_pages_are_linked(catalogue: Catalogue, path: str) -> None:
    made = {catalogue.published(slug)["id"] for slug in ("one", "two", "three")}
    catalogue.made("draft")
    base = catalogue.settings.base_url
    seen: set[str] = set()
    here, pages = f"{path}?pageSize=2", 0
    while here:
        answer = catalogue.call("GET", here, headers=LINKED)
        graph = graph_of(answer)
        [node] = graph.subjects(RDF.type, DCAT.Catalog)
        assert node == URIRef(f"{base}/v1/catalog")
        assert graph.value(graph.value(node, DCTERMS.publisher), FOAF.name) == Literal("Exchange")
        seen |= {str(each).rpartition("/")[2] for each in graph.objects(node, DCAT.dataset)}
        view = graph.value(node, HYDRA.view)
        following = graph.value(view, HYDRA.next)
        assert ('rel="next"' in answer.headers.get("link", "")) == (following is not None)
        here = str(following or "").removeprefix(base)
        pages += 1
    assert seen == made
    assert pages == 2


def test_the_catalogue_address_gives_json_ld_unless_told_otherwise(catalogue: Catalogue) -> None:
    catalogue.published()
    assert catalogue.call("GET", "/v1/catalog").headers["content-type"] == "application/ld+json"
    plain = catalogue.call("GET", "/v1/catalog", headers={"Accept": "application/json"})
    assert plain.headers["content-type"] == "application/json"
    assert plain.json()["@type"] == "dcat:Catalog"


def test_each_form_has_its_own_tag_and_caches_know_it(catalogue: Catalogue) -> None:
    made = catalogue.published()
    for path in (f"/v1/datasets/{made['id']}", "/v1/datasets"):
        plain, linked = (catalogue.call("GET", path, headers=h) for h in ({}, LINKED))
        assert plain.headers["content-type"] == "application/json"
        assert plain.headers["etag"] != linked.headers["etag"]
        assert "Accept" in plain.headers["vary"]
        assert "Accept" in linked.headers["vary"]
        same = LINKED | {"If-None-Match": linked.headers["etag"]}
        catalogue.later(minutes=1)
        again = catalogue.call("GET", path, headers=same)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == linked.headers["etag"]


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/catalog", "/v1/datasets/{id}"])
def test_other_forms_cannot_be_given(catalogue: Catalogue, path: str) -> None:
    made = catalogue.made()
    answer = catalogue.call("GET", path.format(id=made["id"]), "publisher", headers={"Accept": "text/turtle"})
    assert answer.status_code == 406

"""Receipts as linked data: held to shapes of what ISO/IEC TS 27560 makes mandatory, and to DPV's own vocabulary."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pyshacl
import pytest
from rdflib import RDF, Graph, Literal, URIRef

from tests.consent.building import MARKETING, a_clinic, a_purpose
from tests.hub import Hub, a_hub

SHAPES = Path(__file__).with_name("receipt_shapes.ttl")
DPV = "https://w3id.org/dpv#"
PROFILES = "https://w3id.org/dpv/schema/dpv-27560#"
VOCABULARY = Path(__file__).parents[3] / "shared" / "vectors" / "dpv-2.3"
# The parts of DPV that the vocabulary at hand tells in full, by how their terms are used.
TOLD = (
    "consent_status",
    "consent_types",
    "legal_basis",
    "consent_controls",
    "personal_data",
    "processing",
    "purposes",
)
LD = {"Accept": "application/ld+json"}


def read(text: bytes | str) -> Graph:
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)  # rdflib's own reader of JSON-LD
        return Graph().parse(data=text, format="json-ld")


def faults(graph: Graph) -> str:
    with catch_warnings():
        simplefilter("ignore", DeprecationWarning)
        conforms, _, told = pyshacl.validate(graph, shacl_graph=str(SHAPES), inference="none")
    return "" if conforms else str(told)


@pytest.fixture(scope="module")
def receipts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Graph]]:
    """One receipt of each kind of life: by publisher, by the person, by a guardian, of an objection, of a request."""
    home = tmp_path_factory.mktemp("receipts")
    with a_hub(home, f"sqlite:///{home}/d.db") as hub:
        yield dict(_receipts(hub))


def _receipts(hub: Hub) -> Iterator[tuple[str, Graph]]:
    clinic = a_clinic(hub)
    objection = a_purpose(MARKETING, basis="legitimate-interest", explicit=False, recipients=["kvk:34366966"])
    clinic.rule(purposes=[a_purpose(), objection])
    assert clinic.publish().status_code == 201
    guardian = {"relation": "parent", "majorityAt": "2030-01-01T00:00:00Z"}
    given = clinic.say("ann", "give", evidence="form 12")
    clinic.say("ann", "withdraw")
    found = {
        "withdrawn": given,
        "guardian": clinic.say("bob", "give", guardian=guardian),
        "asked": clinic.say("cat", "request"),
        "objection": clinic.say("dan", "refuse", purpose=MARKETING),
    }
    own = {
        "datasetId": clinic.dataset_id,
        "purpose": a_purpose()["purpose"],
        "move": "give",
        "explicit": True,
    }
    found["own"] = clinic.mine(clinic.session("eve"), "POST", "/consents", json=own).json()
    for name, consent in found.items():
        yield name, read(clinic.party.get(f"/v1/consents/{consent['id']}/receipt", headers=LD).content)


@pytest.mark.parametrize("name", ["withdrawn", "guardian", "asked", "objection", "own"])
def test_a_receipt_has_all_that_27560_makes_mandatory(receipts: dict[str, Graph], name: str) -> None:
    graph = receipts[name]
    assert len(list(graph.subjects(RDF.type, URIRef(f"{DPV}ConsentReceipt")))) == 1
    assert faults(graph) == ""


NEEDED = (
    ("ConsentReceipt", "http://purl.org/dc/terms/hasPart"), ("ConsentRecord", "hasDataSubject"),
    ("ConsentRecord", "hasNotice"), ("ConsentRecord", "hasProcess"), ("ConsentRecord", "hasConsentStatus"),
    ("Process", "hasPurpose"), ("Process", "hasLegalBasis"), ("Process", "hasPersonalData"),
    ("Process", "hasStorageCondition"), ("Process", "hasDataController"), ("Process", "hasRecipient"),
    ("Process", "hasJurisdiction"), ("Process", "hasConsentControl"), ("Process", "hasRight"),
    ("Process", "hasAuthority"), ("DataController", "hasAddress"), ("DataController", "hasContact"),
    ("ConsentGiven", "isIndicatedAtTime"), ("ConsentGiven", "hasDuration"), ("ConsentGiven", "isIndicatedBy"),
)  # fmt: skip


@pytest.mark.parametrize(("of", "name"), NEEDED, ids=lambda part: part.rpartition("/")[2])
def test_a_receipt_that_lacks_one_of_them_is_told_apart(
    receipts: dict[str, Graph], of: str, name: str
) -> None:
    broken = Graph()
    broken += receipts["withdrawn"]
    predicate = URIRef(name if ":" in name else DPV + name)
    [subject] = broken.subjects(RDF.type, URIRef(DPV + of))
    assert (subject, predicate, None) in broken
    broken.remove((subject, predicate, None))
    assert name.rpartition("/")[2] in faults(broken)


def test_an_instant_that_is_none_and_a_profile_that_is_another_are_told(receipts: dict[str, Graph]) -> None:
    for name, wrong in (
        (f"{DPV}isIndicatedAtTime", Literal("soon")),
        ("http://purl.org/dc/terms/conformsTo", URIRef("urn:x")),
    ):
        broken = Graph()
        broken += receipts["withdrawn"]
        subject = next(broken.subjects(URIRef(name)))
        broken.set((subject, URIRef(name), wrong))
        assert faults(broken)


@pytest.mark.skipif(not VOCABULARY.exists(), reason="DPV's vocabulary is not at hand")
def test_every_term_is_one_of_dpvs_and_so_are_the_profiles(receipts: dict[str, Graph]) -> None:
    known = Graph()
    for name in (*TOLD, "dpv-27560-shacl"):
        known.parse(VOCABULARY / f"{name}.ttl")
    graphs = receipts.values()

    def named(predicate: str) -> set[Any]:
        return {each for graph in graphs for each in graph.objects(None, URIRef(predicate))}

    profiles = named("http://purl.org/dc/terms/conformsTo")
    assert {str(each).removeprefix(PROFILES) for each in profiles} == {"record-eu-gdpr", "receipt-eu-gdpr"}
    used = {each for name in ("hasPurpose", "hasProcessing", "hasLegalBasis") for each in named(DPV + name)}
    for graph in graphs:
        for predicate in ("hasConsentStatus", "hasConsentControl", "hasPersonalData"):
            for thing in graph.objects(None, URIRef(DPV + predicate)):
                used |= set(graph.objects(thing, RDF.type))
    ours = {each for each in used if str(each).startswith(DPV)} | profiles
    assert len(ours) > 10
    assert [each for each in sorted(ours) if (each, None, None) not in known] == []

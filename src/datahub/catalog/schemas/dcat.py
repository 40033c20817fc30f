"""Datasets and the catalogue as DCAT 3 in JSON-LD, with a context of their own, so that no reader must fetch one.

W3C DCAT 3 (2024-08-22); properties as DCAT-AP 3 asks for them: EU authority tables, vCard, FOAF, SPDX checksums.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from datahub.catalog.models import (
    AccessRights,
    Dataset,
    DatasetKind,
    DatasetState,
    DatasetVersion,
    Frequency,
    Language,
    Theme,
    authority_iri,
)
from datahub.catalog.service.descriptions import Described
from datahub.kernel.clock import rfc3339
from datahub.participants import Participant

CONTEXT: Mapping[str, str] = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
# The plain terms of the policies inside `odrl:hasPolicy` (ODRL 2.2 vocabulary).
POLICY_CONTEXT: Mapping[str, Any] = {
    "@vocab": CONTEXT["odrl"],
    **{term: {"@type": "@vocab"} for term in ("action", "leftOperand", "operator")},
    **{term: {"@type": "@id"} for term in ("assigner", "assignee", "profile", "target")},
}
# What a table is given as (see the data plane), and files as they are.
TABLE_FORMATS: Mapping[str, tuple[str, str]] = {
    "csv": ("CSV", "text/csv"),
    "jsonl": ("JSON Lines", "application/jsonl"),
    "parquet": ("Parquet", "application/vnd.apache.parquet"),
    "arrow": ("Arrow", "application/vnd.apache.arrow.stream"),
}
_MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
_STATUS: Mapping[str, str] = {
    DatasetState.DRAFT: "UnderDevelopment",
    DatasetState.PUBLISHED: "Completed",
    DatasetState.DEPRECATED: "Deprecated",
    DatasetState.WITHDRAWN: "Withdrawn",
}


def dataset_document(base_url: str, described: Described) -> dict[str, Any]:
    """Return one dataset as a JSON-LD document."""
    return {"@context": CONTEXT, **_dataset(base_url, described)}


def catalog_document(
    base_url: str, found: Sequence[Described], operator: Participant | None, page: Mapping[str, str]
) -> dict[str, Any]:
    """Return a page of the catalogue as a JSON-LD document; `page` has `id`, and `next` and `previous` if any."""
    document = {
        "@context": CONTEXT,
        "@id": f"{base_url}/v1/catalog",
        "@type": "dcat:Catalog",
        "dct:title": _texts("Catalogus van de gegevensuitwisseling", "Catalogue of the data exchange"),
        "dct:description": _texts(
            "Datasets die hier gedeeld worden; de beschrijving is open, de gegevens onder voorwaarden.",
            "Datasets shared here; their descriptions are open, the data comes under conditions.",
        ),
        "dct:publisher": _agent(base_url, operator) if operator else None,
        "dcat:service": {
            "@id": f"{base_url}/v1",
            "@type": "dcat:DataService",
            "dct:title": _texts("REST-API", "REST API"),
            "dcat:endpointURL": {"@id": f"{base_url}/v1"},
            "dcat:endpointDescription": {"@id": f"{base_url}/v1/openapi.json"},
        },
        "dcat:dataset": [_dataset(base_url, each) for each in found],
        "hydra:view": {
            "@id": page["id"],
            "@type": "hydra:PartialCollectionView",
            "hydra:next": _ref(page.get("next")),
            "hydra:previous": _ref(page.get("previous")),
        },
    }
    return _bare(document)


def _dataset(base_url: str, described: Described) -> dict[str, Any]:
    dataset, latest = described.dataset, described.latest
    iri = f"{base_url}/v1/datasets/{dataset.id}"
    upstream_id = dataset.upstream_dataset_id
    source = f"{base_url}/v1/datasets/{upstream_id}" if upstream_id else None
    node = {
        "@id": iri,
        "@type": "dcat:Dataset",
        "dct:identifier": dataset.id,
        "dct:title": _texts(dataset.title_nl, dataset.title_en),
        "dct:description": _texts(dataset.description_nl, dataset.description_en),
        "dct:publisher": _agent(base_url, described.publisher),
        "dcat:contactPoint": _contact(dataset.contact),
        "dcat:keyword": dataset.keywords,
        "dcat:theme": [_ref(authority_iri(Theme(t)) if t in set(Theme) else t) for t in dataset.themes],
        "dct:language": [_ref(authority_iri(Language(code))) for code in dataset.languages],
        "dct:conformsTo": [_ref(iri) for iri in dataset.conforms_to],
        "dct:spatial": _place(dataset.spatial),
        "dct:temporal": _period(dataset),
        "dct:accrualPeriodicity": _ref(
            authority_iri(Frequency(dataset.frequency)) if dataset.frequency else None
        ),
        "dct:license": _ref(dataset.licence),
        "dct:accessRights": _ref(authority_iri(AccessRights(dataset.access_rights))),
        "dct:provenance": _provenance(dataset),
        "dct:source": _ref(source),
        "prov:wasDerivedFrom": _ref(source),
        "dct:issued": _instant(dataset.published_at),
        "dct:modified": _instant(dataset.modified_at),
        "adms:status": _ref(f"http://purl.org/adms/status/{_STATUS[dataset.state]}"),
        "dcat:version": str(latest.number) if latest else None,
        "odrl:hasPolicy": [_policy(policy) for policy in described.policies],
        "dcat:distribution": _distributions(iri, dataset, latest),
    }
    return _bare(node)


def _distributions(iri: str, dataset: Dataset, latest: DatasetVersion | None) -> list[dict[str, Any]]:
    if latest is None or dataset.state == DatasetState.WITHDRAWN:
        return []
    if latest.is_live:
        return [_live(iri, dataset, latest)]
    if dataset.kind == DatasetKind.TABLE:
        return [
            _bare(
                {
                    "@id": f"{iri}#{form}",
                    "@type": "dcat:Distribution",
                    "dct:title": name,
                    "dcat:accessURL": {"@id": f"{iri}/data?format={form}"},
                    "dcat:mediaType": {"@id": _MEDIA_TYPES + media_type},
                    "dct:issued": _instant(latest.created_at),
                    "dct:license": _ref(dataset.licence),
                }
            )
            for form, (name, media_type) in TABLE_FORMATS.items()
        ]
    return [
        _bare(
            {
                "@id": f"{iri}#file-{position}",
                "@type": "dcat:Distribution",
                "dct:title": file["name"],
                "dcat:accessURL": {"@id": f"{iri}/data?file={quote(file['name'], safe='')}"},
                "dcat:mediaType": {"@id": _MEDIA_TYPES + quote(file["media_type"], safe="/+.-")},
                "dcat:byteSize": {"@type": "xsd:nonNegativeInteger", "@value": str(file["bytes"])},
                "spdx:checksum": {
                    "@type": "spdx:Checksum",
                    "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
                    "spdx:checksumValue": {"@type": "xsd:hexBinary", "@value": file["sha256"]},
                },
                "dct:issued": _instant(latest.created_at),
                "dct:license": _ref(dataset.licence),
            }
        )
        for position, file in enumerate(latest.files)
    ]


def _live(iri: str, dataset: Dataset, latest: DatasetVersion) -> dict[str, Any]:
    """Return the one distribution of a live API, and the service that gives it (DCAT 3 §6.8.7)."""
    service = {
        "@id": f"{iri}#service",
        "@type": "dcat:DataService",
        "dct:title": _texts(dataset.title_nl, dataset.title_en),
        "dcat:endpointURL": {"@id": f"{iri}/api"},
        "dcat:endpointDescription": {"@id": f"{iri}/api"},
        "dcat:servesDataset": {"@id": iri},
    }
    return _bare(
        {
            "@id": f"{iri}#api",
            "@type": "dcat:Distribution",
            "dct:title": "API",
            "dcat:accessURL": {"@id": f"{iri}/api"},
            "dcat:accessService": _bare(service),
            "dct:issued": _instant(latest.created_at),
            "dct:license": _ref(dataset.licence),
        }
    )


def _agent(base_url: str, participant: Participant) -> dict[str, Any]:
    return _bare(
        {
            "@id": f"{base_url}/v1/participants/{participant.id}",
            "@type": "foaf:Agent",
            "dct:identifier": participant.slug,
            "foaf:name": participant.name,
            "foaf:homepage": _ref(
                quote(participant.website, safe=_IRI_SAFE) if participant.website else None
            ),
        }
    )


_IRI_SAFE = ":/?#[]@!$&'()*+,;=%~"


def _contact(contact: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if contact is None:
        return None
    email = contact.get("email")
    return _bare(
        {
            "@type": "vcard:Kind",
            "vcard:fn": contact["name"],
            "vcard:hasEmail": _ref(f"mailto:{quote(email, safe='@+')}" if email else None),
            "vcard:hasURL": _ref(contact.get("url")),
        }
    )


def _place(spatial: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if spatial is None:
        return None
    node: dict[str, Any] = {
        "@id": spatial.get("iri"),
        "@type": "dct:Location",
        "rdfs:label": spatial.get("label"),
    }
    if box := spatial.get("bbox"):
        west, south, east, north = box
        corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        ring = ", ".join(f"{x} {y}" for x, y in corners)
        node["dcat:bbox"] = {"@type": "geo:wktLiteral", "@value": f"POLYGON(({ring}))"}
    return _bare(node)


def _period(dataset: Dataset) -> dict[str, Any] | None:
    ends = {"dcat:startDate": dataset.temporal_start, "dcat:endDate": dataset.temporal_end}
    known = {name: {"@type": "xsd:date", "@value": day.isoformat()} for name, day in ends.items() if day}
    return {"@type": "dct:PeriodOfTime", **known} if known else None


def _provenance(dataset: Dataset) -> dict[str, Any] | None:
    texts = _texts(dataset.provenance_nl, dataset.provenance_en)
    return {"@type": "dct:ProvenanceStatement", "rdfs:label": texts} if texts else None


def _policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    return {**policy, "@context": POLICY_CONTEXT}


def _texts(nl: str | None, en: str | None) -> list[dict[str, str]]:
    said = {"nl": nl, "en": en}
    return [{"@language": language, "@value": text} for language, text in said.items() if text is not None]


def _ref(iri: str | None) -> dict[str, str] | None:
    return None if iri is None else {"@id": iri}


def _instant(at: datetime | None) -> dict[str, str] | None:
    return None if at is None else {"@type": "xsd:dateTime", "@value": rfc3339(at)}


def _bare(node: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known."""
    return {name: value for name, value in node.items() if value not in (None, [], {})}

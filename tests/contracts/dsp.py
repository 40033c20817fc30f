"""The published JSON schemas of the Dataspace Protocol 2025-1, read in place."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft201909Validator
from referencing import Registry, Resource

DSP_SCHEMAS = Path(__file__).parents[3] / "shared" / "vectors" / "dsp-2025-1"


def dsp_validator(definition: str) -> Draft201909Validator:
    if not DSP_SCHEMAS.is_dir():
        pytest.skip("the schemas of the Dataspace Protocol are not here (shared/vectors/dsp-2025-1)")
    schemas = [json.loads(path.read_text()) for path in DSP_SCHEMAS.rglob("*-schema.json")]
    resources = [(schema["$id"], Resource.from_contents(schema)) for schema in schemas if "$id" in schema]
    contract = next(
        schema["$id"] for schema in schemas if schema.get("$id", "").endswith("contract-schema.json")
    )
    registry: Registry[Any] = Registry().with_resources(resources)
    return Draft201909Validator({"$ref": f"{contract}#/definitions/{definition}"}, registry=registry)

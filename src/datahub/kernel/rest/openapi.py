"""The OpenAPI document: what the framework writes, made to keep the NL API Design Rules.

Published with the major version in the server URL, the version header on every answer, problem details on every
refusal, a contact, and the scope of each operation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from datahub.kernel.rest.access import ANYONE
from datahub.kernel.rest.schemas import ProblemOut
from datahub.kernel.settings import Settings

_METHODS = ("get", "put", "post", "delete", "patch", "head")
_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}
_REFUSALS: Mapping[str, str] = {
    "400": "The request is not right; every fault is named.",
    "401": "An access token is needed, or the one sent is not good.",
    "403": "Not allowed to this actor.",
    "404": "It does not exist, or the actor may not see it.",
    "406": "None of the media types asked for can be given.",
    "409": "The state does not allow it.",
    "410": "It has ended for good.",
    "412": "It has changed since it was read.",
    "413": "The body is too large.",
    "415": "The media type is not read here.",
    "422": "The Idempotency-Key came before with another request.",
    "428": "If-Match is required.",
    "503": "It cannot be done safely now; try again later.",
}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a repeated request give the first answer again, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The ETag of the state the change is made against.",
    "schema": {"type": "string"},
}


def describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """Return the document with full paths (`/v1/…`), as the server routes them."""
    document: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    # Pydantic names a page of DatasetOut PageOut_DatasetOut_; people would say DatasetPage.
    document = orjson.loads(re.sub(rb"PageOut_(\w+?)Out_", rb"\1Page", orjson.dumps(document)))
    document["info"]["contact"] = {
        "name": settings.contact_name,
        "url": settings.contact_url,
        "email": settings.contact_email,
    }
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    document["servers"] = [{"url": settings.base_url}]
    schemas = document["components"]["schemas"]
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas["Problem"] = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["Problem"].pop("$defs", {}))
    for path, method, operation in _operations(document):
        _complete(path, method, operation)
    return document


def publish(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the same document with `/v1` in the server URL, as it is published (rule /core/uri-version)."""
    paths: dict[str, Any] = {}
    for path, item in document["paths"].items():
        if path.startswith("/v1/"):
            paths[path.removeprefix("/v1")] = item
        else:
            paths[path] = {**item, "servers": [{"url": settings.base_url}]}
    # Their names are set by RFC 8615 and are not kebab-case; /.well-known/api-catalog leads to them instead.
    paths = {path: item for path, item in paths.items() if not path.startswith("/.well-known/")}
    return {**document, "servers": [{"url": f"{settings.base_url}/v1"}], "paths": paths}


def method_finder(app: FastAPI) -> Callable[[str], tuple[str, ...]]:
    """Return a function that tells which methods an address has, over all routes that match it."""
    found = ((route.path, route.methods) for route in iter_route_contexts(app.routes))
    known = [(compile_path(path)[0], methods) for path, methods in found if path and methods]

    def methods_of(path: str) -> tuple[str, ...]:
        found = {method for pattern, methods in known if pattern.match(path) for method in methods}
        return tuple(sorted(found))

    return methods_of


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    is_open = _tidy_security(operation)
    responses = operation["responses"]
    responses.pop("422", None)
    parameters = operation.setdefault("parameters", [])
    if method == "post" and "201" in responses:
        parameters.append(_IDEMPOTENCY)
    if operation.pop("x-needs-if-match", False) or method in ("patch", "put", "delete"):
        parameters.append(_IF_MATCH)
    for status in _refusals_of(path, method, operation, is_open=is_open):
        responses.setdefault(
            status, {"description": _REFUSALS[status], "content": {"application/problem+json": _PROBLEM}}
        )
    for status, response in responses.items():
        if status >= "400":
            response.setdefault("content", {}).setdefault("application/problem+json", _PROBLEM)
        headers = response.setdefault("headers", {})
        headers["API-Version"] = {"description": "Full version of the API.", "schema": {"type": "string"}}
        if status in ("401", "503"):
            name = "WWW-Authenticate" if status == "401" else "Retry-After"
            headers[name] = {"schema": {"type": "string"}}
    if not parameters:
        del operation["parameters"]


def _refusals_of(path: str, method: str, operation: Mapping[str, Any], *, is_open: bool) -> Iterator[str]:
    yield "400"
    yield "401"
    if not is_open:
        yield "403"
    if "{" in path:
        yield "404"
    if method == "get" and len(operation["responses"]["200"].get("content", {})) > 1:
        yield "406"
    if method in ("post", "put", "patch", "delete"):
        yield from ("403", "404", "409", "413", "503")
    if method in ("put", "patch", "delete"):
        yield from ("412", "428")
    if method == "post" and "201" in operation["responses"]:
        yield "422"
    if "requestBody" in operation:
        yield "415"
    yield "503"


def _tidy_security(operation: dict[str, Any]) -> bool:
    security = operation.get("security", [])
    is_open = not security or any(ANYONE in scopes for entry in security for scopes in entry.values())
    if security and is_open:
        operation["security"] = [{}, {"oauth2": []}]
    summary = re.split(r"(?<=[.:])\s", operation.get("description", ""), maxsplit=1)[0].rstrip(".:")
    if summary:
        operation["summary"] = summary
    return is_open

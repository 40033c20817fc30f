"""The OpenAPI document: what the framework writes, made to keep the NL API Design Rules.

Published with the major version in the server URL, the version header on every answer, problem details on every
refusal, a contact, and the scope of each operation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
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
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
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


@dataclass
class Description:
    """The document in its two forms, written when first asked for: it takes seconds, and starting should not."""

    app: FastAPI
    settings: Settings

    @cached_property
    def full(self) -> dict[str, Any]:
        """With full paths (`/v1/…`), as the server routes them."""
        return _describe(self.app, self.settings)

    @cached_property
    def published(self) -> dict[str, Any]:
        """With `/v1` in the server URL."""
        return _publish(self.full, self.settings)


def _describe(app: FastAPI, settings: Settings) -> dict[str, Any]:
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
    _name_bounds(document["components"]["schemas"])
    return _renamed(document)


def _name_bounds(node: Any) -> None:
    """Give the bounds of numbers the names of JSON Schema: on a type with a validator Pydantic leaves its own."""
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _name_bounds(each)
    if isinstance(node, dict) and node.get("type") in ("integer", "number"):
        for name in _BOUNDS.keys() & node.keys():
            node[_BOUNDS[name]] = node.pop(name)


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with plain names where schemas of two slices are called the same: `ReviewMove`.

    The framework tells them apart by their modules, and what comes in from what goes out by a hyphen.
    """
    plain = {}
    for name in document["components"]["schemas"]:
        parts = name.split("__")
        sliced = f"{parts[1].capitalize()}{parts[-1]}" if len(parts) > 1 else name
        if (better := sliced.replace("-", "")) != name:
            plain[name] = better
    text = orjson.dumps(document).decode()
    for name, better in plain.items():
        text = re.sub(rf'"(#/components/schemas/)?{re.escape(name)}"', rf'"\g<1>{better}"', text)
    renamed: dict[str, Any] = orjson.loads(text)
    return renamed


def _publish(document: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the same document as it is published (rule /core/uri-version)."""
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
    by_default = method in ("patch", "put", "delete")
    if operation.pop("x-needs-if-match", by_default):
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

"""What this server says of itself: as authorization server (RFC 8414) and as protected resource (RFC 9728)."""

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # type: ignore[import-untyped]

from datahub.kernel.settings import Settings
from datahub.oauth import jose, rules
from datahub.oauth.grants import GRANT_TYPES
from datahub.oauth.profiles import ASSERTION_ALGORITHMS, METHODS


def authorization_server(settings: Settings) -> dict[str, Any]:
    """Return the metadata of the authorization server, checked by Authlib where it is served over TLS."""
    issuer = settings.base_url
    methods = list(METHODS)
    algorithms = list(ASSERTION_ALGORITHMS)
    found: dict[str, Any] = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": sorted(rules.ALL_SCOPES),
        "response_types_supported": [],
        "grant_types_supported": list(GRANT_TYPES),
        "authorization_details_types_supported": list(rules.DETAIL_TYPES),
        "service_documentation": f"{issuer}/docs",
    }
    for endpoint in ("token", "revocation", "introspection"):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = methods
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = algorithms
    found["revocation_endpoint"] = f"{issuer}/oauth/revoke"
    found["introspection_endpoint"] = f"{issuer}/oauth/introspect"
    found["pushed_authorization_request_endpoint"] = f"{issuer}/oauth/par"
    found["require_pushed_authorization_requests"] = False
    found["dpop_signing_alg_values_supported"] = list(jose.DPOP_ALGORITHMS)
    found["protected_resources"] = [issuer]
    found["client_id_metadata_document_supported"] = settings.client_metadata_documents
    if issuer.startswith("https://"):
        _check(found)
    return found


def protected_resource(settings: Settings, path: str = "") -> dict[str, Any]:
    """Return the metadata of the API, or of one address of it, as a resource that leads to the authorization server.

    `resource` is the address that was asked about (RFC 9728 §3.3); `authorization_details`: which would open it.
    """
    details = rules.details_for(path)
    return {
        "resource": settings.base_url + path,
        "authorization_servers": [settings.base_url],
        "scopes_supported": sorted(rules.ALL_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Datahub",
        "resource_documentation": f"{settings.base_url}/docs",
        "authorization_details_types_supported": list(rules.DETAIL_TYPES),
        "dpop_signing_alg_values_supported": list(jose.DPOP_ALGORITHMS),
        "dpop_bound_access_tokens_required": False,
        **({"authorization_details": details} if details else {}),
    }


def _check(found: dict[str, Any]) -> None:
    # Authlib wants at least one response type; without an authorization endpoint there is none to name
    metadata = AuthorizationServerMetadata(found)
    for name in set(metadata.REGISTRY_KEYS) - {"response_types_supported"}:
        getattr(metadata, f"validate_{name}")()

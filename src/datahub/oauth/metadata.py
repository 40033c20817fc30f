"""What this server says of itself: as authorization server (RFC 8414) and as protected resource (RFC 9728)."""

from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # type: ignore[import-untyped]

from datahub.kernel.settings import Settings
from datahub.oauth import jose, rules
from datahub.oauth.grants import GRANT_TYPE
from datahub.oauth.models import Profile

AUTHENTICATION_METHODS = (Profile.PRIVATE_KEY_JWT.value, "client_secret_basic")


def authorization_server(settings: Settings) -> dict[str, Any]:
    """Return the metadata of the authorization server, checked by Authlib where it is served over TLS."""
    issuer = settings.base_url
    methods = list(AUTHENTICATION_METHODS)
    algorithms = list(jose.CLIENT_ALGORITHMS)
    found: dict[str, Any] = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": sorted(rules.ALL_SCOPES),
        "response_types_supported": [],
        "grant_types_supported": [GRANT_TYPE],
        "authorization_details_types_supported": list(rules.DETAIL_TYPES),
        "service_documentation": f"{issuer}/docs",
    }
    for endpoint in ("token", "revocation", "introspection"):
        found[f"{endpoint}_endpoint_auth_methods_supported"] = methods
        found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"] = algorithms
    found["revocation_endpoint"] = f"{issuer}/oauth/revoke"
    found["introspection_endpoint"] = f"{issuer}/oauth/introspect"
    if issuer.startswith("https://"):
        _check(found)
    return found


def protected_resource(settings: Settings) -> dict[str, Any]:
    """Return the metadata of the API as a resource, by which a client finds the authorization server."""
    return {
        "resource": settings.base_url,
        "authorization_servers": [settings.base_url],
        "scopes_supported": sorted(rules.ALL_SCOPES),
        "bearer_methods_supported": ["header"],
        "resource_name": "Datahub",
        "resource_documentation": f"{settings.base_url}/docs",
        "authorization_details_types_supported": list(rules.DETAIL_TYPES),
    }


def _check(found: dict[str, Any]) -> None:
    # Authlib wants at least one response type; without an authorization endpoint there is none to name
    metadata = AuthorizationServerMetadata(found)
    for name in set(metadata.REGISTRY_KEYS) - {"response_types_supported"}:
        getattr(metadata, f"validate_{name}")()

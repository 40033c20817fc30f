"""What a refused caller is told, so that one who knows only an address finds everything else.

RFC 6750 §3 and RFC 9449 §7.1 (challenges), RFC 9728 §5.1 (`resource_metadata`), RFC 9449 §9 (nonce). The parameter
`authorization_details` says which details (RFC 9396) would open the address, where it takes some. Pure.
"""

from collections.abc import Mapping
from datetime import datetime

import orjson

from datahub.kernel.errors import Refusal
from datahub.kernel.settings import Settings
from datahub.oauth import jose, nonces, rules

RESOURCE_METADATA = "/.well-known/oauth-protected-resource"


def challenge(
    settings: Settings, path: str, refusal: Refusal, has_credential: bool, now: datetime
) -> Mapping[str, str]:
    """Return the headers of a 401, or of a 403 for want of scope: DPoP first, which every client may use."""
    told = {"realm": settings.base_url}
    scope = refusal.facts.get("scope")
    error = refusal.facts.get("error", "invalid_token" if has_credential else None)
    if isinstance(scope, str):
        told |= {"error": "insufficient_scope", "scope": scope}
    elif isinstance(error, str):
        told |= {"error": error, "error_description": refusal.detail}
    more = {"resource_metadata": metadata_address(settings, path)}
    if details := rules.details_for(path):
        more["authorization_details"] = orjson.dumps(details).decode()
    is_about_proof = error in ("use_dpop_nonce", "invalid_dpop_proof")
    algorithms = {"algs": " ".join(jose.DPOP_ALGORITHMS)}
    schemes = {"DPoP": {**told, **algorithms, **more}}
    if not is_about_proof:
        schemes["Bearer"] = {**told, **more}
    written = ", ".join(f"{scheme} {_parameters(each)}" for scheme, each in schemes.items())
    headers = {"WWW-Authenticate": written}
    return headers if scope else {**headers, "DPoP-Nonce": nonces.nonce_now(settings, now)}


def metadata_address(settings: Settings, path: str) -> str:
    """Return where the metadata of the address with this path are (RFC 9728 §3.1)."""
    origin, own_path = split_origin(settings.base_url)
    return f"{origin}{RESOURCE_METADATA}{own_path}{path if path != '/' else ''}"


def split_origin(base_url: str) -> tuple[str, str]:
    """Return the origin and the path of the exchange's address."""
    scheme, _, rest = base_url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}", f"{slash}{path}"


def _parameters(told: Mapping[str, str]) -> str:
    return ", ".join(f'{name}="{_quoted(value)}"' for name, value in told.items())


def _quoted(text: str) -> str:
    # RFC 9110 §5.6.4; what cannot stand in a header is not repeated in one
    plain = "".join(c if " " <= c <= "~" else " " for c in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')

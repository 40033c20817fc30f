"""Where a token is good: the addresses it was asked for, and what lies under them (RFC 8707, RFC 9728 §3.3). Pure."""

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from datahub.oauth.errors import InvalidTarget, JwtNotGood

MAX_RESOURCES = 5
_ROOTS = ("", "/")


def read_resources(asked: Sequence[str], base_url: str, is_address: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the audiences of a token asked for with these `resource` parameters: all of the exchange without any.

    Each must be the exchange, or an address of its API that exists. Raises InvalidTarget.
    """
    if len(asked) > MAX_RESOURCES:
        raise InvalidTarget(f"A token is for at most {MAX_RESOURCES} resources.", check="resource-count")
    named = tuple(dict.fromkeys(_read(each, base_url, is_address) for each in asked))
    return (base_url,) if not named or base_url in named else named


def _read(asked: str, base_url: str, is_address: Callable[[str], bool]) -> str:
    try:
        parts = urlsplit(asked)
    except ValueError as fault:
        raise InvalidTarget("A resource is no address.", check="resource-form") from fault
    if not parts.scheme or not parts.netloc or "#" in asked:
        detail = "A resource must be an absolute address without a fragment."
        raise InvalidTarget(detail, check="resource-form")
    path = asked.removeprefix(base_url)
    if asked == path or not (path in _ROOTS or _is_clean(path)):
        raise InvalidTarget("A resource is no address of this exchange.", check="resource-foreign")
    if path in _ROOTS:
        return base_url
    if not is_address(path):
        raise InvalidTarget("Nothing lives at the address of a resource.", check="resource-unknown")
    return base_url + path


def _is_clean(path: str) -> bool:
    """Tell a path of the API that can be written in one way only."""
    return (
        path.startswith("/v1/")
        and path.isascii()
        and path.isprintable()
        and not any(c in path for c in "?%\\ ")
        and not any(segment in ("", ".", "..") for segment in path.split("/")[1:])
    )


def check_covered(audience: str | Sequence[str], base_url: str, path: str) -> None:
    """Hold a token's audience against the path that is called. Raises JwtNotGood."""
    if audience == base_url:
        return
    named = [audience] if isinstance(audience, str) else audience
    if not is_covered(named, base_url, base_url + path):
        raise JwtNotGood("aud")


def is_covered(named: Sequence[str], base_url: str, address: str) -> bool:
    """Tell whether an address is one of those named, or lies under one."""
    return any(address == each or address.startswith(f"{each}/") or each == base_url for each in named)

"""The form that OAuth's endpoints read: bounded, strict, each parameter at most once. Pure.

RFC 6749 §2.3 (one way to authenticate), §3.2 (no repeated parameters), appendix B (encoding).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes

from datahub.oauth import jose
from datahub.oauth.errors import InvalidClient, InvalidRequest
from datahub.oauth.models import MAX_NAME_LENGTH

MAX_FORM_BYTES = 65_536
MAX_PARAMETERS = 32
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = "application/x-www-form-urlencoded"


class Call(NamedTuple):
    """What came to an OAuth endpoint, unread; `body` is None when it was too long to read."""

    content_type: str
    authorization: tuple[str, ...]
    query: str
    body: bytes | None
    proofs: tuple[str, ...] = ()
    path: str = "/oauth/token"


class SecretShown(NamedTuple):
    """A client that shows its secret (RFC 6749 §2.3.1)."""

    client_id: str
    unverified_secret: str


@dataclass(frozen=True)
class AssertionShown:
    """A client that shows a JWT it signed (RFC 7523 §2.2)."""

    unverified_assertion: str
    client_id: str | None

    @cached_property
    def unverified_subject(self) -> str | None:
        """Return the client that the assertion claims to be of; None when it claims none, or cannot be read."""
        return jose.unverified_subject(self.unverified_assertion)


Credential = SecretShown | AssertionShown


class Form(NamedTuple):
    """The parameters of a call, the one credential that came with it, and its DPoP proofs, to be judged."""

    parameters: Mapping[str, str]
    credential: Credential
    resources: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    path: str = "/oauth/token"

    def get(self, name: str) -> str | None:
        """Return a parameter, None when it is absent or empty (RFC 6749 §3.2)."""
        return self.parameters.get(name) or None

    def require(self, name: str) -> str:
        """Return a parameter. Raises InvalidRequest when it is absent or empty."""
        value = self.get(name)
        if value is None:
            raise InvalidRequest(f"The parameter {name} is missing.", check=f"{name}-missing")
        return value


def read_form(call: Call) -> Form:
    """Return the parameters and the credential. Raises InvalidRequest, InvalidClient."""
    parameters, resources = _parameters(call)
    credential = _credential(parameters, call.authorization)
    return Form(parameters, credential, resources, call.proofs, call.path)


def claimed_client(call: Call) -> str | None:
    """Return the client id of a Basic header, a `client_id` parameter or an assertion, for the log; None without any."""
    try:
        if call.authorization:
            return _basic(call.authorization[0]).client_id[:MAX_NAME_LENGTH]
        parameters = _parameters(call)[0]
        shown = AssertionShown(parameters.get("client_assertion", ""), None)
        claimed = parameters.get("client_id") or shown.unverified_subject or ""
        return claimed[:MAX_NAME_LENGTH] or None
    except (InvalidClient, InvalidRequest):
        return None


def _parameters(call: Call) -> tuple[dict[str, str], tuple[str, ...]]:
    if call.content_type.partition(";")[0].strip().lower() != _FORM:
        raise InvalidRequest(f"The body must be {_FORM}.", check="content-type")
    if call.body is None:
        raise InvalidRequest(f"The body is longer than {MAX_FORM_BYTES} bytes.", check="too-large")
    if call.query:
        raise InvalidRequest("Parameters belong in the body, not in the address.", check="query")
    try:
        pairs = read_pairs(call.body.decode("ascii"))
    except ValueError as fault:  # also a UnicodeDecodeError
        raise InvalidRequest(
            f"The body is not a form in UTF-8 with at most {MAX_PARAMETERS} parameters.", check="form"
        ) from fault
    # RFC 8707 §2: `resource` alone may come more than once
    resources = tuple(value for name, value in pairs if name == "resource" and value)
    others = [pair for pair in pairs if pair[0] != "resource"]
    parameters = dict(others)
    if len(parameters) != len(others):
        raise InvalidRequest("A parameter came more than once.", check="repeated-parameter")
    return parameters, resources


def _credential(parameters: Mapping[str, str], authorization: tuple[str, ...]) -> Credential:
    asserted = parameters.get("client_assertion") or None
    assertion_type = parameters.get("client_assertion_type") or None
    client_id = parameters.get("client_id") or None
    if len(authorization) > 1 or (authorization and (asserted or assertion_type)):
        raise InvalidRequest("A client authenticates in one way only.", check="two-credentials")
    if parameters.get("client_secret"):
        raise InvalidClient("A secret in the body is not taken.", check="secret-in-body")
    if authorization:
        shown = _basic(authorization[0])
        if client_id not in (None, shown.client_id):
            raise InvalidClient("client_id names another client.", check="client-id-differs")
        return shown
    if asserted is None or assertion_type is None:
        raise InvalidClient("No client authentication came with the request.", check="no-credential")
    if assertion_type != ASSERTION_TYPE:
        raise InvalidClient("The type of the client assertion is not known here.", check="assertion-type")
    return AssertionShown(asserted, client_id)


def _basic(header: str) -> SecretShown:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise InvalidClient("The Authorization header must be Basic.", check="scheme")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        shown = SecretShown(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, ValueError) as fault:
        raise InvalidClient(
            "The Authorization header is not well-formed.", check="basic-malformed"
        ) from fault
    if not colon:
        raise InvalidClient("The Authorization header is not well-formed.", check="basic-malformed")
    return shown


def read_pairs(body: str) -> list[tuple[str, str]]:
    """Return the names and values of a form (RFC 6749 appendix B). Raises ValueError: too many, or not UTF-8.

    As `urllib.parse.parse_qsl`, in a third of the time: every token is asked for by a form.
    """
    if body.count("&") >= MAX_PARAMETERS:
        msg = "too many parameters"
        raise ValueError(msg)
    parts = (part.partition("=") for part in body.split("&") if part)
    return [(_decoded(name), _decoded(value)) for name, _, value in parts]


def _decoded(text: str) -> str:
    if "%" not in text:
        return text.replace("+", " ")
    return _unquoted(text) if len(text) > _LONGEST_KEPT else _unquoted_before(text)


def _unquoted(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "strict")


# What a client escapes, its authorization_details above all, it sends again each time
_LONGEST_KEPT = 1000
_unquoted_before = lru_cache(maxsize=2048)(_unquoted)

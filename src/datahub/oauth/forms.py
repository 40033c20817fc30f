"""The form that OAuth's endpoints read: bounded, strict, each parameter at most once. Pure.

RFC 6749 §2.3 (one way to authenticate), §3.2 (no repeated parameters), appendix B (encoding).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from datahub.oauth.errors import InvalidClient, InvalidRequest

MAX_FORM_BYTES = 65_536
MAX_PARAMETERS = 32
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """What came to an OAuth endpoint, unread; `body` is None when it was too long to read."""

    content_type: str
    authorization: tuple[str, ...]
    query: str
    body: bytes | None


@dataclass(frozen=True)
class SecretShown:
    """A client that shows its secret (RFC 6749 §2.3.1)."""

    client_id: str
    unverified_secret: str


@dataclass(frozen=True)
class AssertionShown:
    """A client that shows a JWT it signed (RFC 7523 §2.2)."""

    unverified_assertion: str
    client_id: str | None


Credential = SecretShown | AssertionShown


@dataclass(frozen=True)
class Form:
    """The parameters of a call, and the one credential that came with it."""

    parameters: Mapping[str, str]
    credential: Credential

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
    parameters = _parameters(call)
    return Form(parameters, _credential(parameters, call.authorization))


def claimed_client(call: Call) -> str | None:
    """Return the client id of a Basic header or a `client_id` parameter, for the log; None when there is none."""
    try:
        if call.authorization:
            return _basic(call.authorization[0]).client_id[:64]
        return (_parameters(call).get("client_id") or "")[:64] or None
    except (InvalidClient, InvalidRequest):
        return None


def _parameters(call: Call) -> dict[str, str]:
    if call.content_type.partition(";")[0].strip().lower() != _FORM:
        raise InvalidRequest(f"The body must be {_FORM}.", check="content-type")
    if call.body is None:
        raise InvalidRequest(f"The body is longer than {MAX_FORM_BYTES} bytes.", check="too-large")
    if call.query:
        raise InvalidRequest("Parameters belong in the body, not in the address.", check="query")
    try:
        pairs = parse_qsl(
            call.body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict"
        )
    except ValueError as fault:  # also a UnicodeDecodeError
        raise InvalidRequest(
            f"The body is not a form in UTF-8 with at most {MAX_PARAMETERS} parameters.", check="form"
        ) from fault
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise InvalidRequest("A parameter came more than once.", check="repeated-parameter")
    return parameters


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

"""What this slice refuses: in the words of OAuth at its own endpoints, in those of REST about clients.

RFC 6749 §5.2 (errors of the token endpoint), RFC 9396 §5 (authorization details).
"""

from datahub.kernel.errors import (
    Conflict,
    Forbidden,
    Invalid,
    JsonValue,
    NotFound,
    OtherSideFailed,
    Unauthenticated,
    Unavailable,
)


class OAuthRefusal(Invalid):
    """An OAuth endpoint says no; on the wire its code is written with underscores."""

    title = "OAuth request refused"

    def __init__(self, detail: str, *, check: str | None = None, **facts: JsonValue) -> None:
        """Keep the sentence; `check` names, for the log of the client's owner only, which check failed."""
        super().__init__(detail)
        self.facts = facts
        self.check = check or self.code()

    @classmethod
    def error(cls) -> str:
        """Return the error code of the specification."""
        return cls.code().replace("-", "_")


class InvalidRequest(OAuthRefusal):
    """A parameter is missing, repeated, malformed, or contradicts another."""

    title = "OAuth request malformed"


class InvalidClient(OAuthRefusal):
    """The client did not prove who it is; the access log of its owner tells which check failed."""

    title = "Client authentication failed"


class UnauthorizedClient(OAuthRefusal):
    """The client proved who it is, but may not do this: its organisation or person is not active."""

    title = "Client not authorised"


class UnsupportedGrantType(OAuthRefusal):
    """Only the client_credentials grant is given here."""

    title = "Grant type not supported"


class InvalidScope(OAuthRefusal):
    """A scope is unknown, or no role of the client carries it."""

    title = "Scope not available"


class InvalidAuthorizationDetails(OAuthRefusal):
    """The authorization details have the wrong shape, or no agreement in force covers them."""

    title = "Authorization details refused"


class InvalidTarget(OAuthRefusal):
    """A resource is no absolute address of this exchange (RFC 8707 §2)."""

    title = "Resource not known here"


class InvalidDpopProof(OAuthRefusal):
    """The DPoP proof is missing where the client's profile asks for one, or does not fit (RFC 9449 §5)."""

    title = "DPoP proof not good"


class UseDpopNonce(OAuthRefusal):
    """The DPoP proof must carry the nonce of the DPoP-Nonce header; the same request may be sent again (RFC 9449 §8)."""

    title = "DPoP nonce needed"


class InvalidRequestUri(OAuthRefusal):
    """The pushed request is not this client's, was used before, or has expired (RFC 9126 §2.2, §4)."""

    title = "Pushed request not good"


class UnsupportedResponseType(OAuthRefusal):
    """There is no authorization endpoint here; what is pushed is a token request."""

    title = "Response type not supported"


class SlowDown(OAuthRefusal):
    """Too many calls, or too many that failed; Retry-After says how long to wait (RFC 6585 §4)."""

    title = "Too many calls"


class JwtNotGood(Exception):  # noqa: N818 — not a bug: the verdict of a verifier, which its caller turns into a refusal
    """A JWT did not pass; `check` says at which check, `facts` by how much."""

    def __init__(self, check: str, **facts: JsonValue) -> None:
        """Name the check."""
        super().__init__(check)
        self.check = check
        self.facts = facts


class SignatureNotValid(Invalid):
    """A signed text was not signed by this exchange, or it has changed since."""

    title = "Signature not valid"


class NoSigningKey(Unavailable):
    """The exchange has no signing key in use."""

    title = "No signing key"


class ClientNotFound(NotFound):
    """No such client in an organisation of the actor's."""

    title = "Client not found"


class SecretNotFound(NotFound):
    """The client has no secret with this id."""

    title = "Client secret not found"


class ClientChangeNotAllowed(Forbidden):
    """Only administrators of the client's organisation, or of the exchange, may change a client."""

    title = "Client may not be changed by you"


class ClientNotPossible(Invalid):
    """The client's registration contradicts itself, its organisation or its person."""

    title = "Client registration not possible"


class ClientMoveNotPossible(Conflict):
    """The client's state does not allow this move."""

    title = "Move not possible now"


class PrivateKeySent(Invalid):
    """A private key was sent; it is compromised now and must be thrown away. Nothing was kept."""

    title = "Private key received: now compromised"


class TooManySecrets(Conflict):
    """A client has at most two live secrets: the one in use and the one that replaces it."""

    title = "Two secrets are live already"


class NoSecretsForThisClient(Conflict):
    """The client authenticates with keys; it takes no secrets."""

    title = "Client takes no secrets"


class FirstClientExists(Conflict):
    """The exchange has a client already; the first one is made once."""

    title = "First client exists"


class LoginNotGood(Unauthenticated):
    """What came back from a person's login is not the answer to it, or does not hold."""

    title = "Login not good"


class LoginProviderFailed(OtherSideFailed):
    """The provider that people log in with did not do its part."""

    title = "Login provider failed"

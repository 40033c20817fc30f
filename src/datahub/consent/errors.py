"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated


class InvalidConsentRule(Invalid):
    """A consent rule contradicts itself or the dataset's columns."""

    title = "Consent rule not usable"


class ConsentRuleMissing(NotFound):
    """The dataset has no consent rule, or not one with this number."""

    title = "No consent rule"


class ConsentRuleChanged(Conflict):
    """The dataset's consent rule has changed since it was read."""

    title = "Consent rule changed meanwhile"


class ConsentRuleNotKept(Conflict):
    """The dataset cannot be published, stay so, or be offered on these terms: consent rule, columns and terms do not fit."""

    title = "Consent rule does not fit"


class ConsentNotYours(Forbidden):
    """Only the organisation that provides the dataset handles the consents on it."""

    title = "Consents of another organisation"


class ConsentNotFound(NotFound):
    """No such consent, or not one that the actor may see."""

    title = "Consent not found"


class InvalidConsent(Invalid):
    """What was said about a consent cannot be right; every fault is named."""

    title = "Consent not valid"


class ConsentMoveNotPossible(Conflict):
    """The consent's state does not allow this move."""

    title = "Move not possible now"


class ConsentMoveNotAllowed(Forbidden):
    """This move is for others to make."""

    title = "Move not allowed to you"


class OnlyThePersonDecides(Conflict):
    """The person has said no here; only the person can say yes again."""

    title = "Only the person can say yes again"


class NothingToDecide(Conflict):
    """The purpose has a legal basis that leaves the person no choice."""

    title = "Nothing to decide"


class LinkNotUsable(Unauthenticated):
    """The one-time link or login was used, has expired, or never was one; which of these is not told."""

    title = "Link not usable"


class LoginNotOffered(Invalid):
    """People cannot log in like this for the dataset."""

    title = "No such login"


class TooManyLinks(Conflict):
    """This person was sent as many links as one may be sent in a day."""

    title = "Too many links"


class TooManyAttempts(Forbidden):
    """Too many links that are none were tried from here; try again later."""

    title = "Too many attempts"


class ConsentImportNotFound(NotFound):
    """No such import, or not one of the actor's organisation."""

    title = "Import not found"


class InvalidConsentImport(Invalid):
    """The file of consents cannot be read at all."""

    title = "Import not readable"

"""What this slice refuses."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


class ParticipantNotFound(NotFound):
    """No such organisation, or not one that the actor may see."""

    title = "Participant not found"


class PersonNotFound(NotFound):
    """No such person in an organisation of the actor's."""

    title = "Person not found"


class InvalidLegalIdentifier(Invalid):
    """A legal identifier does not have its register's form, or its check digit is wrong."""

    title = "Legal identifier not valid"


class ParticipantExists(Conflict):
    """Another organisation already has this identifier or short name."""

    title = "Participant already known"


class PersonExists(Conflict):
    """The organisation already has a person with this e-mail address."""

    title = "Person already known"


class ParticipantMoveNotAllowed(Forbidden):
    """The actor may not make this move for this organisation."""

    title = "Move not allowed to you"


class ParticipantMoveNotPossible(Conflict):
    """The organisation's state does not allow this move."""

    title = "Move not possible now"


class LastAdministrator(Conflict):
    """The change would leave the organisation without an administrator."""

    title = "Last administrator"


class WebhookNotFound(NotFound):
    """No such webhook of an organisation the actor administers."""

    title = "Webhook not found"


class TooManyWebhooks(Conflict):
    """The organisation has as many webhooks as one may have."""

    title = "Too many webhooks"


class WebhookNotAnswered(Unavailable):
    """A webhook did not take the message; it is sent again later."""

    title = "Webhook did not answer"

"""What is refused about resumable uploads (tus 1.0)."""

from datahub.kernel.errors import Conflict, Gone, Invalid, NotFound


class UploadNotFound(NotFound):
    """No such upload, or not one of the actor's organisation."""

    title = "Upload not found"


class UploadExpired(Gone):
    """The upload was not finished in time, and what came of it is removed."""

    title = "Upload expired"


class InvalidUploadHeader(Invalid):
    """A header of the upload protocol is missing or cannot be read; each is named."""

    title = "Upload header not valid"


class UploadOffsetConflict(Conflict):
    """The exchange has another number of bytes than the sender thinks; HEAD tells how many."""

    title = "Upload is elsewhere"


class UploadUnfinished(Conflict):
    """The upload has not come in whole yet."""

    title = "Upload not finished"


class TooManyUploads(Conflict):
    """The organisation has as many uploads under way as it may."""

    title = "Too many uploads"

"""What this door refuses by itself; why data does not flow is said by `transfers`."""

from datahub.kernel.errors import Conflict, Invalid, NotFound, Unavailable


class InvalidDataQuery(Invalid):
    """The fields, filters, format or file asked for cannot be; every fault is named."""

    title = "Data query not valid"


class FileNotInVersion(NotFound):
    """This version of the dataset has no file with that name."""

    title = "File not in this version"


class DataUnavailable(Unavailable):
    """The stored bytes cannot be read now; nothing was sent."""

    title = "Data not available now"


class DataIsLive(Conflict):
    """This dataset is a live API: there is nothing stored to fetch; call `/v1/datasets/{id}/api` instead."""

    title = "Data is live"

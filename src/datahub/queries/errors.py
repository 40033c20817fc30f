"""What this slice refuses by itself; why an agreement does not permit a query is said by `transfers`."""

from datahub.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable


class InvalidQuestion(Invalid):
    """The question cannot be asked of this dataset; every fault is named."""

    title = "Question not valid"


class SqlNotAllowed(Invalid):
    """The SQL is not one SELECT of the kind that may run here; where it goes wrong is told."""

    title = "SQL not allowed"


class SqlFailed(Invalid):
    """The SQL was allowed and could not be carried out on the rows; no value is told."""

    title = "SQL could not be carried out"


class ResultWithheld(Forbidden):
    """No group of the answer may leave: too few in it, or too close to an earlier answer; which is not told."""

    title = "Result withheld"


class QueryBudgetSpent(Forbidden):
    """The agreement's queries of this day, or its epsilon, are used up."""

    title = "Query budget spent"


class QueryTooHeavy(Forbidden):
    """The query needed more time, memory, rows or groups than one query may use, and was stopped."""

    title = "Query too heavy"


class DatasetColumnsChanged(Conflict):
    """The dataset has other columns than when it was first asked about, so answers cannot be compared."""

    title = "Columns of the dataset changed"


class QueriesCrossed(Conflict):
    """Other queries on the same dataset were answered meanwhile, several times in a row."""

    title = "Other queries came between"


class QueryNotFound(NotFound):
    """No query with this id concerns the actor's organisation."""

    title = "Query not found"


class TableNotReadable(Unavailable):
    """The stored table cannot be read now; nothing was given."""

    title = "Table not readable now"


class QueriesBusy(Unavailable):
    """As many queries run as this process can take."""

    title = "Too many queries at once"


class NoiseNotInstalled(Unavailable):
    """The agreement asks for noise, and this exchange runs without the extra `privacy`."""

    title = "Noise not available"

"""What a caller asks of a delivery, read from the query: `fields`, `filter`, `format`, `file`."""

import re
from collections.abc import Sequence

from datahub.dataplane.errors import InvalidDataQuery
from datahub.dataplane.scan import Filter, Op
from datahub.kernel.errors import Fault

# A column's name may hold colons; the first `:<operator>:` ends it.
_FILTER = re.compile(rf"(.+?):({'|'.join(Op)})(?::(.*))?", re.DOTALL)


def read_fields(texts: Sequence[str]) -> Sequence[str] | None:
    """Return the columns named in `fields=a,b` (repeatable), or None for all."""
    return [name for text in texts for name in text.split(",")] if texts else None


def read_filters(texts: Sequence[str]) -> Sequence[Filter]:
    """Return the conditions of `filter=column:operator:value` (repeatable); `in` takes values parted by commas.

    Raises InvalidDataQuery with every fault.
    """
    filters, faults = [], []
    for position, text in enumerate(texts):
        match = _FILTER.fullmatch(text)
        if match is None:
            sentence = f"filter {position + 1}: not column:operator:value with one of {', '.join(Op)}"
            faults.append(Fault("/query/filter", sentence, "filter-form"))
            continue
        column, op, value = match[1], Op(match[2]), match[3]
        if op is Op.IS_NULL:
            values = (value or "true",)
        else:
            values = tuple((value or "").split(",")) if op is Op.IN else (value or "",)
        filters.append(Filter(column, op, values))
    if faults:
        raise InvalidDataQuery("A filter cannot be read; see errors.", faults=faults)
    return filters

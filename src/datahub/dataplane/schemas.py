"""What a caller asks of a delivery: `fields`, `filter`, `format`, `file`, `compression` and `csvFormulas`."""

import re
from collections.abc import Sequence
from enum import StrEnum

from datahub.dataplane.errors import InvalidDataQuery
from datahub.dataplane.formats import Compression, Writing
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


class CsvFormulas(StrEnum):
    """What happens to text in CSV that a spreadsheet would take for a formula."""

    KEEP = "keep"
    ESCAPE = "escape"


_CODECS = re.compile(
    r"application/vnd\.apache\.arrow\.stream\s*;[^,]*?\bcodecs\s*=\s*(?:\"([^\"]*)\"|([\w-]+))", re.IGNORECASE
)


def read_writing(compression: Compression | None, formulas: CsvFormulas, accept: str | None) -> Writing:
    """Return how to write: compressed as asked, or else with the first codec that Accept names and we have."""
    found = _CODECS.search(accept or "")
    named = (found[1] or found[2] or "").replace(",", " ").lower().split() if found else []
    known = [Compression(name) for name in named if name in set(Compression)]
    return Writing(compression or next(iter(known), None), formulas is CsvFormulas.ESCAPE)

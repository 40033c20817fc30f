"""Which media type is chosen (RFC 9110 §12.5.1)."""

import pytest

from datahub.kernel.rest import NotAcceptable
from datahub.kernel.rest.accept import choose

OFFERED = ("text/csv", "application/x-ndjson", "application/json")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/csv"),
        ("", "text/csv"),
        ("*/*", "text/csv"),
        ("application/*", "application/x-ndjson"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv; header=absent; q=0.5, application/json;q=0.4", "text/csv"),
        ("*/*, text/csv;q=0", "application/x-ndjson"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "text/csv"),
    ],
)
def test_the_best_liked_offer_is_chosen(accept: str | None, chosen: str) -> None:
    assert choose(accept, OFFERED) == chosen


@pytest.mark.parametrize(
    "accept", ["image/png", "text/csv;q=0", "text/csv;q=nonsense", "text/csv;q=nan", ";;,"]
)
def test_what_cannot_be_given_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose(accept, OFFERED)

"""Each test prepares its policies anew: a form kept from another test would hide what a change of the engine does."""

import pytest

from datahub.policy.evaluate import prepare


@pytest.fixture(autouse=True)
def _nothing_prepared() -> None:
    prepare.cache_clear()

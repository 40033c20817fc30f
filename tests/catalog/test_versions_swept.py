"""What killed uploads leave behind is swept, and nothing else."""

from datetime import timedelta
from pathlib import Path

from datahub.catalog import storage
from datahub.catalog.jobs import sweep_storage
from datahub.kernel.clock import system_clock
from datahub.kernel.context import ANONYMOUS
from tests.build import a_context
from tests.catalog.conftest import Catalogue


def test_objects_without_a_version_are_swept_after_a_day(catalogue: Catalogue) -> None:
    kept = catalogue.published("kept")
    gone = catalogue.made("gone")
    catalogue.uploaded(gone["id"])
    store = storage(catalogue.settings)
    store.staged(".parquet")
    part: Path = store.staged()
    store.put(f"datasets/{gone['id']}/{gone['id']}/file-0000", part)
    catalogue.call("DELETE", f"/v1/datasets/{gone['id']}", "publisher", headers={"If-Match": '"2"'})
    assert len(catalogue.objects()) == 4
    assert sweep(catalogue, timedelta(hours=1)) == 0
    assert sweep(catalogue, timedelta(days=2)) == 3
    [left] = catalogue.objects()
    assert left.startswith(f"datasets/{kept['id']}/")
    assert sweep(catalogue, timedelta(days=2)) == 0


def test_an_empty_store_has_nothing_to_sweep(catalogue: Catalogue) -> None:
    assert sweep(catalogue, timedelta(days=2)) == 0


def sweep(catalogue: Catalogue, after: timedelta) -> int:
    # files carry the real time
    with a_context(catalogue.engine, catalogue.settings, ANONYMOUS, system_clock() + after) as ctx:
        return sweep_storage(ctx)

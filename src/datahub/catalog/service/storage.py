"""The one object store of a process, by its settings."""

from functools import lru_cache
from pathlib import Path

from datahub.catalog.objects import ObjectStore, open_store
from datahub.kernel.settings import Settings


def storage(settings: Settings) -> ObjectStore:
    """Return the store that holds the bytes of all versions: a folder, or a bucket with its staging in `home`."""
    return _opened(settings.storage_url, settings.home)


@lru_cache(maxsize=8)
def _opened(url: str, home: Path) -> ObjectStore:
    # A folder keeps its staging beside the objects, where a finished file can be linked into place.
    return open_store(url, staging=home / "staging" if url.startswith("s3://") else None)

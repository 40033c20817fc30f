"""The exchange's own witness: the last checkpoint it signed, kept in a file, so that no backup of the database undoes it."""

import os
from pathlib import Path

from datahub.kernel.settings import Settings


def path(settings: Settings, log: int) -> Path:
    """Return where the last signed checkpoint of a log is kept."""
    return settings.home / "log" / f"{log}.checkpoint"


def read(settings: Settings, log: int) -> str | None:
    """Return it; None before the first."""
    try:
        return path(settings, log).read_text()
    except FileNotFoundError:
        return None


def write(settings: Settings, log: int, note: str) -> None:
    """Keep it, durably, in place of the one before."""
    kept = path(settings, log)
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    with fresh.open("w") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(kept)
    folder = os.open(kept.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

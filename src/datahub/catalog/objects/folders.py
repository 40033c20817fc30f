"""Files in a folder that a power cut does not lose: bytes first, then the name, then the folder of the name."""

import errno
import os
from pathlib import Path


def put_in_folder(folder: Path, key: str, finished: Path, *, replace: bool) -> None:
    """Fsync, link or rename into place, fsync the folders: in that order, or a crash shows a name without bytes."""
    final = folder / key
    sync_file(finished)
    make_folder(final.parent)
    if replace:
        finished.replace(final)
    else:
        _link(finished, final)
    sync_folder(final.parent)


def _link(finished: Path, final: Path) -> None:
    """Give the file its final name unless that is taken: rename would replace silently."""
    try:
        final.hardlink_to(finished)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP}:
            raise
        if final.exists():  # a file system without links: the look and the rename are two steps
            raise FileExistsError(final) from None
        finished.replace(final)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

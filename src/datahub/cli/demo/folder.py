"""The folder that only the demo owns: made by it, marked by it, and cleared by it alone."""

import shutil
from pathlib import Path

MARK = ".made-by-datahub-demo"
_TEXT = "The demo made this folder and clears it whenever it starts anew. Keep nothing of your own here.\n"


class NotOurFolder(Exception):  # noqa: N818 — like a refusal: it says no, it is no bug
    """The folder holds something the demo did not put there."""


def prepare(home: Path) -> bool:
    """Make the folder, or clear it when an earlier demo made it; return whether there was an earlier one.

    Raises NotOurFolder: it is there, it is not empty, and it does not carry the demo's mark.
    """
    if home.is_symlink() or (home.exists() and not home.is_dir()):
        msg = f"{home} is not a folder"
        raise NotOurFolder(msg)
    there = list(home.iterdir()) if home.exists() else []
    if there and not (home / MARK).is_file():
        msg = f"{home} holds files that the demo did not make, so it will not clear it"
        raise NotOurFolder(msg)
    for each in there:
        # The mark goes last: cleared halfway, the folder is still known as the demo's.
        if each.name != MARK:
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    (home / MARK).write_text(_TEXT)
    return bool(there)

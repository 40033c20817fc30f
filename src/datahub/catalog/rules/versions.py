"""What the files of an upload may be called, and what their version's digest is. Pure."""

import hashlib
import unicodedata
from collections.abc import Iterable

from datahub.kernel.errors import Fault

MAX_FILES = 1000
MAX_NAME_BYTES = 255


def file_name(sent: str) -> str:
    """Return a file's name in its one form: composed characters, no surrounding blanks."""
    return unicodedata.normalize("NFC", sent).strip()


def file_name_fault(name: str, pointer: str) -> Fault | None:
    """Return what is wrong with a name, or None. A name is one path segment, never a path (RFC 6266 §4.3)."""
    if not name:
        return Fault(pointer, "every file needs a name", "file-unnamed")
    if name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
        detail = "a name is one path segment: no slash, no backslash, no control characters"
        return Fault(pointer, detail, "file-name")
    if len(name.encode()) > MAX_NAME_BYTES:
        return Fault(pointer, f"has more than {MAX_NAME_BYTES} bytes in UTF-8", "file-name")
    return None


def same_name_faults(names: Iterable[str]) -> list[Fault]:
    """Return a fault for each name that comes again; case is not told apart, because not every disk does."""
    seen: set[str] = set()
    faults = []
    for position, name in enumerate(names):
        if name.casefold() in seen:
            faults.append(Fault(f"/files/{position}", f"{name!r} comes twice", "file-doubled"))
        seen.add(name.casefold())
    return faults


def digest_of_files(files: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 of several files together: of the lines `<sha256>  <name>`, sorted by name."""
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(files)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()

"""Where uploads under way are remembered, so that the next call of a program that was killed goes on with them."""

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """The note of one upload: this file, as it is now, to this address."""

    note: Path

    @classmethod
    def of(cls, url: str, address: str, path: Path) -> "Memory":
        """Find the note of a file; a file that was changed has another."""
        facts = path.stat()
        key = json.dumps([url, address, str(path.resolve()), facts.st_size, facts.st_mtime_ns])
        return cls(_folder() / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json")

    def read(self) -> str | None:
        """Return where the upload lives, or None."""
        try:
            where = json.loads(self.note.read_text(encoding="utf-8"))["upload"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return where if isinstance(where, str) else None

    def write(self, where: str) -> None:
        """Remember an upload; a machine that cannot remember still uploads."""
        with contextlib.suppress(OSError):
            self.note.parent.mkdir(parents=True, exist_ok=True)
            beside = self.note.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps({"upload": where}), encoding="utf-8")
            beside.replace(self.note)

    def forget(self) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):
            self.note.unlink(missing_ok=True)


def _folder() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.local/state"
    return Path(home).expanduser() / "datahub" / "uploads"

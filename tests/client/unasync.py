"""Makes `datahub.client._sync` from `_async`: `python -m tests.client.unasync`."""

import subprocess
import sys
import tempfile
from pathlib import Path

import unasync

CLIENT = Path(__file__).parents[2] / "src/datahub/client"
BY_HAND = "waiting.py"
_WORDS = {
    "_async": "_sync",
    "aclose": "close",
    "aread": "read",
    "aiter_bytes": "iter_bytes",
    "aiter_lines": "iter_lines",
    "aiter_raw": "iter_raw",
    "AsyncClient": "Client",
    "asynccontextmanager": "contextmanager",
}
_HEAD = "# Made from {name} by tests/client/unasync.py; change it there.\n"


def made(target: Path) -> dict[str, str]:
    """Write the files to `target` and return their texts by name."""
    sources = [path for path in sorted((CLIENT / "_async").glob("*.py")) if path.name != BY_HAND]
    ours = {
        name: name.removeprefix("Async")
        for name in (
            "AsyncAgreement",
            "AsyncAgreements",
            "AsyncDataset",
            "AsyncDatasets",
            "AsyncDecisions",
            "AsyncHub",
            "AsyncLog",
            "AsyncRequest",
            "AsyncRequests",
            "AsyncThing",
            "AsyncThings",
            "AsyncTransport",
        )
    }
    rule = unasync.Rule(f"{CLIENT}/_async/", f"{target}/", additional_replacements=_WORDS | ours)
    unasync.unasync_files([str(path) for path in sources], [rule])
    for path in sources:
        file = target / path.name
        text = (
            file.read_text()
            .replace("Awaitable[Dataset]", "Dataset")
            .replace("Awaitable[Decision]", "Decision")
        )
        text = text.replace("; to be awaited where the hub awaits", "").replace(
            "written once: awaiting", "waiting"
        )
        file.write_text(_HEAD.format(name=f"_async/{path.name}") + text)
    known = ["--config", 'lint.isort.known-first-party=["datahub"]']
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run(
        [*ruff, "check", "--quiet", "--fix", "--select", "I,F401", "--isolated", *known, target], check=True
    )
    subprocess.run([*ruff, "format", "--quiet", "--line-length", "110", "--isolated", target], check=True)
    return {path.name: (target / path.name).read_text() for path in sources}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for file, content in made(Path(folder)).items():
            (CLIENT / "_sync" / file).write_text(content)

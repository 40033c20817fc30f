"""The notebook of the documentation, executed as a reader executes it: what it shows is what comes.

After a change that is meant: `.venv/bin/python -m tests.client.test_notebook` writes what comes into it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from datahub.client.profiles import save
from tests.client.region import Region

NOTEBOOK = Path(__file__).parents[2] / "docs/notebooks/tour.ipynb"


def executed(home: Path) -> list[dict[str, Any]]:
    """Return the cells, executed in a kernel of their own against a fresh exchange. Raises where a cell fails."""
    region = Region(home)
    here = {"DATAHUB_CONFIG": str(home / "profiles.toml"), "DATAHUB_NO_KEYRING": "1"}
    copy = home / NOTEBOOK.name
    copy.write_bytes(NOTEBOOK.read_bytes())
    try:
        for name, hub in (("city", region.city), ("university", region.university)):
            save(replace(hub.profile, name=name), here)
        run = [str(Path(sys.executable).parent / "jupyter-execute"), "--inplace", str(copy)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DATAHUB_")}
        done = subprocess.run(run, env=environment | here, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        region.close()
    cells: list[dict[str, Any]] = json.loads(copy.read_text())["cells"]
    return cells


def told(cells: list[dict[str, Any]]) -> list[str]:
    """Return what each cell prints and shows, without ids; how a kernel cuts what is printed is chance."""
    found = []
    for cell in cells:
        texts = [
            each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.get("outputs", ())
        ]
        joined = "\n".join("".join(text).strip() for text in texts)
        if joined:
            found.append(re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "<id>", joined))
    return found


def test_the_notebook_shows_what_comes(tmp_path: Path) -> None:
    shown = json.loads(NOTEBOOK.read_text())["cells"]
    assert told(executed(tmp_path)) == told(shown) != []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        fresh = json.loads(NOTEBOOK.read_text())
        fresh["cells"] = executed(Path(scratch))
        for each in fresh["cells"]:
            each["metadata"] = {}
        NOTEBOOK.write_text(json.dumps(fresh, indent=1, ensure_ascii=False) + "\n")

"""What the first plan of a process needs is made beside the start of a server."""

import subprocess
import sys
from pathlib import Path

CODE = """
import asyncio, sys, threading
from pathlib import Path
from datahub.app import build
from tests.build import some_settings

late = {"sqlglot.dialects.duckdb", "sqlglot.generators.duckdb"}
assert not late & {*sys.modules}, "nothing loads it at import"
home = Path(sys.argv[1])
app = build(some_settings(home, f"sqlite:///{home}/hub.db"))

async def start():
    async with app.router.lifespan_context(app):
        for each in threading.enumerate():
            if each.name == "warm-up":
                each.join()
        assert late <= {*sys.modules}

asyncio.run(start())
"""


def test_a_server_makes_ready_at_start_what_its_first_read_would_wait_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

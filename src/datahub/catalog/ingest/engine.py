"""A DuckDB connection that can reach the files it was opened for and nothing else."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlglot import exp

MEMORY_LIMIT = "512MB"


@contextmanager
def engine(paths: Sequence[Path], scratch: Path, *, threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a locked-down in-memory engine over exactly these paths; spills go to a folder that is removed after.

    No other file, no network, no extension beyond those in the wheel, no change of configuration, bounded memory.
    """
    spill = tempfile.mkdtemp(prefix="part-", dir=scratch)
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": threads,
            "temp_directory": spill,
            "max_temp_directory_size": "20GB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        }
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        allowed = ", ".join(exp.Literal.string(str(path)).sql("duckdb") for path in paths)
        connection.execute(f"SET allowed_paths = [{allowed}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection
    finally:
        connection.close()
        shutil.rmtree(spill, ignore_errors=True)

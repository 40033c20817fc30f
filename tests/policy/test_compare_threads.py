"""Comparison is asked from many threads of a server at once."""

import subprocess
import sys

import pytest

PROGRAM = """
from concurrent.futures import ThreadPoolExecutor
from datahub.policy import fill_template, grants_nothing_beyond, hygiene, read_policy

def filled(name, **parameters):
    return read_policy(fill_template(name, parameters))

broad = filled("purpose", purposes=["dpv:ResearchAndDevelopment"])
narrow = filled("purpose", purposes=["dpv:AcademicResearch"])
rows = filled("rows-where", column="a", values=["x", "y"])

def ask(_):
    return hygiene(broad), grants_nothing_beyond(narrow, broad).holds, grants_nothing_beyond(rows, broad).holds

with ThreadPoolExecutor(8) as pool:
    print(set(pool.map(ask, range(40))))
"""


def test_threads_that_compare_at_once_do_not_crash_the_process() -> None:
    pytest.importorskip("z3")
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "{((), True, False)}"), done.stderr

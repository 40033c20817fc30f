"""The table of requirements names tests that exist."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def test_every_clause_has_its_tests() -> None:
    clauses = tomllib.loads((HERE / "requirements.toml").read_text())["clauses"]
    for clause, named in clauses.items():
        assert named, clause
        for each in named:
            file, _, name = each.partition("::")
            text = (HERE / file).read_text()
            assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"{clause}: {each}"

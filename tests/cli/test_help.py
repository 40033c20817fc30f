"""The help of the commands that set up and run the exchange."""

import pytest
from click.testing import CliRunner

from datahub.cli import main


@pytest.mark.parametrize("command", ["init", "serve", "demo", "migrate", "worker", "sequencer", "openapi"])
def test_help_keeps_its_examples_on_lines_of_their_own(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert "\\b" not in shown.output
    assert "\b" not in shown.output

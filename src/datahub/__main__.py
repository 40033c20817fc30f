"""`datahub`, and `python -m datahub`: the command line."""

import sys

from datahub import __version__


def main() -> None:
    """Run the command line. Its version is told without loading it: scripts ask for that often."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"datahub {__version__}\n")
        return
    from datahub.cli import main as commands  # noqa: PLC0415 — the point of this module

    commands()


if __name__ == "__main__":
    main()

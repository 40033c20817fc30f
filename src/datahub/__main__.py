"""`python -m datahub` is the command line."""

from datahub.cli import main

if __name__ == "__main__":
    main()

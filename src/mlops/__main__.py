"""The entry point of the `mlops` command."""

import sys

from mlops.command_line import run


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run())


if __name__ == "__main__":
    main()

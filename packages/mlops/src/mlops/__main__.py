"""The entry point of the `mlops` command."""

import os
import sys

# Some machines disable the bytecode cache. Then every process compiles the SDK, MLflow and scikit-learn again,
# which more than doubles its start; so this command, and what it starts, enables the cache.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def main() -> None:
    """Run the command line and exit."""
    from mlops.cli.command_line import run

    sys.exit(run())


if __name__ == "__main__":
    main()

"""The entry point of the `mlops` command."""

import gc
import os
import sys

# Some machines disable the bytecode cache. Then every process compiles the SDK, MLflow and scikit-learn again,
# which more than doubles its start; so this command, and what it starts, enables the cache.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

_DOES_NOT_START = 70


def main() -> None:
    """Run the command line and exit."""
    try:
        from mlops.cli.command_line import run
    except Exception:  # noqa: BLE001 - see below
        # Python's own exit code is 1, which is a verdict here: a gate blocks.
        import traceback

        traceback.print_exc()
        sys.exit(_DOES_NOT_START)
    code = run()
    # Otherwise Python looks through all objects of the SDK for cycles before it ends: a second without any output.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()

"""Installs the environment of examples/pytorch, for the test of its lifecycle: with uv, else with pip.

    uv run python packages/mlops/tests/e2e/install_pytorch.py

Nothing else of the repository needs it, and no lock has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlops.core.environments import environments_of, install
from mlops.core.errors import MachineError

PROJECT = Path(__file__).parents[4] / "examples" / "pytorch" / "project"
(ENVIRONMENT,) = environments_of(PROJECT)


def main() -> int:
    """Install it; the exit code is 1 if neither can."""
    try:
        install(PROJECT, ENVIRONMENT.key, torch_backend="cpu")
    except MachineError as error:
        print(f"{error.message}; now with pip", file=sys.stderr)
        try:
            install(PROJECT, ENVIRONMENT.key, with_pip=True)
        except MachineError as also:
            print(also.message, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

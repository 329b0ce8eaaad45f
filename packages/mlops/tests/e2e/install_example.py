"""Installs the environment of an example's training step, for the test of its lifecycle: with uv, else with pip.

    uv run python packages/mlops/tests/e2e/install_example.py pytorch
    uv run python packages/mlops/tests/e2e/install_example.py automl

Nothing else of the repository needs it, and no lock has all of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mlops.core.environments import Environment, environments_of, install
from mlops.core.errors import MachineError

EXAMPLES = Path(__file__).parents[4] / "examples"


def project_of(example: str) -> Path:
    """The files that an example brings."""
    return EXAMPLES / example / "project"


def environment_of(example: str) -> Environment:
    """The one environment of an example."""
    (environment,) = environments_of(project_of(example))
    return environment


def main(example: str) -> int:
    """Install it; the exit code is 1 if neither can."""
    project, key = project_of(example), environment_of(example).key
    backend = "cpu" if example == "pytorch" else None
    try:
        install(project, key, torch_backend=backend)
    except MachineError as error:
        print(f"{error.message}; now with pip", file=sys.stderr)
        try:
            install(project, key, with_pip=True)
        except MachineError as also:
            print(also.message, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The Python interpreters of environments: the emulator's own, unless it was started with another for their name."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_PROBE = "import platform; print(platform.python_version())"
_PROBE_SECONDS = 60
# They describe the interpreter that started the emulator.
_OF_AN_INTERPRETER = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class InterpreterUnusable(Exception):
    """An interpreter cannot run steps; the message says why and what to do."""


@dataclass(frozen=True)
class Interpreter:
    """A Python interpreter. `environment` is the one that it was given for, None for the emulator's own."""

    path: Path
    version: str
    environment: str | None = None

    @property
    def is_own(self) -> bool:
        """Whether it is the emulator's own."""
        return self.environment is None

    @property
    def identity(self) -> str:
        """What distinguishes it from others with regard to what a step computes."""
        return self.version if self.is_own else f"{self.version} {self.path}"

    @property
    def reason(self) -> str:
        """Why a step runs in it, for the log of the step."""
        if self.is_own:
            return "It is resolved and recorded, but the step runs in the interpreter that started the emulator:"
        return (
            f"The step runs in the interpreter that the emulator was given for it (--environment {self.environment}):"
        )

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of the emulator's steps as they are for steps in this interpreter."""
        if self.is_own:
            return dict(variables)
        kept = {name: text for name, text in variables.items() if name not in _OF_AN_INTERPRETER}
        kept["PATH"] = os.pathsep.join([str(self.path.parent), kept.get("PATH", os.defpath)])
        return kept


class Interpreters:
    """The interpreters that steps run in, by the name of their environment."""

    def __init__(self, given: Mapping[str, Path]) -> None:
        """Start each once. Raises InterpreterUnusable."""
        self._own = Interpreter(Path(sys.executable), platform.python_version())
        self._given = {name: _probed(name, path) for name, path in given.items()}

    def of(self, environment: Mapping[str, Any]) -> Interpreter:
        """The interpreter for steps of an environment, which the resolver describes: by its name, in any version.

        One that a component gives as a file is registered without a name; its conda file has one.
        """
        names = (environment.get("name"), _conda_name(environment.get("condaFile")))
        return next((self._given[name] for name in names if name in self._given), self._own)


def _conda_name(text: str | None) -> str | None:
    try:
        document = yaml.safe_load(text or "")
    except yaml.YAMLError:
        # Azure would fail to build it; here it is only recorded.
        return None
    return document.get("name") if isinstance(document, dict) else None


def _probed(environment: str, path: Path) -> Interpreter:
    advice = f"Create it, or leave out --environment {environment}={path}"
    if not path.is_file():
        raise InterpreterUnusable(f"The environment {environment} has no interpreter at {path}. {advice}.")
    try:
        command = [str(path), "-I", "-c", _PROBE]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PROBE_SECONDS)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        reason = lines[-1]
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        return Interpreter(path, done.stdout.strip(), environment)
    raise InterpreterUnusable(
        f"The interpreter {path} of the environment {environment} does not start: {reason}. {advice}."
    )

"""The data that training uses when nobody names a file: made once by the project's generator, and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mlops.core.errors import MachineError
from mlops.core.layout import SAMPLE_FOLDER, SAMPLE_GENERATOR, private_folder
from mlops.models.package import file_sha256
from mlops.settings.project import Project

_KEY_CHARACTERS = 12
_ERROR_LINES = 15


def sample_file(project: Project) -> Path:
    """The generated sample; generates it when the generator has changed or never ran. Raises MachineError."""
    generator = project.required_file(SAMPLE_GENERATOR)
    folder = private_folder(project.path(SAMPLE_FOLDER))
    file = folder / f"sample-{file_sha256(generator)[:_KEY_CHARACTERS]}.csv"
    if not file.is_file():
        _generate(generator, file)
    return file


def _generate(generator: Path, file: Path) -> None:
    # Under another name first: an interrupted run must not leave half a sample behind.
    unfinished = file.with_name(f"{file.name}.{os.getpid()}")
    done = subprocess.run(
        [sys.executable, str(generator), "--out", str(unfinished)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise MachineError(
            f"{generator} failed with exit code {done.returncode}",
            "Correct the generator, or give a file with --data.",
            tuple(done.stderr.splitlines()[-_ERROR_LINES:]),
        )
    unfinished.replace(file)

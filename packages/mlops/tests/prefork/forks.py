"""A repository that was made from this template, and the command run in it as a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from project_copy import git

# Tells a hang from a slow machine.
HANG_SECONDS = 900


@dataclass(frozen=True)
class Fork:
    """A repository, or a folder of one with a project of its own, that `mlops init` made from a table or an example.

    `variables` connect it to a workspace; by default to the one that its own `mlops up` or `demo` started.
    """

    folder: Path
    table: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def attempt(self, *words: str, connected: bool = False) -> subprocess.CompletedProcess[str]:
        """Run one command; `connected` to the workspace on this machine, as `eval "$(mlops env)"` connects a shell."""
        environment = {name: value for name, value in os.environ.items() if name not in ("GITHUB_ACTIONS", "TF_BUILD")}
        if connected:
            environment |= self.variables or self.document("env")
        command = [sys.executable, "-m", "mlops", *words]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=HANG_SECONDS,
        )

    def run(self, *words: str, connected: bool = False) -> str:
        """Run one command, which must succeed; its standard output."""
        done = self.attempt(*words, connected=connected)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, *words: str) -> None:
        """Run a script of the repository, which must succeed."""
        subprocess.run([sys.executable, *words], cwd=self.folder, check=True, timeout=HANG_SECONDS)

    def document(self, *words: str, connected: bool = False, code: int = 0) -> dict[str, Any]:
        """The JSON of one command, which must end with this exit code."""
        done = self.attempt(*words, "--json", connected=connected)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def edit(self, file: Path, old: str, new: str) -> None:
        """Change a file, and commit everything."""
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new))
        git(self.folder, "commit", "-qam", f"Change {file.name}")

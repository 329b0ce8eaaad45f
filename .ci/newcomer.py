"""Runs README's commands word for word, as on a machine where only git, Python and uv exist: `python .ci/newcomer.py`.

The commands run in a clone of the committed state, in an environment of their own: no dependency group but the default
ones, no npm, none of the programs of this checkout's environment on the PATH. What a user reads is what is tested, so
the commands are taken from the first code block below README's heading "Two commands".
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
HEADING: Final = "## Two commands"
COUNT: Final = 2
# The programs of the operating system, git among them.
SYSTEM_PATH: Final = "/usr/bin:/bin"
PASSED_ON: Final = ("LANG", "LC_ALL", "TZ", "UV_CACHE_DIR", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "SSL_CERT_FILE", "CI")


def main() -> int:
    """Clone, run each command, and return the exit code of the first that fails."""
    commands = readme_commands((ROOT / "README.md").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="newcomer-") as name:
        folder = Path(name)
        clone = folder / "project"
        subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
        environment = newcomer_environment(folder)
        for command in commands:
            print(f"newcomer: {command}", flush=True)
            done = subprocess.run(shlex.split(command, comments=True), cwd=clone, env=environment, check=False)
            if done.returncode:
                print(f"newcomer: `{command}` ended with {done.returncode}", file=sys.stderr)
                return done.returncode
            subprocess.run(["git", "-C", str(clone), "diff", "--exit-code", "--quiet"], check=True)
        subprocess.run(["uv", "run", "mlops", "down"], cwd=clone, env=environment, check=True)
    return 0


def readme_commands(text: str) -> list[str]:
    """The commands of the code block below the heading, without their comments. Raises ValueError for another count."""
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    for block in blocks:
        commands = [shlex.join(words) for line in block.splitlines() if (words := shlex.split(line, comments=True))]
        if len(commands) == COUNT and all(command.startswith("uv run ") for command in commands):
            return commands
    raise ValueError(f"README.md has no code block with {COUNT} commands below {HEADING!r}")


def newcomer_environment(folder: Path) -> dict[str, str]:
    """The variables of a machine without this project: an empty home, and uv as the only program of ours."""
    programs = folder / "bin"
    home = folder / "home"
    programs.mkdir()
    home.mkdir()
    uv = shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv is not installed: see README.md, Two commands")
    (programs / "uv").symlink_to(uv)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    cache = subprocess.run(["uv", "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    # Downloads are shared, installations are not; the interpreter is the one that runs this file.
    return {
        "UV_CACHE_DIR": cache,
        "UV_PYTHON": sys.executable
        if sys.prefix == sys.base_prefix
        else str(Path(sys.base_prefix) / "bin" / "python3"),
        **kept,
        "HOME": str(home),
        "PATH": f"{programs}:{SYSTEM_PATH}",
    }


if __name__ == "__main__":
    sys.exit(main())

"""The Python that a step runs in on this machine: the project's own, or that of an environment installed beside it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# Where `mlops install NAME` puts the packages of environments/NAME.yml.
INSTALLED: Final = Path(".mlops/environments")


def python_of_step(step: str) -> Path:
    """Return the interpreter of a step's environment; skips the test if that must be installed, and is not."""
    component = yaml.safe_load((ROOT / "components" / step / "component.yml").read_text())
    key = Path(component["environment"]).stem
    if not (ROOT / "environments" / f"{key}.yml").is_file():
        # An environment that Azure brings, or that is registered by hand.
        return Path(sys.executable)
    require_installed(key)
    python = ROOT / INSTALLED / key / "bin" / "python"
    return python if python.is_file() else Path(sys.executable)


def require_installed(*keys: str) -> None:
    """Skip the test if one of these environments, or of all without a name, must be installed and is not."""
    for key in keys or [file.stem for file in sorted((ROOT / "environments").glob("*.yml"))]:
        # conda files and the lock lie there as well
        document = yaml.safe_load((ROOT / "environments" / f"{key}.yml").read_text())
        packages = (document.get("tags") or {}).get("not_in_uv_lock")
        if packages and not (ROOT / INSTALLED / key).is_dir():
            pytest.skip(f"{packages} must be installed for the environment {key}: uv run mlops install {key}")

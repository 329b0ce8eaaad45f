"""Upstream's suite, `uv run pytest packages`: the helpers that its tests import by name, its marker, its programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

PACKAGES: Final = Path(__file__).parent
# A fake git host, a prefork server, a browser, small packages, windows of traffic, tables, and the scripts of CI.
HELPERS: Final = (
    "mlops/tests/fake_git_host/src",
    "mlops/tests/prefork",
    "mlops/tests/browser",
    "mlops/tests/gates",
    "mlops/tests/monitoring",
    "mlops/tests/init",
    "mlops/tests/spark",
    "model-package/tests/harness",
    "../.ci",
    "../.ci/supply",
    "../tests/support",
    "../components/package_model",
    "../components/prepare_data",
    "../components/train_model",
    "../components/validate_data",
)
# At the end: it has a copy of model_package, of which the installed one is tested.
sys.path.append(str(PACKAGES.parent / "endpoints" / "batch"))
sys.path[:0] = [str((PACKAGES / helper).resolve()) for helper in HELPERS]
# A CI system around us would have the commands under test write to its own pages.
for name in ("GITHUB_ACTIONS", "TF_BUILD"):
    os.environ.pop(name, None)


def pytest_configure(config: pytest.Config) -> None:
    """Register what `.ci/run` leaves to `.ci/run --all`, and let tests start only programs that CI installs."""
    # Only now is it on the path.
    from started_programs import watch
    from xdist_workers import give_main_a_file

    watch()
    give_main_a_file()
    config.addinivalue_line("markers", "long: a further story of a kind that another test tells; only in .ci/run --all")

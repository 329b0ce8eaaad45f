"""`mlops detach` in a real clone: what it refuses, and a fork that lives from four wheels."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
HANG_SECONDS = 1500


def run(folder: Path, *command: str, code: int = 0) -> str:
    """Run a program in a folder, in an environment of its own and without a network; what it printed."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited | {"UV_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "fork"
    run(tmp_path, "git", "clone", "-q", str(ROOT), str(folder))
    return folder


def mlops(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the checkout's own command on another project."""
    return run(ROOT, "uv", "run", "--no-sync", "mlops", "--project", str(folder), *arguments, code=code)


def test_a_dry_run_changes_nothing_and_says_what_would_change(clone: Path) -> None:
    said = json.loads(mlops(clone, "detach", "--dry-run", "--json"))

    assert {"packages", "benchmarks"} <= set(said["removed"])
    assert {"pyproject.toml", ".github/workflows/ci.yml", "azure-pipelines.yml", ".ci/run"} <= set(said["rewritten"])
    assert run(clone, "git", "status", "--porcelain") == ""


def test_uncommitted_changes_are_refused(clone: Path) -> None:
    (clone / "project.yml").write_text((clone / "project.yml").read_text() + "\n# edited\n")

    assert "uncommitted changes" in mlops(clone, "detach", code=2)
    assert (clone / "packages").is_dir()


def test_wheels_that_are_not_there_are_named_with_the_command_that_builds_them(clone: Path, tmp_path: Path) -> None:
    assert "uv build --all-packages" in mlops(clone, "detach", "--wheels", str(tmp_path), code=2)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_a_detached_fork_lives_from_four_wheels(clone: Path, tmp_path: Path) -> None:
    # given
    wheels = tmp_path / "dist"
    run(ROOT, "uv", "build", "--all-packages", "--wheel", "--no-build-isolation", "--out-dir", str(wheels))

    # when
    run(clone, "uv", "run", "mlops", "detach", "--wheels", str(wheels))

    # then
    pins = tomllib.loads((clone / "pyproject.toml").read_text())["tool"]["uv"]["sources"]
    assert not (clone / "packages").exists()
    assert all(pin["path"].startswith("wheels/") for pin in pins.values())
    run(clone, "git", "add", "-A")
    run(clone, "git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "Detach")
    run(clone, "uv", "sync", "--locked")
    run(clone, "uv", "run", "mlops", "check")
    assert "already" in run(clone, "uv", "run", "mlops", "detach", code=2)
    run(clone, "uv", "run", "mlops", "demo", "--json")
    run(clone, "uv", "run", "mlops", "down")
    run(clone, "uv", "run", "pytest", "--ignore", "tests/lifecycle")

"""`mlops upgrade` as people run it: exit codes, JSON, and a clone of this repository that takes a new version."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from .conftest import ROOT, commit, git, write

HANG_SECONDS = 900
FIX_AND_RAISE = """
from pathlib import Path
from mlops.checks import fix_project, raise_versions
fix_project(Path())
raise_versions(Path())
"""


def mlops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops", "--project", str(folder), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)


def uv(folder: Path, *words: str, code: int = 0) -> str:
    """Run uv on a project with an environment of its own; what was printed."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        ["uv", *words], cwd=folder, env=inherited, capture_output=True, text=True, check=False, timeout=HANG_SECONDS
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_dry_run_is_one_json_object_with_progress_beside_it(fork: Path, template: Path) -> None:
    done = mlops(fork, "upgrade", "--from", str(template), "--to", "v1.1.0", "--dry-run", "--json")

    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert (document["status"], document["from"], document["to"]) == ("planned", "1.0.0", "1.1.0")
    assert "fetching the versions of" in done.stderr


def test_conflicts_end_with_1_and_say_how_to_go_on(fork: Path, template: Path) -> None:
    write(fork, {"infra/stage.py": "SIZE = 3\n\n\n\nREGION = 'a'\n"})
    commit(fork)

    done = mlops(fork, "upgrade", "--from", str(template))

    assert done.returncode == 1
    assert "  infra/stage.py\n" in done.stdout
    assert "run `uv run mlops upgrade` again" in done.stdout
    assert "mlops 1.1.0: Faster." in done.stdout


def test_uncommitted_changes_end_with_2(copy: Path, template: Path) -> None:
    write(copy, {"notes.txt": "mine\n"})

    done = mlops(copy, "upgrade", "--from", str(template))

    assert (done.returncode, done.stdout) == (2, "")
    assert "uncommitted changes" in done.stderr


def test_the_new_version_finishes_where_project_yml_needs_a_migration(fork: Path) -> None:
    """Nothing reads project.yml before the migrations: that of the former version may be wrong for this one."""
    write(fork, {"project.yml": "format: 1\nformer: key\n"})

    done = mlops(fork, "upgrade", "--finish-from", "1.0.0")

    # Without a migration for this key the check of its settings names it, not the start of the command.
    assert done.returncode == 3
    assert "former: unknown key" in done.stderr


def versions_of(folder: Path) -> dict[str, str]:
    """The version of each component that ships model_package."""
    files = [file for file in folder.glob("components/*/component.yml") if "model_package" in file.read_text()]
    return {file.parent.name: yaml.safe_load(file.read_text())["version"] for file in files}


@pytest.mark.long
def test_a_clone_of_this_repository_takes_the_next_version_and_passes_the_check(tmp_path: Path) -> None:
    # given the next version of this template, with a changed package
    template, fork = tmp_path / "template", tmp_path / "fork"
    git(tmp_path, "clone", "--quiet", "--no-tags", str(ROOT), str(template))
    git(template, "tag", "v1.0.0")
    git(tmp_path, "clone", "--quiet", str(template), str(fork))
    subprocess.run([sys.executable, ".ci/version.py", "--set", "1.1.0"], cwd=template, check=True)
    package = template / "packages/model-package/src/model_package/digest.py"
    package.write_text(package.read_text() + "\n# Changed in 1.1.0.\n")
    write(template, {"LICENSE": "Theirs\n"})
    uv(template, "lock")
    uv(template, "run", "--no-default-groups", "python", "-c", FIX_AND_RAISE)
    commit(template, "Release 1.1.0")
    git(template, "tag", "v1.1.0")
    # and a fork that has changed a step, added a dependency of its own, and changed what the template changed
    step = fork / "components/prepare_data/prepare_data.py"
    step.write_text(step.read_text() + "\n# The fork's.\n")
    write(fork, {"LICENSE": "Ours\n"})
    uv(fork, "run", "--no-default-groups", "python", "-c", FIX_AND_RAISE)
    text = (fork / "pyproject.toml").read_text()
    write(fork, {"pyproject.toml": text.replace("dependencies = [\n", 'dependencies = [\n    "idna",\n', 1)})
    uv(fork, "lock")
    commit(fork)

    versions = versions_of(fork)

    # when it upgrades, and a person resolves the conflict
    command = ("run", "--no-default-groups", "mlops", "upgrade", "--from", str(template), "--json")
    assert json.loads(uv(fork, *command, code=1))["conflicts"] == ["LICENSE"]
    write(fork, {"LICENSE": "Ours\n"})
    git(fork, "add", "LICENSE")
    document = json.loads(uv(fork, *command))

    # then the result is a clean commit of a project that fits together
    assert (document["status"], document["conflicts"]) == ("upgraded", [])
    assert git(fork, "status", "--porcelain") == ""
    for copied in ("components", "endpoints/online", "endpoints/batch"):
        assert "# Changed in 1.1.0." in (fork / copied / "model_package/digest.py").read_text()
    # and every component that ships the new package is a new version, the fork's own step as well
    assert versions.keys() == (now := versions_of(fork)).keys()
    assert [name for name in versions if now[name] == versions[name]] == []
    uv(fork, "lock", "--check")
    uv(fork, "run", "--no-default-groups", "mlops", "check")
    assert json.loads(uv(fork, *command))["status"] == "current"

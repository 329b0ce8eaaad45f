"""`mlops upgrade` of detached forks: the pins of the four packages, by git tag and by wheels."""

from __future__ import annotations

import shlex
import tomllib
import zipfile
from pathlib import Path

import pytest

from mlops.commands.project import finish_upgrade
from mlops.core.errors import InputError, MachineError, ProjectError
from mlops.template.detach import GitPin, WheelPin, find_wheels, lock, sources
from mlops.template.plan import UpgradeResult
from mlops.template.upgrade import upgrade

from .conftest import commit, git, release, write

PACKAGES = ("azureml-emulator", "mlops", "model-package", "workflow-replay")
DISTRIBUTIONS = {name: f"mlops-template-{name}" for name in PACKAGES}
LINK = "[CHANGELOG](https://git.example.com/template/tree/v1.0.0/packages/mlops/CHANGELOG.md)\n"


def package(name: str, version: str) -> str:
    """A package's metadata: enough for uv to lock it without building it."""
    return f'[project]\nname = "mlops-template-{name}"\nversion = "{version}"\nrequires-python = ">=3.11"\n'


def run(folder: Path, to: str | None = None, source: Path | None = None, *, dry_run: bool = False) -> UpgradeResult:
    given = str(source) if source else None
    return upgrade(folder, to=to, source=given, dry_run=dry_run, finish=finish_upgrade)


def detach(folder: Path, pin: GitPin | WheelPin) -> None:
    """Do what `mlops detach` does to a project that has the tables of packages/ removed."""
    git(folder, "rm", "--quiet", "-r", "packages")
    names = ", ".join(f'"{name}"' for name in DISTRIBUTIONS.values())
    text = (folder / "pyproject.toml").read_text() + f"dependencies = [{names}]\n\n{sources(DISTRIBUTIONS, pin)}"
    write(folder, {"pyproject.toml": text, "README.md": LINK})
    lock(folder)
    commit(folder, "Detach")


def make_wheels(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in DISTRIBUTIONS.values():
        stem = f"{name.replace('-', '_')}-{version}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")


@pytest.fixture
def by_tag(template: Path, fork: Path) -> Path:
    """A fork that pins the packages of version 1.2.0, which has a newer 1.3.0."""
    for version in ("1.2.0", "1.3.0"):
        files = {f"packages/{name}/pyproject.toml": package(name, version) for name in PACKAGES}
        changes = f"# Changelog\n\n## {version}\n\n- What is new in {version}.\n"
        release(template, version, files | {"packages/mlops/CHANGELOG.md": changes})
    detach(fork, GitPin(f"file://{template}", "v1.2.0"))
    write(fork, {"README.md": LINK.replace("1.0.0", "1.2.0")})
    commit(fork)
    return fork


@pytest.fixture
def by_wheel(fork: Path, tmp_path: Path) -> Path:
    """A fork that pins wheels of version 1.0.0; the folder `dist` beside it has 1.9.0 and 1.10.0."""
    make_wheels(fork / "wheels", "1.0.0")
    for version in ("1.9.0", "1.10.0"):
        make_wheels(tmp_path / "dist", version)
    detach(fork, find_wheels(DISTRIBUTIONS, fork / "wheels")[0])
    return fork


def pinned(folder: Path) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["uv"]["sources"]
    return table


def test_tags_are_raised_and_locked_in_one_commit(by_tag: Path) -> None:
    head = git(by_tag, "rev-parse", "HEAD")

    result = run(by_tag)

    assert (result.status, result.plan.kind, result.plan.before) == ("upgraded", "pins", "1.2.0")
    assert {source["tag"] for source in pinned(by_tag).values()} == {"v1.3.0"}
    assert (by_tag / "uv.lock").read_text().count('version = "1.3.0"') == len(PACKAGES)
    assert "/tree/v1.3.0/packages/" in (by_tag / "README.md").read_text()
    assert [entry.text for entry in result.plan.entries] == ["What is new in 1.3.0."]
    assert git(by_tag, "log", "-1", "--format=%P") == head
    assert git(by_tag, "status", "--porcelain") == ""
    # the rest stays, and the hint about it works
    assert "version: 1.0.0" in (by_tag / ".template.yml").read_text()
    command = shlex.split(result.hints[0].split("`")[1])
    shown = git(by_tag, *command[1:])
    assert "+version: 1.3.0" in shown
    assert "packages/" not in shown
    assert run(by_tag).status == "current"


def test_a_dry_run_changes_nothing(by_tag: Path) -> None:
    result = run(by_tag, dry_run=True)

    assert (result.status, result.plan.after) == ("planned", "1.3.0")
    assert git(by_tag, "status", "--porcelain") == ""
    assert {source["tag"] for source in pinned(by_tag).values()} == {"v1.2.0"}


def test_a_lock_that_fails_can_be_corrected_and_goes_on(by_tag: Path, template: Path) -> None:
    # given packages that cannot be found for a while
    template.rename(template.with_name("away"))
    with pytest.raises(MachineError, match="`uv lock` failed"):
        run(by_tag, source=template.with_name("away"))
    template.with_name("away").rename(template)
    # and a link that it had not written yet
    git(by_tag, "checkout", "--", "README.md")

    result = run(by_tag)

    assert (result.status, result.plan.before, result.plan.after) == ("upgraded", "1.2.0", "1.3.0")
    assert "/tree/v1.3.0/packages/" in (by_tag / "README.md").read_text()


def test_a_failed_upgrade_that_was_undone_is_forgotten(by_tag: Path, template: Path) -> None:
    template.rename(template.with_name("away"))
    with pytest.raises(MachineError):
        run(by_tag, source=template.with_name("away"))
    template.with_name("away").rename(template)
    git(by_tag, "reset", "--quiet", "--hard")

    assert run(by_tag, dry_run=True).plan.before == "1.2.0"


def test_wheels_are_replaced_by_the_newest(by_wheel: Path, tmp_path: Path) -> None:
    result = run(by_wheel, source=tmp_path / "dist")

    assert (result.status, result.plan.after) == ("upgraded", "1.10.0")
    names = {f"wheels/{name.replace('-', '_')}-1.10.0-py3-none-any.whl" for name in DISTRIBUTIONS.values()}
    assert {source["path"] for source in pinned(by_wheel).values()} == names
    assert set(git(by_wheel, "ls-files", "wheels").splitlines()) == names
    assert (by_wheel / "uv.lock").read_text().count('version = "1.10.0"') == len(PACKAGES)
    assert run(by_wheel, source=tmp_path / "dist").status == "current"


def test_a_version_of_wheels_can_be_chosen(by_wheel: Path, tmp_path: Path) -> None:
    assert run(by_wheel, "1.9.0", tmp_path / "dist").plan.after == "1.9.0"
    assert "1.9.0" in pinned(by_wheel)["mlops-template-mlops"]["path"]


def test_wheels_need_a_folder(by_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()

    for source in (None, tmp_path / "none"):
        with pytest.raises(InputError, match="wheels") as caught:
            run(by_wheel, source=source)
        assert "mlops upgrade --from FOLDER" in caught.value.advice


def test_an_incomplete_set_of_wheels_is_refused_before_anything_changes(by_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "dist" / "mlops_template_model_package-1.10.0-py3-none-any.whl").unlink()

    with pytest.raises(InputError, match="no wheel of mlops-template-model-package"):
        run(by_wheel, source=tmp_path / "dist")

    assert git(by_wheel, "status", "--porcelain") == ""


def test_pins_of_different_versions_are_refused(by_tag: Path) -> None:
    text = (by_tag / "pyproject.toml").read_text()
    write(by_tag, {"pyproject.toml": text.replace("v1.2.0", "v1.3.0", 1)})
    commit(by_tag)

    with pytest.raises(ProjectError, match="does not pin the template's packages to one version"):
        run(by_tag)

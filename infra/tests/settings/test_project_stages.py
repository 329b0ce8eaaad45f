"""The stages of project.yml: how they are read, and what follows from a stage's position."""

from __future__ import annotations

from pathlib import Path

import pytest

from dry_run.run import run_stack
from inventory.rights import rights_of
from roles import Role
from settings.project import has_shared_images, read_stages
from settings.reading import SettingsError, read_settings
from tests.conftest import GROUP, SAMPLE, changed


def project(folder: Path, text: str) -> Path:
    """A project with these stages, and the sample's protection and stack files."""
    (folder / "project.yml").write_text(text)
    for each in ("releases", "infra"):
        (folder / each).symlink_to(SAMPLE / each)
    return folder


def listed(*names: str) -> str:
    return "stages:\n" + "".join(f"  - name: {name}\n    location: westeurope\n" for name in names)


@pytest.mark.parametrize("names", [("only",), ("train", "prod"), ("f1", "a1", "e1", "b1", "d1", "c1")], ids=len)
def test_stages_are_read_in_order(tmp_path: Path, names: tuple[str, ...]) -> None:
    stages = read_stages(project(tmp_path, listed(*names)))
    assert stages.names == names
    assert stages.training == names[0]
    assert stages.after_training == (names[1] if len(names) > 1 else None)
    assert [stages.is_production(name) for name in names] == [False] * (len(names) - 1) + [True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (listed("dev", "dev"), "stage dev is listed twice"),
        (listed("dev", "gate"), "a stage cannot be called gate"),
        (listed("dev", "Prod"), "2 to 12 lower-case letters and digits"),
        (listed(*(f"stage{number}" for number in range(7))), "at most 6 items"),
        ("stages: []\n", "at least 1 item"),
        ("stages: [dev, prod]\n", "begin each with `- name: dev`"),
        ("stages: {dev: {}, prod: {}}\n", "begin each with `- name: dev`"),
        ("name: credit-default\n", "stages is not a list"),
        ("[", "is not valid YAML"),
        ("- x\n", "is not a mapping"),
    ],
    ids=[
        "twice",
        "reserved",
        "upper-case",
        "seven",
        "none",
        "names-only",
        "mapping",
        "no-stages",
        "not-yaml",
        "not-a-mapping",
    ],
)
def test_wrong_stages_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=r"project\.yml") as caught:
        read_settings("dev", changed("dev", {}), project(tmp_path, text))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(("text", "has"), [("true", True), ('"true"', True), ("false", False), (None, False)])
def test_whether_stages_share_images_is_read_from_the_shared_stacks_file(
    tmp_path: Path, text: str | None, has: bool
) -> None:
    (tmp_path / "infra").mkdir()
    if text is not None:
        (tmp_path / "infra" / "Pulumi.shared.yaml").write_text(f"config:\n  infra:images: {text}\n")
    assert has_shared_images(tmp_path) is has


def test_a_repository_without_project_yml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"project\.yml does not exist"):
        read_settings("dev", changed("dev", {}), tmp_path)


def test_a_stack_file_of_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path, listed("dev", "prod"))
    with pytest.raises(SettingsError, match=r"project\.yml has no stage staging, only dev, prod"):
        read_settings("staging", changed("staging", {}), root)


def test_a_missing_key_of_protection_yml_is_named(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "protection.yml").write_text("branch: main\n")
    with pytest.raises(SettingsError, match=r"releases/protection\.yml: github: Field required"):
        read_settings("repository", changed("repository", {}), tmp_path)


@pytest.mark.parametrize(("stage", "profile"), [("dev", "development"), ("staging", "preproduction")])
def test_the_only_stage_may_have_any_profile(tmp_path: Path, stage: str, profile: str) -> None:
    root = project(tmp_path, listed(stage))
    packages = {"network.package_downloads": True}  # it builds its images itself
    assert read_settings(stage, changed(stage, {"profile": profile} | packages), root)


def test_with_one_stage_ci_trains_there_and_may_grant_its_roles(tmp_path: Path) -> None:
    root = project(tmp_path, listed("dev"))
    ci = run_stack("ci", changed("ci", {"stages": {"dev": GROUP}}), root)
    stage = run_stack("dev", changed("dev", {"people.data_scientists": GROUP}), root)

    granted = {right.role_id for right in rights_of(stage) if "/registries/mlr-" in right.scope_id}
    limits = [
        record.inputs["condition"]
        for record in ci.of("authorization:RoleAssignment")
        if record.name.startswith("infra-dev-")
        and "/registries/" in record.inputs["scope"]
        and "condition" in record.inputs
    ]
    assert granted == {Role.READER.id, Role.REGISTRY_USER.id}
    assert all(role in limits[0] for role in granted)
    assert "infra_prod_client_id" not in ci.outputs

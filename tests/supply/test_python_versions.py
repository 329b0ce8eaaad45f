"""The Pythons that the project says it runs on: CI tries each of them, and what is locked has wheels for all."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import Marker, default_environment
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[2]
OLDEST, NEWEST = 11, 14
# Published as a source archive only, and nothing of it is compiled.
PLAIN_PYTHON = frozenset({"pyspark-client"})
PYTHONS = [f"3.{minor}" for minor in range(OLDEST, NEWEST + 1)]
# Ubuntu 24.04's C library, and a Mac that is not older than macOS 14.
PLATFORMS = {
    "linux": [
        *(f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)),
        *(f"{name}_x86_64" for name in ("manylinux2014", "manylinux2010", "manylinux1", "linux")),
    ],
    "darwin": [
        f"macosx_{version}_{cpu}"
        for version in ("14_0", "13_0", "12_0", "11_0", *(f"10_{minor}" for minor in range(16, 5, -1)))
        for cpu in ("arm64", "universal2")
    ],
}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def lock() -> list[dict[str, Any]]:
    return tomllib.loads((ROOT / "uv.lock").read_text())["package"]


def environment(python: str, system: str) -> dict[str, str]:
    machine = {"linux": "x86_64", "darwin": "arm64"}[system]
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": machine,
    }


def tags(python: str, system: str) -> set[Tag]:
    version = (3, int(python.partition(".")[2]))
    own = cpython_tags(version, platforms=PLATFORMS[system])
    return {*own, *compatible_tags(version, interpreter=f"cp3{version[1]}", platforms=PLATFORMS[system])}


def installed(packages: list[dict[str, Any]], variables: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What uv installs of a lock, all groups and extras included."""

    def holds(marker: str | None) -> bool:
        return marker is None or Marker(marker).evaluate(variables)

    chosen: dict[str, dict[str, Any]] = {}
    for each in packages:
        if not each.get("resolution-markers") or any(holds(marker) for marker in each["resolution-markers"]):
            chosen[each["name"]] = each
    waiting, seen = [each["name"] for each in packages if "registry" not in each["source"]], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        package = chosen[name]
        grouped = [*package.get("dev-dependencies", {}).values(), *package.get("optional-dependencies", {}).values()]
        needs = [*package.get("dependencies", ()), *(need for group in grouped for need in group)]
        waiting += [need["name"] for need in needs if holds(need.get("marker"))]
        yield package


def without_wheel(packages: list[dict[str, Any]], python: str, system: str) -> list[str]:
    """What would have to be built: it needs a compiler, or fails."""
    known = tags(python, system)
    return [
        package["name"]
        for package in installed(packages, environment(python, system))
        if "registry" in package["source"]
        and package["name"] not in PLAIN_PYTHON
        and not any(parse_wheel_filename(Path(each["url"]).name)[3] & known for each in package.get("wheels", ()))
    ]


@pytest.mark.parametrize("system", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_locked_is_a_wheel(python: str, system: str) -> None:
    assert without_wheel(lock(), python, system) == []


def test_a_python_that_nobody_builds_for_is_found() -> None:
    assert "onnxruntime" in without_wheel(lock(), "3.10", "linux")


def tried() -> Iterator[list[str]]:
    """The Pythons that the tests run on, by each CI system that the project uses."""
    github, azure = ROOT / ".github" / "workflows" / "ci.yml", ROOT / "azure-pipelines.yml"
    if github.is_file():
        yield yaml.safe_load(github.read_text())["jobs"]["test"]["strategy"]["matrix"]["python"]
    if azure.is_file():
        stages = yaml.safe_load(azure.read_text())["stages"]
        (job,) = [job for stage in stages for job in stage["jobs"] if job["job"] == "test"]
        yield [each["python"] for each in job["strategy"]["matrix"].values()]


def test_the_project_asks_for_the_pythons_that_its_ci_tries() -> None:
    asked = SpecifierSet(project()["project"]["requires-python"])
    found = list(tried())

    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}.1" in asked] == PYTHONS
    assert found
    assert all(each == PYTHONS for each in found)

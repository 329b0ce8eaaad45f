"""A package of any lock whose licence is not allowed, or not recorded, and a pre-release, fail the check."""

from pathlib import Path
from textwrap import dedent

import pytest

from mlops.checks import Problem, check_project
from mlops.checks.pins import Licences
from mlops.core.errors import ProjectError

POLICY = """\
format: 1
allowed: [MIT, Apache-2.0, BSD-3-Clause]
accepted:
  server: {why: nothing else runs there, instead: another one}
licences:
  MIT: [numpy, polars]
  LicenseRef-Proprietary: [server, closed]
"""
PACKAGE = """
[[package]]
name = "{name}"
version = "{version}"
source = {{ {source} }}
dependencies = [{{ name = "other", source = {{ registry = "https://pypi.org/simple" }} }}]
"""


@pytest.fixture
def policy(project: Path) -> Path:
    """A clean project with a policy, whose packages are from an index."""
    (project / ".ci/supply").mkdir(parents=True)
    (project / ".ci/supply/licences.yml").write_text(POLICY)
    lock = (project / "uv.lock").read_text()
    source = 'source = { registry = "https://pypi.org/simple" }\n'
    (project / "uv.lock").write_text(dedent(lock).replace('version = "2', f'{source}version = "2'))
    return project


def add(lock: Path, name: str, version: str = "1.0.0", source: str = 'registry = "https://pypi.org/simple"') -> None:
    lock.parent.mkdir(exist_ok=True)
    with lock.open("a") as file:
        file.write(PACKAGE.format(name=name, version=version, source=source))


def test_what_is_allowed_accepted_or_of_this_repository_passes(policy: Path) -> None:
    add(policy / "uv.lock", "server")
    add(policy / "uv.lock", "own", source='editable = "packages/own"')

    assert check_project(policy) == []


@pytest.mark.parametrize("lock", ["uv.lock", "infra/uv.lock"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("closed", "closed has the licence LicenseRef-Proprietary, which is not allowed"),
        ("new", "the licence of new is not recorded"),
    ],
)
def test_a_package_of_any_lock_needs_an_allowed_licence(policy: Path, lock: str, name: str, reason: str) -> None:
    add(policy / lock, name)

    (problem,) = check_project(policy)

    assert (problem.file, problem.message, problem.rule) == (lock, reason, "licence")
    assert name in (policy / lock).read_text().splitlines()[problem.line - 1]


def test_a_pre_release_in_an_environment_needs_a_reason(policy: Path) -> None:
    conda = policy / "environments/base.conda.yml"
    conda.write_text(conda.read_text() + "      - beta==1.0.0b4\n")
    add(policy / "uv.lock", "beta", "1.0.0b4")
    (policy / ".ci/supply/licences.yml").write_text(POLICY.replace("[numpy", "[beta, numpy"))

    def found() -> list[Problem]:
        return [each for each in check_project(policy) if each.rule != "recorded-version"]

    assert [(each.rule, each.message) for each in found()] == [("pre-release", "beta 1.0.0b4 is a pre-release")]
    (policy / ".ci/supply/licences.yml").write_text(
        POLICY.replace("[numpy", "[beta, numpy").replace("  server:", "  beta: {why: a, instead: b}\n  server:")
    )
    assert found() == []


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-3.0-only OR Apache-2.0)", True),
        ("(MIT AND GPL-3.0-only) OR (BSD-3-Clause AND MIT)", True),
        ("(MIT OR GPL-3.0-only) AND (AGPL-3.0-only)", False),
        ("Apache-2.0 WITH LLVM-exception", False),
    ],
)
def test_expressions(expression: str, *, allowed: bool) -> None:
    policy = Licences(format=1, allowed=("MIT", "Apache-2.0", "BSD-3-Clause"), accepted={}, licences={})

    assert policy.allow(expression) is allowed


def test_a_policy_with_an_unknown_key_is_refused(policy: Path) -> None:
    (policy / ".ci/supply/licences.yml").write_text(POLICY + "forbidden: [GPL]\n")

    with pytest.raises(ProjectError, match=r"licences\.yml has 1 problem"):
        check_project(policy)

"""Which programs tests start, and where each comes from. Watched while tests run: any other program is refused.

A test that starts what only its author has installed passes for its author and fails for everybody else. So each
program is one of the machine's that the README asks for, one of npm's or Debian's listed here, or one that is installed
with the dependency groups of the test. The jobs that run the tests install all of them, which tests in
packages/mlops/tests/ci_scripts read in the CI files. Programs that a shell script or another program starts are not
seen here.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from types import FrameType
from typing import Any, Final

from packaging.markers import Marker

ROOT: Final = Path(__file__).parents[2]
# A machine with Python and git, as README's first command needs it, and what POSIX, coreutils and util-linux have.
MACHINE: Final = frozenset({"bash", "git", "mount", "ps", "setpriv", "sh", "sha256sum", "umount", "uv"})
# A compiler: each CI image has one. Where there is none, its tests are skipped.
COMPILER: Final = frozenset({"cc"})
# npm's: what runs it, and the folder of the lock that CI installs. Where it is not installed, its tests are skipped.
NPM: Final[Mapping[str, str]] = {"node": "packages/workflow-replay/tests/oracle"}
# Debian's, by package. No CI job needs them: where they are not installed, their tests are skipped.
DEBIAN: Final[Mapping[str, str]] = {"chromium": "chromium", "prometheus": "prometheus", "promtool": "prometheus"}
# Tests that need other groups than the default ones, and are skipped without them.
GROUPS: Final[Mapping[str, str]] = {"packages/mlops/tests/workflows/test_linters.py": "lint"}
# The modules through which programs are started.
_STARTING: Final = tuple(
    os.path.normpath(each.__file__).removesuffix("__init__.py") for each in (asyncio, os, subprocess)
)
_PYTHON: Final = "python"
_CURRENT_TEST: Final = "PYTEST_CURRENT_TEST"


class UnknownProgram(Exception):
    """A test starts a program that nothing installs for it."""


def watch() -> None:
    """Refuse unknown programs in this process from now on. An audit hook cannot be taken off again."""
    sys.addaudithook(_audit)


def objection(program: str, path: str | None, test: str) -> str:
    """Why a test, by its pytest id, may not start a program; "" when it may. `path` is its search path.

    A program that is not there passes: starting it fails by itself, and some tests are about that.
    """
    found = shutil.which(program, path=path)
    if found is None:
        return ""
    file = Path(found)
    if file.is_relative_to(Path(sys.prefix) / Path(sys.executable).parent.name):
        return _environment_objection(file.name, test)
    if any(file.is_relative_to(place) for place in (sys.prefix, ROOT, tempfile.gettempdir())):
        # A library's own program, one of this repository's, or one that the test has made.
        return ""
    if file.name in {*MACHINE, *COMPILER, *NPM, *DEBIAN} or file.name.startswith(_PYTHON):
        return ""
    return f"{found} is not listed in {Path(__file__).relative_to(ROOT)}: say there where it comes from"


def groups_of(test: str) -> tuple[str, ...]:
    """The dependency groups that are installed where a test runs: the default ones, and its own."""
    own = GROUPS.get(test.partition("::")[0])
    default = _toml("pyproject.toml")["tool"]["uv"]["default-groups"]
    return (*default, own) if own else tuple(default)


@cache
def installed_with(groups: tuple[str, ...]) -> frozenset[str]:
    """The distributions that uv.lock installs here for the project and some of its groups."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for each in _toml("uv.lock")["package"]:
        packages.setdefault(each["name"], []).append(each)
    (root,) = packages[_toml("pyproject.toml")["project"]["name"]]
    wanted = [*root.get("dependencies", ()), *(need for group in groups for need in root["dev-dependencies"][group])]
    waiting = [(need["name"], tuple(need.get("extra", ()))) for need in wanted if _applies(need)]
    found: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in found:
            continue
        found.add((name, extras))
        for package in packages.get(name, ()):
            needs = [*package.get("dependencies", ())]
            needs += [need for extra in extras for need in package.get("optional-dependencies", {}).get(extra, ())]
            waiting += [(need["name"], tuple(need.get("extra", ()))) for need in needs if _applies(need)]
    return frozenset(name for name, _ in found)


def _environment_objection(name: str, test: str) -> str:
    owner = _owners().get(name)
    if owner is None or name.startswith(_PYTHON) or owner in installed_with(groups_of(test)):
        return ""
    groups = ", ".join(groups_of(test))
    return f"{name} comes with {owner}, which the dependency groups of {test or 'this test'} ({groups}) do not install"


@cache
def _owners() -> Mapping[str, str]:
    """The programs of this environment and the distributions that they belong to."""
    scripts = Path(sys.executable).parent
    return {
        file.name: each.name.lower().replace("_", "-")
        for each in distributions()
        for file in each.files or ()
        if ".." in file.parts and Path(os.path.normpath(each.locate_file(file))).parent == scripts  # ty: ignore
    }


@cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def _applies(need: Mapping[str, Any]) -> bool:
    marker = need.get("marker")
    return marker is None or Marker(marker).evaluate()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "subprocess.Popen":
        program, _, folder, variables = arguments
    elif event in {"os.exec", "os.posix_spawn"}:
        (program, _, variables), folder = arguments, None
    else:
        return
    if not _is_ours(sys._getframe(1)):
        return
    name = os.fsdecode(program)
    if os.path.dirname(name) and folder is not None:  # noqa: PTH120 - a bare name has none
        name = os.path.join(os.fsdecode(folder), name)  # noqa: PTH118
    path = (os.environ if variables is None else variables).get("PATH")
    reason = objection(name, path, os.environ.get(_CURRENT_TEST, ""))
    if reason:
        raise UnknownProgram(reason)


def _is_ours(frame: FrameType | None) -> bool:
    """Whether code of this repository starts a program: a library that looks for one can do without it."""
    while frame is not None and frame.f_code.co_filename.startswith(_STARTING):
        frame = frame.f_back
    file = Path(frame.f_code.co_filename) if frame else Path()
    return file.is_relative_to(ROOT) and not file.is_relative_to(sys.prefix)

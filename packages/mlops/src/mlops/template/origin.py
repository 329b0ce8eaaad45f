"""Which version of the template a repository has, and what later versions change in a fork's own files.

.template.yml states the version; a fork does not edit it. `mlops upgrade` runs the migrations by the new version, in an
environment of its own, after its files are merged. A migration is added with the version that needs it, and stays: a
fork may skip versions. A detached fork also pins the template's packages, in pyproject.toml.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field

from mlops.core.documents import read_checked
from mlops.core.errors import InputError, ProjectError
from mlops.settings.project import Project
from mlops.template.detach import FOLDER, PYPROJECT, WHEELS, GitPin, Pin, WheelPin, find_wheels

TEMPLATE_FILE: Final = Path(".template.yml")


class TemplateOrigin(BaseModel):
    """The version (semantic, without a leading v) and the repository that has the tag v{version}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    repository: str = Field(pattern=r"^https://[^\s]+$")

    @property
    def tag(self) -> str:
        """The git tag of the version."""
        return f"v{self.version}"


def read_origin(project: Project) -> TemplateOrigin:
    """Read .template.yml. Raises ProjectError with file and line if it is missing or wrong."""
    return read_checked(project.required_file(TEMPLATE_FILE), TemplateOrigin).value


@dataclass(frozen=True)
class Migration:
    """One change that `version` needs.

    `apply` edits the files below the project's root and returns what it changed, a sentence per file. An interrupted
    upgrade runs it again: it must find its own work done. project.yml may still be that of the former version.
    """

    version: str
    apply: Callable[[Path], Sequence[str]]


# 1.0.0 is the first version: there is none to migrate from.
MIGRATIONS: Final[tuple[Migration, ...]] = ()


def migrate(root: Path, before: str, migrations: Sequence[Migration] = MIGRATIONS) -> list[str]:
    """Apply the migrations of every version after `before`, oldest first; return what they changed."""
    later = [each for each in migrations if Version(each.version) > Version(before)]
    return [
        f"{each.version}: {sentence}"
        for each in sorted(later, key=lambda each: Version(each.version))
        for sentence in each.apply(root)
    ]


_COMMAND: Final = "mlops"
_TAG: Final = re.compile(r"v(\d+\.\d+\.\d+)")
_WHEEL: Final = re.compile(rf"{WHEELS}/[\w.]+-(\d+\.\d+\.\d+)-[\w.-]+\.whl")


@dataclass(frozen=True)
class Pins:
    """The packages' distribution names by their folder in the template, and what pins them all."""

    distributions: Mapping[str, str]
    version: str
    url: str | None


def read_pins(root: Path) -> Pins:
    """Read the pins that `mlops detach` wrote. Raises ProjectError for packages without pins of one version."""
    text = (root / PYPROJECT).read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text).get("tool", {}).get("uv", {}).get("sources", {})
    folders, versions, addresses = {}, set[str](), set[str | None]()
    for name, source in table.items():
        if str(source.get("subdirectory", "")).startswith(f"{FOLDER}/"):
            folders[source["subdirectory"].partition("/")[2]] = name
            match = _TAG.fullmatch(str(source.get("tag")))
            addresses.add(source["git"])
        elif match := _WHEEL.fullmatch(str(source.get("path", ""))):
            folders[name.removeprefix("mlops-template-")] = name
            addresses.add(None)
        else:
            continue
        versions.add(match[1] if match else "")
    if _COMMAND not in folders or len(versions) != 1 or "" in versions or len(addresses) != 1:
        raise ProjectError(
            f"{PYPROJECT} does not pin the template's packages to one version in [tool.uv.sources]",
            "Correct the table: each of the four has the same tag, such as v1.0.0, or a wheel of the same version.",
        )
    return Pins(folders, versions.pop(), addresses.pop())


def wheel_versions(pins: Pins, folder: Path) -> dict[str, str]:
    """The versions of which a folder has a wheel of the command. Raises InputError if it has none."""
    distribution = pins.distributions[_COMMAND].replace("-", "_")
    names = (re.match(rf"{distribution}-(\d+\.\d+\.\d+)-", file.name) for file in folder.glob("*.whl"))
    found = {match[1]: match[1] for match in names if match}
    if not found:
        raise InputError(
            f"{folder} has no wheels of the template", "Give a folder with newer ones: `mlops upgrade --from FOLDER`."
        )
    return found


def write_pins(root: Path, pins: Pins, after: str, texts: Iterable[tuple[str, str]], wheels: Path | None) -> list[str]:
    """Pin the packages to another version, in pyproject.toml and in the links of `texts` (file, text); what changed.

    New wheels are copied from `wheels` in place of the old ones. Written twice, nothing changes.
    """
    pin: Pin
    if pins.url is not None:
        pin = GitPin(pins.url, f"v{after}")
    elif wheels is not None:
        pin, files = find_wheels(pins.distributions, wheels, after)
        _replace_wheels(root / WHEELS, pin, files)
    else:
        raise InputError(
            "the packages are pinned by wheels", "Say where newer ones are: `mlops upgrade --from FOLDER`."
        )
    changed = []
    for name, text in texts:
        new = text.replace(f"/tree/v{pins.version}/{FOLDER}/", f"/tree/v{after}/{FOLDER}/")
        if name == PYPROJECT:
            for folder, distribution in pins.distributions.items():
                line = re.compile(rf"^{re.escape(distribution)} *= *\{{.*\}}", re.MULTILINE)
                new = line.sub(lambda _, f=folder, d=distribution: f"{d} = {pin.source(f)}", new)
        if new != text:
            (root / name).write_text(new, encoding="utf-8")
            changed.append(f"{name}: version {after}")
    return changed


def _replace_wheels(target: Path, pin: WheelPin, files: Iterable[Path]) -> None:
    target.mkdir(exist_ok=True)
    for file in files:
        if file.parent != target.resolve():
            shutil.copy(file, target)
    kept = {Path(path).name for path in pin.paths.values()}
    stems = {name.partition("-")[0] for name in kept}
    for old in target.glob("*.whl"):
        if old.name not in kept and old.name.partition("-")[0] in stems:
            old.unlink()

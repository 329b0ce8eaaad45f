"""What is locked, as requirements with hashes: of the project, of the infrastructure, and of each Azure ML environment.

An environment's conda file pins what it names; the rest of its packages is taken as uv.lock resolved them, which is
what was tested here. Azure builds the image later: what it resolves by itself may be newer.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from packaging.markers import Marker, default_environment

# What Azure's images run, whatever runs this.
AZURE: Final = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
}
ENVIRONMENTS: Final = Path("environments")
_SUFFIX: Final = ".conda.yml"
_NAME: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([A-Za-z0-9,._-]+)\])?")
_MARKER: Final = re.compile(r" ; ([^\\\n]*)")
_TIMEOUT_SECONDS: Final = 120


@dataclass(frozen=True)
class Project:
    """A lock, and which of its groups are part of what runs, and which are installed anywhere."""

    folder: Path
    shipped: tuple[str, ...]
    installed: tuple[str, ...]


LOCKED_PROJECTS: Final = {
    "project": Project(Path(), ("--no-default-groups",), ("--all-groups",)),
    "infrastructure": Project(Path("infra"), ("--only-group=program",), ("--group=lint",)),
    # It cannot be installed beside the others.
    "infrastructure-policy": Project(Path("infra"), (), ("--only-group=policy",)),
}


class NothingLocked(Exception):
    """There is no lock, or nothing in it: a list of nothing would look like good news."""


@dataclass(frozen=True)
class Locked:
    """A list of packages by a name, as the text of a requirements file."""

    name: str
    text: str

    @property
    def packages(self) -> list[str]:
        """The names, in order."""
        return [block.partition("==")[0] for block in _blocks(self.text)]


def project_requirements(root: Path, name: str) -> Locked:
    """What is installed of a project anywhere, the tools of development included."""
    project = LOCKED_PROJECTS[name]
    return Locked(name, _checked(name, _export(root / project.folder, project.installed, "requirements.txt")))


def project_bill(root: Path, name: str) -> str | None:
    """The bill of materials of what runs of a project, as uv writes it: with hashes; None where nothing does."""
    project = LOCKED_PROJECTS[name]
    return _export(root / project.folder, project.shipped, "cyclonedx1.5") if project.shipped else None


def environment_requirements(root: Path) -> Iterator[Locked]:
    """What each of the project's Azure ML environments installs."""
    lock = tomllib.loads((root / "uv.lock").read_text(encoding="utf-8"))
    packages = {each["name"]: each for each in lock["package"] if _is_chosen(each)}
    exported = _blocks(_export(root, ("--all-groups",), "requirements.txt"))
    known = {block.partition("==")[0]: _MARKER.sub("", block) for block in exported if _holds(_marker_of(block))}
    for file in sorted((root / ENVIRONMENTS).glob(f"*{_SUFFIX}")):
        pins = environment_pins(file)
        names = _closure(packages, pins)
        # What only Azure's own machines need is in no lock of ours, and stands for itself.
        text = "\n".join(known.get(name) or pins[name] for name in sorted(names) if name in known or name in pins)
        name = f"environment-{file.name.removesuffix(_SUFFIX)}"
        yield Locked(name, _checked(name, text + "\n"))


def _closure(packages: Mapping[str, Any], pins: Mapping[str, str]) -> set[str]:
    """The pins, and all that they need on Azure's machines."""
    found: set[str] = set()
    waiting = [(name, _extras(pin)) for name, pin in pins.items()]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found.add(name)
        package = packages.get(name, {})
        wanted = list(package.get("dependencies", []))
        for extra in extras:
            wanted += package.get("optional-dependencies", {}).get(extra, [])
        waiting += [(each["name"], frozenset(each.get("extra", ()))) for each in wanted if _holds(each.get("marker"))]
    return found


def _is_chosen(package: Mapping[str, Any]) -> bool:
    """Whether a version is the one for Azure's machines, where the lock has several."""
    markers = package.get("resolution-markers", [])
    return not markers or any(_holds(marker) for marker in markers)


def _marker_of(block: str) -> str | None:
    match = _MARKER.search(block)
    return match[1].strip() if match else None


def _holds(marker: str | None) -> bool:
    return marker is None or Marker(marker).evaluate({**default_environment(), **AZURE})


def environment_pins(file: Path) -> dict[str, str]:
    """Name → pin of every package below `pip:`."""
    listed = yaml.safe_load(file.read_text(encoding="utf-8"))["dependencies"]
    pins = next((each["pip"] for each in listed if isinstance(each, dict)), [])
    return {_canonical(pin): pin for pin in pins}


def _canonical(pin: str) -> str:
    match = _NAME.match(pin)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else pin


def _extras(pin: str) -> frozenset[str]:
    match = _NAME.match(pin)
    return frozenset((match[2] or "").split(",")) - {""} if match else frozenset()


def _blocks(text: str) -> list[str]:
    """The requirements of a file, each with its marker and hashes."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    blocks: list[str] = []
    for line in lines:
        if line.startswith(" "):
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return blocks


def _checked(name: str, text: str) -> str:
    if not _blocks(text):
        raise NothingLocked(f"nothing is locked for {name}")
    return text


def _export(folder: Path, groups: tuple[str, ...], form: str) -> str:
    command = ["uv", "export", "--quiet", "--frozen", "--offline", *groups, "--format", form]
    if form == "requirements.txt":
        # Packages of this repository are on no index.
        command.append("--no-emit-workspace")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        raise NothingLocked(f"uv cannot export the lock of {folder}: {done.stderr.strip()}")
    return done.stdout

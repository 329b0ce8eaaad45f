"""What is locked: conda files pin what uv.lock has, and the licence policy allows it.

What was tested here is what runs on Azure. project.py finds the files to compare.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version
from pydantic import Field

from mlops.checks.yaml.document import Document, Node, Problem
from mlops.core.documents import Part, YamlFile, read_checked, read_text
from mlops.core.environments import OWN_PACKAGES_TAG, names_in

PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[A-Za-z0-9,._-]+\])?==(?P<version>[^\s;=]+)")
PYTHON: Final = re.compile(r"python==?(?P<version>3\.[0-9]+(\.[0-9]+)?)")
PACKAGE_HEADER: Final = "[[package]]\n"
FROM_INDEX: Final = re.compile(r"^source = \{ registry", re.MULTILINE)
PACKAGE_NAME: Final = re.compile(r'name = "([^"]+)"')
REQUIRES_PYTHON: Final = re.compile(r'^requires-python = "([^"]+)"', re.MULTILINE)
FIX: Final = "run: mlops check --fix"
# Imported by Azure's own driver of parallel jobs, never by our code, and so not in uv.lock.
ONLY_ON_AZURE: Final = frozenset({"azureml-core", "azureml-dataset-runtime"})


@dataclass(frozen=True, slots=True)
class Pin:
    """One line `name==version` below `pip:`."""

    node: Node
    name: str
    version: str


class Lock:
    """What uv.lock resolved. Packages are parsed on demand: the file has thousands of lines."""

    def __init__(self, text: str) -> None:
        head, *packages = text.split(PACKAGE_HEADER)
        requires = REQUIRES_PYTHON.search(head)
        self.requires_python = SpecifierSet(requires.group(1) if requires else "")
        self._texts: dict[str, list[str]] = {}
        self._lines: dict[str, int] = {}
        line = head.count("\n") + 2
        for package in packages:
            if match := PACKAGE_NAME.match(package):
                self._texts.setdefault(match.group(1), []).append(package)
                self._lines.setdefault(match.group(1), line)
            line += package.count("\n") + 1

    @property
    def published(self) -> dict[str, int]:
        """The packages from an index, without those of this repository, and the line of each."""
        return {
            name: self._lines[name]
            for name, texts in self._texts.items()
            if any(FROM_INDEX.search(text) for text in texts)
        }

    def version_of(self, name: str, python: str) -> str | None:
        """Return a package's version for a Python version such as 3.11, or None if it is not locked."""
        for text in self._texts.get(canonicalize_name(name), []):
            entry: dict[str, Any] = tomllib.loads(PACKAGE_HEADER + text)["package"][0]
            markers = entry.get("resolution-markers", [])
            if not markers or any(_holds(marker, python) for marker in markers):
                return entry.get("version")
        return None


def check_pins(document: Document, lock: Lock, own: str = "") -> Iterator[Problem]:
    """Yield every dependency of a conda file that is not pinned to the version in uv.lock.

    `own` names those that are only in this environment: they must be pinned, to any version.
    """
    elsewhere = {canonicalize_name(name) for name in names_in(own)} | ONLY_ON_AZURE
    node, python = _python_of(document)
    if node is None or python is None:
        message = "Python is not pinned"
        yield document.problem(node or document.root, message, "write python=3.11 under `dependencies`")
        return
    if not lock.requires_python.contains(_full(python)):
        message = f"Python {python} does not satisfy uv.lock's {lock.requires_python}"
        yield document.problem(node, message, "pin a version that does")
    for entry in _pip_entries(document):
        pin = _pin_of(entry)
        if pin is None:
            yield document.problem(entry, f"`{entry.value}` is not pinned", "write name==version")
            continue
        locked = lock.version_of(pin.name, python)
        if locked is None and canonicalize_name(pin.name) in elsewhere:
            continue
        if locked is None:
            message = f"{pin.name} is not in uv.lock"
            advice = f"run: uv add {pin.name}, or name it in the environment's tag {OWN_PACKAGES_TAG}"
            yield document.problem(entry, message, advice)
        elif locked != pin.version:
            yield document.problem(entry, f"{pin.name} is pinned to {pin.version}, uv.lock has {locked}", FIX)


def refreshed(document: Document, lock: Lock) -> str | None:
    """Return the file's text with the versions of uv.lock and its comments; None if nothing changes."""
    _, python = _python_of(document)
    lines = list(document.lines)
    for entry in _pip_entries(document):
        pin = _pin_of(entry)
        locked = lock.version_of(pin.name, python) if pin and python else None
        if pin and locked:
            index = entry.line - 1
            lines[index] = lines[index].replace(f"=={pin.version}", f"=={locked}", 1)
    return None if tuple(lines) == document.lines else "\n".join(lines) + "\n"


def _python_of(document: Document) -> tuple[Node | None, str | None]:
    for node in _dependencies(document):
        if node.text and (match := PYTHON.fullmatch(node.text)):
            return node, match.group("version")
    return next(iter(_dependencies(document)), None), None


def _dependencies(document: Document) -> list[Node]:
    dependencies = document.root.get("dependencies")
    return dependencies.elements if dependencies else []


def _pip_entries(document: Document) -> list[Node]:
    return [entry for node in _dependencies(document) if (pip := node.get("pip")) for entry in pip.elements]


def _pin_of(node: Node) -> Pin | None:
    match = PIN.fullmatch(node.text or "")
    return Pin(node, match.group("name"), match.group("version")) if match else None


def _holds(marker: str, python: str) -> bool:
    short = ".".join(python.split(".")[:2])
    return Marker(marker).evaluate({"python_full_version": _full(python), "python_version": short})


def _full(python: str) -> str:
    return python if python.count(".") > 1 else f"{python}.0"


LICENCES: Final = Path(".ci/supply/licences.yml")
LOCKS: Final = (Path("uv.lock"), Path("infra/uv.lock"))


class Accepted(Part):
    """Why a package is used in spite of its licence, or before its release, and what could take its place."""

    why: str
    instead: str


class Licences(YamlFile):
    """The licences of all locked packages by their SPDX expression, those that are allowed, and the exceptions."""

    allowed: Annotated[tuple[str, ...], Field(strict=False)]
    accepted: Mapping[str, Accepted]
    licences: Mapping[str, Annotated[tuple[str, ...], Field(strict=False)]]

    def allow(self, expression: str) -> bool:
        """Whether an expression is allowed: one side of each OR, both sides of each AND."""
        text = expression.strip()
        for operator, combine in (("OR", any), ("AND", all)):
            parts = _split(text, operator)
            if len(parts) > 1:
                return combine(self.allow(part) for part in parts)
        inner = text.removeprefix("(").removesuffix(")") if text.startswith("(") else text
        return inner in self.allowed if inner == text else self.allow(inner)


def _split(text: str, operator: str) -> list[str]:
    """Split at the operators that are in no parentheses."""
    parts, depth = [""], 0
    for word in re.split(r"(\s+|[()])", text):
        depth += {"(": 1, ")": -1}.get(word, 0)
        if word == operator and depth == 0:
            parts.append("")
        else:
            parts[-1] += word
    return parts


def check_licences(root: Path, conda_files: Iterable[Document]) -> Iterator[Problem]:
    """Yield every locked package without an allowed licence, and every pre-release that an environment pins.

    Nothing for a project without the policy. Raises ProjectError for one that cannot be read.
    """
    if not (root / LICENCES).is_file():
        return
    policy = read_checked(root / LICENCES, Licences).value
    licence_of = {name: licence for licence, names in policy.licences.items() for name in names}
    for file in LOCKS:
        packages = Lock(read_text(root / file)).published if (root / file).is_file() else {}
        for name, line in packages.items():
            yield from _check_licence(policy, Entry(file.as_posix(), line, name), licence_of.get(name))
    for document in conda_files:
        for node in _pip_entries(document):
            pin = _pin_of(node)
            name = canonicalize_name(pin.name) if pin else ""
            if pin is None or name in policy.accepted:
                continue
            if Version(pin.version).is_prerelease:
                message = f"{name} {pin.version} is a pre-release"
                advice = (
                    f"pin a release, or write under `accepted` in {LICENCES} why it is used and what could replace it"
                )
                yield document.problem(node, message, advice, "pre-release")
            if name in ONLY_ON_AZURE:
                yield from _check_licence(policy, Entry(document.file, node.line, name), licence_of.get(name))


class Entry(NamedTuple):
    """Where a package is named."""

    file: str
    line: int
    name: str


def _check_licence(policy: Licences, entry: Entry, licence: str | None) -> Iterator[Problem]:
    if entry.name in policy.accepted:
        return
    if licence is None:
        advice = f"run `uv run --group ci python .ci/supply/licences.py`, or write it into {LICENCES}"
        yield Problem(entry.file, entry.line, f"the licence of {entry.name} is not recorded", advice, "licence")
    elif not policy.allow(licence):
        message = f"{entry.name} has the licence {licence}, which is not allowed"
        advice = (
            f"use another package, or write under `accepted` in {LICENCES} why it is used and what could replace it"
        )
        yield Problem(entry.file, entry.line, message, advice, "licence")

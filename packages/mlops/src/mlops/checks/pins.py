"""The versions in conda files compared with uv.lock: what was tested here is what runs on Azure.

Pure: texts in, findings and texts out. project.py finds the files to compare.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from mlops.checks.yaml.document import Document, Node, Problem
from mlops.core.environments import OWN_PACKAGES_TAG, names_in

PIN: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[A-Za-z0-9,._-]+\])?==(?P<version>[^\s;=]+)")
PYTHON: Final = re.compile(r"python==?(?P<version>3\.[0-9]+(\.[0-9]+)?)")
PACKAGE_HEADER: Final = "[[package]]\n"
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
        for package in packages:
            if match := PACKAGE_NAME.match(package):
                self._texts.setdefault(match.group(1), []).append(package)

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

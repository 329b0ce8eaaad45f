"""Versions and contents: a component or environment whose content has changed needs a new version.

The lock file beside them records the content of every version once; a recorded line never changes.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Final

from mlops.checks.yaml.document import Document, Node, Problem
from mlops.core.documents import read_text
from model_package.digest import listing_digest, source_sha256

LOCK_NAME: Final = "versions.lock.yml"
HEADER: Final = (
    "# Which content each version has. Written by `mlops check --fix`, which only ever adds lines: changed\n"
    "# content needs a new version, because Azure ML refuses to register a version twice.\n"
)
IGNORED_FOLDERS: Final = frozenset({"__pycache__", "mlruns"})
IGNORED_SUFFIXES: Final = frozenset({".pyc", ".pyo"})
# What the SDK leaves out of an uploaded folder.
IGNORE_FILE: Final = ".amlignore"

Versions = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Versioned:
    """Something with a name and a version, and the digest of its content."""

    document: Document
    name: str
    version: str
    digest: str

    @property
    def line(self) -> Node:
        """The line that states its version."""
        return self.document.root.get("version") or self.document.root


def content_digest(
    parts: Iterable[tuple[str, Path]], notes: Iterable[str] = (), left_out: frozenset[str] = frozenset()
) -> str:
    """Return "sha256:<hex>" of files and folders, each under the name it ships as, and of `notes`.

    Ignores line endings, hidden files, caches, bytecode, what a folder's .amlignore names, and
    folders whose name is `left_out`.
    """
    ignored = IGNORED_FOLDERS | left_out
    files = {name: path for prefix, place in parts for name, path in _files(prefix, place, ignored)}
    return listing_digest({name: source_sha256(path) for name, path in files.items()}, notes)


def recorded_versions(document: Document | None) -> Versions:
    """Read a lock file; a missing one records nothing."""
    if document is None:
        return {}
    return {
        name: {version: str(digest.value) for version, digest in node.entries.items()}
        for name, node in document.root.entries.items()
    }


def check_versions(items: Iterable[Versioned], recorded: Mapping[str, Mapping[str, str]]) -> Iterator[Problem]:
    """Yield every version that is not recorded, or recorded with different content."""
    for item in items:
        digest = recorded.get(item.name, {}).get(item.version)
        if digest is None:
            message = f"version {item.version} of `{item.name}` is not recorded"
            yield item.document.problem(item.line, message, "run: mlops check --fix")
        elif digest != item.digest:
            message = f"`{item.name}` changed, but its version is still {item.version}"
            yield item.document.problem(item.line, message, "raise the version, then run: mlops check --fix")


def raise_changed(items: Iterable[Versioned], recorded: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Write a higher version, not recorded yet, into the file of each item that changed; yield what was done.

    A version that does not end with a number is left alone: `check_versions` names it.
    """
    for item in items:
        versions = recorded.get(item.name, {})
        match = re.fullmatch(r"(.*?)(\d+)", item.version)
        if match is None or versions.get(item.version, item.digest) == item.digest:
            continue
        numbers = (f"{match[1]}{number}" for number in count(int(match[2]) + 1))
        new = next(version for version in numbers if version not in versions)
        lines = read_text(item.document.path).splitlines(keepends=True)
        lines[item.line.line - 1] = lines[item.line.line - 1].replace(item.version, new, 1)
        item.document.path.write_text("".join(lines), encoding="utf-8")
        yield f"{item.document.file}: version {new}, since its content changed"


def check_unique(items: Iterable[Versioned]) -> Iterator[Problem]:
    """Yield every item whose name and version another file also has: only one of them could be registered."""
    first: dict[tuple[str, str], str] = {}
    for item in sorted(items, key=lambda each: each.document.file):
        other = first.setdefault((item.name, item.version), item.document.file)
        if other != item.document.file:
            message = f"version {item.version} of `{item.name}` is also declared by {other}"
            yield item.document.problem(item.line, message, "give one of them another name")


def with_new(items: Iterable[Versioned], recorded: Versions) -> tuple[Versions, list[str]]:
    """Return the recorded and the new versions, and what was added."""
    result = {name: dict(versions) for name, versions in recorded.items()}
    added = []
    for item in items:
        versions = result.setdefault(item.name, {})
        if item.version not in versions:
            versions[item.version] = item.digest
            added.append(f"recorded version {item.version} of {item.name}")
    return result, added


def lock_text(versions: Mapping[str, Mapping[str, str]]) -> str:
    """Write a lock file's text."""
    lines = [HEADER]
    for name in sorted(versions):
        lines.append(f"{name}:\n")
        lines += [f"  {version}: {digest}\n" for version, digest in sorted(versions[name].items(), key=_by_number)]
    return "".join(lines)


def _files(prefix: str, place: Path, ignored: frozenset[str]) -> Iterator[tuple[str, Path]]:
    if place.is_file():
        yield prefix, place
    unshipped = _ignore_patterns(place)
    for path in place.rglob("*") if place.is_dir() else ():
        parts = path.relative_to(place).parts
        hidden = any(part.startswith(".") or part in ignored for part in parts)
        named = any(fnmatchcase(part, pattern) for part in parts for pattern in unshipped)
        if path.is_file() and not hidden and not named and path.suffix not in IGNORED_SUFFIXES:
            yield "/".join((prefix, *parts)), path


def _ignore_patterns(place: Path) -> list[str]:
    """The name patterns in a folder's ignore file; paths and exceptions are not supported: those files count."""
    file = place / IGNORE_FILE
    lines = read_text(file).splitlines() if file.is_file() else []
    patterns = (line.strip() for line in lines)
    return [pattern for pattern in patterns if pattern and not pattern.startswith(("#", "!")) and "/" not in pattern]


def _by_number(entry: tuple[str, str]) -> tuple[int, ...]:
    core = entry[0].split("-", 1)[0]
    return tuple(int(part) for part in core.split(".") if part.isdigit())

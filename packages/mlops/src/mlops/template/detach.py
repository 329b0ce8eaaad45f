"""Detaches a fork from upstream's packages: removes packages/, pins the four packages, and locks them again."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from mlops.cli.progress import say
from mlops.core.edits import Edit, diff
from mlops.core.errors import InputError, MachineError, ProjectError
from mlops.core.git import Repository
from mlops.core.programs import run_program
from mlops.core.results import Block, Line, Raw, Result, Table
from mlops.settings.project import Project

FOLDER: Final = "packages"
# Upstream's files besides the packages: their benchmarks and releases.
REMOVED: Final = (FOLDER, "benchmarks", ".ci/release", ".ci/version.py", ".github/workflows/release.yml")
WHEELS: Final = "wheels"
_LOCK_SECONDS: Final = 900
_MENTION: Final = f"{FOLDER}/"


@dataclass(frozen=True)
class DetachResult(Result):
    """What was removed and rewritten, or would be."""

    removed: tuple[str, ...]
    rewritten: tuple[str, ...]
    mentions: tuple[str, ...]
    diff: str = field(default="", repr=False)
    dry_run: bool = False

    def document(self) -> dict[str, Any]:
        """The files, by what happened to them."""
        return {
            "removed": list(self.removed),
            "rewritten": list(self.rewritten),
            "still_mentioned_in": list(self.mentions),
            "dry_run": self.dry_run,
        }

    def blocks(self) -> Sequence[Block]:
        """The files, and what to do next."""
        verb = "would be" if self.dry_run else "was"
        rows = [(name, f"{verb} removed") for name in self.removed]
        rows += [(name, f"{verb} rewritten") for name in self.rewritten]
        blocks: list[Block] = [Raw(self.diff)] if self.dry_run and self.diff else []
        blocks.append(Table("", ("file", "change"), tuple(rows)))
        if self.mentions:
            blocks.append(Line(f"still mention {_MENTION}: {', '.join(self.mentions)}", "hint"))
        if not self.dry_run:
            blocks.append(Line("Next: `uv run mlops check`, `uv run pytest`, then review and commit.", "hint"))
        return blocks


def detach(
    project: Project, pin: Pin, browse: str, *, wheels: Sequence[Path] = (), dry_run: bool = False
) -> DetachResult:
    """Remove upstream's packages from the project and pin them instead; with `dry_run`, only show what would change.

    `wheels` are copied to wheels/ first; `browse` is the address of the packages' files for readers.

    Every new text exists before the first file is written, and packages/ goes last: `git checkout -- .` undoes an
    interrupted run. Raises InputError for uncommitted changes, ProjectError for a block that is not closed.
    """
    root = project.root
    if not (root / FOLDER / "mlops").is_dir():
        raise InputError(f"there is no {FOLDER}/ here: this project is already detached", "`uv run mlops check`.")
    repository = Repository(root)
    if not dry_run and not repository.is_pristine():
        raise InputError("the repository has uncommitted changes", "Commit or stash them, then run again.")
    changed = _new_texts(root, repository, pin, browse)
    result = DetachResult(
        removed=tuple(name for name in REMOVED if (root / name).exists()),
        rewritten=tuple(sorted(changed)),
        mentions=_mentions(root, repository, changed),
        diff="".join(diff(_edit(root, name, text)) for name, text in sorted(changed.items())),
        dry_run=dry_run,
    )
    if dry_run:
        return result
    for wheel in wheels:
        (root / WHEELS).mkdir(exist_ok=True)
        if wheel.parent != (root / WHEELS).resolve():
            shutil.copy(wheel, root / WHEELS)
    for name, text in changed.items():
        (root / name).write_text(text, encoding="utf-8")
    for name in result.removed:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    say("locking the pinned packages")
    lock(root)
    return result


def find_wheels(
    distributions: Mapping[str, str], source: Path, version: str = "*"
) -> tuple[WheelPin, tuple[Path, ...]]:
    """A wheel of each package in a folder, the newest by default: the pins and the files. Raises InputError."""
    paths: dict[str, str] = {}
    files = []
    for folder, distribution in distributions.items():
        found = sorted(source.glob(f"{distribution.replace('-', '_')}-{version}-*.whl"), key=_wheel_version)
        if not found:
            raise InputError(
                f"{source} has no wheel of {distribution}", f"`uv build --all-packages --wheel --out-dir {source}`."
            )
        paths[folder] = f"{WHEELS}/{found[-1].name}"
        files.append(found[-1].resolve())
    return WheelPin(paths), tuple(files)


def _wheel_version(wheel: Path) -> Version:
    return parse_wheel_filename(wheel.name)[1]


def _new_texts(root: Path, repository: Repository, pin: Pin, browse: str) -> dict[str, str]:
    changed: dict[str, str] = {}
    table = sources(distributions(root), pin)
    for name, text in tracked_texts(root, repository):
        try:
            new = detached(name, text, table, browse)
        except UnbalancedBlock as error:
            raise ProjectError(f"{name}: {error}", "Restore the file's `packages:` comments from git.") from error
        if new != text:
            changed[name] = new
    if PYPROJECT not in changed:
        raise ProjectError(f"{PYPROJECT} has no block `packages: begin`", "Restore it from git.")
    return changed


def distributions(root: Path) -> dict[str, str]:
    """The distribution name of each package, by its folder below packages/."""
    files = sorted((root / FOLDER).glob("*/pyproject.toml"))
    return {file.parent.name: tomllib.loads(file.read_text(encoding="utf-8"))["project"]["name"] for file in files}


def _mentions(root: Path, repository: Repository, changed: dict[str, str]) -> tuple[str, ...]:
    return tuple(
        sorted(
            name for name, text in tracked_texts(root, repository) if f" {_MENTION}" in f" {changed.get(name, text)}"
        )
    )


def tracked_texts(root: Path, repository: Repository) -> list[tuple[str, str]]:
    """The tracked text files that stay, with their texts; locks are regenerated, not rewritten."""
    found = []
    for path in repository.tracked():
        file = root / path
        is_removed = any(path.is_relative_to(name) for name in REMOVED)
        if is_removed or path.name == "uv.lock" or not file.is_file():
            continue
        try:
            found.append((path.as_posix(), file.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def _edit(root: Path, name: str, text: str) -> Edit:
    return Edit(PurePosixPath(name), (root / name).read_text(encoding="utf-8"), text)


def lock(root: Path) -> None:
    """Lock a project's packages again. Raises MachineError with what uv reports."""
    answer = run_program(["uv", "lock"], root, timeout_seconds=_LOCK_SECONDS)
    if answer.code != 0:
        advice = "Fix what uv reports (is the tag pushed, do the wheels exist?), then `uv lock`."
        raise MachineError("`uv lock` failed", advice, answer.stderr_lines)


PYPROJECT: Final = "pyproject.toml"
_BEGIN: Final = re.compile(r"^[ \t]*(?:#|<!--)[ \t]*packages: begin\b.*\n", re.MULTILINE)
_END: Final = re.compile(r"^[ \t]*(?:#|<!--)[ \t]*packages: end\b.*(?:\n|\Z)", re.MULTILINE)
_LINK: Final = re.compile(r"\]\((?:\.\./)*(packages/[^)\s]+)\)")


class UnbalancedBlock(ValueError):
    """A `packages: begin` without its `packages: end`, or the reverse; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: a block `packages: begin … packages: end` is not closed")
        self.line = line


@dataclass(frozen=True)
class GitPin:
    """The packages come from a tag of a git repository."""

    url: str
    tag: str

    def source(self, folder: str) -> str:
        """The TOML of one package's source for uv."""
        return f'{{ git = "{self.url}", tag = "{self.tag}", subdirectory = "{FOLDER}/{folder}" }}'


@dataclass(frozen=True)
class WheelPin:
    """The packages come from wheels in the repository; `paths` has one per package folder, relative to the root."""

    paths: Mapping[str, str]

    def source(self, folder: str) -> str:
        """The TOML of one package's source for uv."""
        return f'{{ path = "{self.paths[folder]}" }}'


Pin = GitPin | WheelPin


def detached(name: str, text: str, table: str, browse: str) -> str:
    """The file `name` after detaching: blocks removed, and links into packages/ pointing to `browse`.

    In pyproject.toml the first block becomes `table`, the packages' pinned sources. Raises UnbalancedBlock.
    """
    replacement = table if name == PYPROJECT else ""
    return _LINK.sub(lambda link: f"]({browse}/{link[1]})", without_blocks(text, replacement))


def sources(distributions: Mapping[str, str], pin: Pin) -> str:
    """The table of pyproject.toml that pins every package; `distributions` maps folders to names."""
    lines = [f"{distribution} = {pin.source(folder)}" for folder, distribution in distributions.items()]
    return "\n".join(["[tool.uv.sources]", *lines, ""])


def without_blocks(text: str, replacement: str = "") -> str:
    """The text with every block removed, the first one replaced. Raises UnbalancedBlock."""
    kept: list[str] = []
    at = 0
    while begin := _BEGIN.search(text, at):
        end = _END.search(text, begin.end())
        inner = _BEGIN.search(text, begin.end())
        if end is None or (inner is not None and inner.start() < end.start()):
            raise UnbalancedBlock(_line(text, begin.start()))
        kept += [text[at : begin.start()], replacement]
        replacement = ""
        at = end.end()
    if stray := _END.search(text, at):
        raise UnbalancedBlock(_line(text, stray.start()))
    return "".join([*kept, text[at:]])


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1

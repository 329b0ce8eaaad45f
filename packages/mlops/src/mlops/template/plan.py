"""What a newer version of the template changes, by owner, what it asks of a person, and how an upgrade ended."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final, Literal

from packaging.version import Version

from mlops.core.results import Block, Line, Raw, Result, Table

Owner = Literal["fork", "platform", "upstream"]
# docs/architecture.md says what each owner does; any other file at the root is the platform's.
FORK: Final = (
    *("project.yml", "schema.yml", "components", "pipelines", "environments", "data", "endpoints", "extensions"),
    *("releases", "tests"),
)
CHANGELOG: Final = "CHANGELOG.md"
UPSTREAM: Final = ("packages", "docs", "benchmarks", "examples", CHANGELOG, ".template.yml")
_MEANINGS: Final[Mapping[Owner, str]] = {
    "fork": "yours: your edits stay",
    "platform": "your platform's: merged, settings stay",
    "upstream": "the template's: replaced",
}
_CHANGES: Final = {"A": "added", "M": "changed", "D": "removed", "T": "changed"}
_SECTION: Final = re.compile(r"^## ", re.MULTILINE)
_VERSION: Final = re.compile(r"v?(\d+\.\d+\.\d+)\b")
_SUBHEADING: Final = re.compile(r"^###.*$", re.MULTILINE)
_ENTRY: Final = re.compile(r"^- ", re.MULTILINE)

Kind = Literal["merge", "graft", "pins"]
Status = Literal["planned", "current", "conflicts", "upgraded"]
_WAYS: Final[Mapping[Kind, str]] = {
    "merge": "a merge of the template's tag",
    "graft": "a merge of the template's tag, after a commit that records which version this repository was made from",
    "pins": "new pins of the four packages",
}


@dataclass(frozen=True)
class FileChange:
    """A file that the template changed: how, whose it is, and whether this repository has changed it as well."""

    file: str
    change: str
    owner: Owner
    edited: bool


@dataclass(frozen=True)
class Entry:
    """An entry of a package's CHANGELOG: what a fork must know or do."""

    package: str
    version: str
    text: str


@dataclass(frozen=True)
class Plan:
    """What an upgrade brings: the template's changes, and the entries of its CHANGELOGs."""

    before: str
    after: str
    kind: Kind
    changes: tuple[FileChange, ...] = ()
    entries: tuple[Entry, ...] = ()

    def blocks(self) -> list[Block]:
        """The changes by owner, and the files that both sides changed."""
        blocks: list[Block] = [Line(f"{self.before} → {self.after}: {_WAYS[self.kind]}")]
        counts = Counter((each.owner, each.edited) for each in self.changes)
        rows = [
            (meaning, str(counts[owner, True] + counts[owner, False]), str(counts[owner, True]))
            for owner, meaning in _MEANINGS.items()
        ]
        if self.changes:
            blocks.append(Table("", ("whose files", "changed by the template", "and by you"), tuple(rows)))
        yours = [(each.file, each.change) for each in self.changes if each.edited or each.owner == "fork"]
        if yours:
            blocks.append(Table("your files, and those you changed", ("file", "template"), tuple(yours)))
        return blocks


@dataclass(frozen=True)
class UpgradeResult(Result):
    """How an upgrade ended; `done` are sentences about what was settled, migrated and written again."""

    plan: Plan
    status: Status
    done: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    commit: str | None = None
    undo: str | None = None
    hints: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 while a person must resolve conflicts."""
        return 1 if self.status == "conflicts" else 0

    def document(self) -> dict[str, Any]:
        """All of it."""
        return {
            "status": self.status,
            "from": self.plan.before,
            "to": self.plan.after,
            "kind": self.plan.kind,
            "changes": [asdict(each) for each in self.plan.changes],
            "changelog": [asdict(each) for each in self.plan.entries],
            "done": list(self.done),
            "conflicts": list(self.conflicts),
            "commit": self.commit,
        }

    def blocks(self) -> Sequence[Block]:
        """The plan, what was done, what a person must do."""
        if self.status == "current":
            return [Line(f"already at {self.plan.after}", "good")]
        blocks = self.plan.blocks()
        blocks += [Raw(f"  {sentence}") for sentence in self.done]
        if self.plan.entries:
            blocks.append(Line("What changed for you, from the CHANGELOGs:"))
            blocks += [Raw(f"  {each.package} {each.version}: {each.text}") for each in self.plan.entries]
        return [*blocks, *self._ending()]

    def _ending(self) -> list[Block]:
        files: list[Block] = [Raw(f"  {file}") for file in self.conflicts]
        hints = [Line(hint, "hint") for hint in self.hints]
        if self.status == "planned":
            count = len(self.conflicts)
            words = f"{count} file{'s' if count != 1 else ''} will conflict" if count else "nothing will conflict"
            ending = [] if self.plan.kind == "pins" else [Line(words, "bad" if count else "good"), *files]
            return [*ending, *hints]
        if self.status == "conflicts":
            return [
                Line("These files conflict:", "bad"),
                *files,
                Line("Edit each file, `git add` it, then run `mlops upgrade` again: it goes on.", "hint"),
                Line("To give up: `git merge --abort`. Nothing of yours is lost either way.", "hint"),
            ]
        undo = [Line(f"To undo: `git reset --hard {self.undo}`.", "hint")] if self.undo else []
        return [
            Line(f"upgraded to {self.plan.after}, commit {(self.commit or '')[:12]}", "good"),
            Line("Next: `mlops check`, `uv run pytest`, then open a pull request.", "hint"),
            *undo,
            *hints,
        ]


@dataclass(frozen=True)
class FinishResult(Result):
    """What the new version changed at the end of an upgrade."""

    done: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The changes."""
        return {"done": list(self.done)}

    def blocks(self) -> Sequence[Block]:
        """One line per change, which the former version reads."""
        return [Raw(sentence) for sentence in self.done]


def owner_of(path: str) -> Owner:
    """Whose file this is."""
    top = PurePosixPath(path).parts[0]
    if top in FORK:
        return "fork"
    return "upstream" if top in UPSTREAM else "platform"


def file_changes(changes: Mapping[str, str], edited: Mapping[str, str]) -> tuple[FileChange, ...]:
    """The template's changes (git's letters by file), given those of this repository."""
    return tuple(
        FileChange(file, _CHANGES.get(letter, "changed"), owner_of(file), file in edited)
        for file, letter in sorted(changes.items())
    )


def entries_between(package: str, changelog: str, before: str, after: str) -> list[Entry]:
    """The entries of a CHANGELOG for the versions after `before`, up to `after`, oldest version first."""
    found = []
    for section in _SECTION.split(changelog)[1:]:
        match = _VERSION.match(section)
        if match and Version(before) < Version(match[1]) <= Version(after):
            items = _ENTRY.split(_SUBHEADING.sub("", section))[1:]
            found += [Entry(package, match[1], " ".join(item.split())) for item in items]
    return sorted(found, key=lambda entry: Version(entry.version))

"""The git side of an upgrade: the template's versions, a fork's history, and merges that settle what needs no person.

Tags are fetched into refs of their own: a fork may have tags of the same names.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Final, Literal

from packaging.version import Version

from mlops.core.documents import parse_checked
from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository
from mlops.template.detach import FOLDER
from mlops.template.origin import TEMPLATE_FILE, TemplateOrigin
from mlops.template.plan import owner_of

# `git diff mlops/template/v1.0.0 mlops/template/v1.1.0` works with them.
REFS: Final = "refs/mlops/template/"
VERSIONS_LOCK: Final = "versions.lock.yml"
LOCK: Final = "uv.lock"
_COPY: Final = re.compile(r"(components|endpoints/[^/]+)/model_package/")
# Files whose version both sides raise, or where a fork edits the line beside it.
_VERSIONED: Final = re.compile(r"components/[^/]+/component\.yml|environments/[^/]+\.yml|pyproject\.toml")
_VERSION_LINE: Final = re.compile(r"^(version(?:: *| = )[\"']?)(\d+\.\d+\.\d+)([\"']? *)$", re.MULTILINE)
# What `mlops check --fix` writes from the stages in project.yml.
_STAGES: Final = re.compile(r"(?<=# begin stages: )(.*?\n)(.*?)(?=^ *# end stages)", re.MULTILINE | re.DOTALL)
_ADDRESS_LINE: Final = re.compile(r"^repository: .*$", re.MULTILINE)

History = Literal["contained", "merge", "graft"]
# The objects of a conflict by git's numbers: 1 the common ancestor, 2 the fork's, 3 the template's.
Sides = Mapping[int, str]
ANCESTOR, OURS, THEIRS = 1, 2, 3


@dataclass(frozen=True)
class Settled:
    """How a conflict was settled: the file's content, or None to remove it, and a sentence."""

    path: str
    content: bytes | None
    sentence: str


class TemplateRepository(Repository):
    """A fork's repository, in which a version of the template can be merged."""

    timeout_seconds: ClassVar[int] = 900

    def fetch_versions(self, source: str) -> dict[str, str]:
        """Fetch the template's tags from an address, a path or a remote; return their commits by version."""
        words = ("--quiet", "--no-tags", "--prune", "--no-write-fetch-head", "--no-recurse-submodules")
        try:
            self._run("fetch", *words, source, f"+refs/tags/v*:{REFS}v*")
        except MachineError as error:
            advice = "Check the address and your access, or give another: `mlops upgrade --from ADDRESS`."
            raise MachineError(f"cannot fetch the template's versions from {source}", advice, error.details) from error
        names = self._run("for-each-ref", "--format=%(refname:lstrip=3)", REFS).split()
        found = {name[1:]: self.resolve(f"{REFS}{name}") for name in names if re.fullmatch(r"v\d+\.\d+\.\d+", name)}
        return {version: commit for version, commit in found.items() if commit}

    def history(self, current: str, target: str) -> History:
        """How a version's commit relates to HEAD, which has the files of the version `current`.

        "graft": HEAD has these files but not their history, as in a copy made by "Use this template", and after an
        upgrade whose merge was squashed.
        """
        if self.is_ancestor(target, "HEAD"):
            return "contained"
        base = self.merge_base("HEAD", target)
        if base is None or self._version_at(base) != current:
            return "graft"
        return "merge"

    def is_ancestor(self, one: str, other: str) -> bool:
        """Whether a commit is in the history of another, or the same."""
        return self._output("merge-base", "--is-ancestor", one, other) is not None

    def graft(self, version: str, commit: str) -> str:
        """A commit with HEAD's files that has the version's commit as a second parent; no branch is moved."""
        message = f"Record that these files are based on the template's version {version}"
        parents = ("-p", "HEAD", "-p", commit)
        return self._run("commit-tree", "HEAD^{tree}", *parents, "-m", message, variables=self._identity())

    def advance(self, commit: str) -> None:
        """Move the checked-out branch forward to a commit."""
        self._run("merge", "--quiet", "--ff-only", commit)

    def merging(self) -> str | None:
        """The commit that is being merged, or None."""
        return self.resolve("MERGE_HEAD")

    def begin_merge(self, version: str) -> None:
        """Merge a version into the checkout without committing; conflicts stay. Raises MachineError if git refuses."""
        done = self._execute(("merge", "--quiet", "--no-commit", "--no-ff", f"{REFS.removeprefix('refs/')}v{version}"))
        if done.returncode != 0 and self.merging() is None:
            said = tuple(done.stderr.decode(errors="replace").strip().splitlines())
            raise MachineError("git merge failed; nothing was changed", "Fix what git reports, then run again.", said)

    def conflicts(self) -> dict[str, Sides]:
        """The unmerged files of the checkout."""
        return _sides(self._run("ls-files", "--unmerged", "-z").split("\0"))

    def predict_conflicts(self, head: str, target: str) -> dict[str, Sides]:
        """The files that a merge of two commits would leave unmerged; touches nothing."""
        done = self._execute(("merge-tree", "--write-tree", "-z", "--no-messages", head, target))
        if done.returncode not in (0, 1):
            said = tuple(done.stderr.decode(errors="replace").strip().splitlines())
            raise MachineError("git cannot predict the conflicts", "Install git 2.38 or newer for --dry-run.", said)
        return _sides(done.stdout.decode().split("\0")[1:])

    def settle(self, conflicts: Mapping[str, Sides]) -> list[Settled]:
        """Decide the conflicts that need no person; the others are left out. Writes nothing."""
        found = (self._settled(path, sides) for path, sides in conflicts.items())
        return [each for each in found if each is not None]

    def apply(self, settled: Iterable[Settled]) -> None:
        """Write settled files into the checkout and its index."""
        for each in settled:
            if each.content is None:
                self._run("rm", "--quiet", "--force", "--", each.path)
            else:
                (self.folder / each.path).write_bytes(each.content)
                self._run("add", "--", each.path)

    def keep_versions(self) -> None:
        """Restore the fork's own records of versions, which are written again, never merged."""
        names = [name for name in self.names("HEAD") if PurePosixPath(name).name == VERSIONS_LOCK]
        if names:
            self._run("checkout", "HEAD", "--", *names)

    def leave_out(self, base: str, target: str) -> list[str]:
        """Remove the template's new files from folders that the fork has removed; return their names."""
        were, are = _folders(self.names(base)), _folders(self.names("HEAD"))
        added = self._run("diff", "--name-only", "--diff-filter=A", "--no-renames", "-z", base, target).split("\0")
        names = [name for name in added if name and (were - are) & set(PurePosixPath(name).parents)]
        if names:
            self._run("rm", "--quiet", "--force", "--ignore-unmatch", "--", *names)
        return names

    def changes(self, base: str, target: str) -> dict[str, str]:
        """The files that differ between two commits, with git's letter: A added, M changed, D removed."""
        listing = self._run("diff", "--name-status", "--no-renames", "-z", base, target).split("\0")
        return {name: letter[0] for letter, name in zip(listing[::2], listing[1::2], strict=False)}

    def names(self, revision: str) -> list[str]:
        """The files of a revision."""
        return [name for name in self._run("ls-tree", "-r", "--name-only", "-z", revision).split("\0") if name]

    def changed_since(self, commit: str) -> set[PurePosixPath]:
        """The tracked files of the checkout that differ from a commit."""
        listing = self._run("diff", "--name-only", "--no-renames", "-z", commit)
        return {PurePosixPath(name) for name in listing.split("\0") if name}

    def commit(self, message: str) -> str:
        """Commit everything in the checkout, if it differs; the commit that is then checked out."""
        self._run("add", "--all")
        if self.merging() is not None or not self.is_pristine():
            self._run("commit", "--quiet", "--message", message, variables=self._identity())
        return self.head()

    def git_path(self, name: str) -> Path:
        """The path of a file of our own in git's folder of this checkout."""
        return self.folder / self._run("rev-parse", "--git-path", name)

    def _version_at(self, commit: str) -> str | None:
        text = self.read(commit, PurePosixPath(TEMPLATE_FILE))
        return None if text is None else parse_checked(text, TEMPLATE_FILE, TemplateOrigin).value.version

    def _settled(self, path: str, sides: Sides) -> Settled | None:
        ours, theirs = (self._blob(sides.get(side)) for side in (OURS, THEIRS))
        if PurePosixPath(path).name == VERSIONS_LOCK:
            return Settled(path, ours, "yours, with new lines for new versions")
        if ours is None and ANCESTOR in sides and not path.startswith(f"{FOLDER}/"):
            return Settled(path, None, "stays removed, as you decided; the template changed it")
        if _COPY.match(path):
            return Settled(path, theirs, "written again from the new model_package")
        if PurePosixPath(path).name == LOCK and ours is not None:
            return Settled(path, ours, "your pins, locked again")
        if theirs is None and owner_of(path) == "fork":
            return Settled(path, ours, "stays, since you changed it; the template removed it")
        if path == TEMPLATE_FILE.as_posix() and ours is not None and theirs is not None:
            return Settled(path, _with_address(theirs, ours), "the new version, and your address of the template")
        return self._settled_alike(path, sides) if len(sides) == len((ANCESTOR, OURS, THEIRS)) else None

    def _settled_alike(self, path: str, sides: Sides) -> Settled | None:
        """A conflict in a version or in a block of stages alone: made alike on all sides, the rest merges."""
        ours, ancestor, theirs = ((self._blob(sides[side]) or b"").decode() for side in (OURS, ANCESTOR, THEIRS))
        if _VERSIONED.fullmatch(path):
            alike, sentence = _with_highest_version, "the higher of the two versions"
        elif _STAGES.search(ours):
            alike, sentence = _with_stages_of_first, "your stages, written again"
        else:
            return None
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("ours", "ancestor", "theirs")]
            for file, text in zip(files, alike([ours, ancestor, theirs]), strict=True):
                file.write_text(text, encoding="utf-8")
            done = self._execute(("merge-file", "--stdout", *map(str, files)))
        return Settled(path, done.stdout, sentence) if done.returncode == 0 else None

    def _blob(self, name: str | None) -> bytes | None:
        return None if name is None else self._execute(("cat-file", "blob", name)).stdout


def chosen(versions: Mapping[str, str], wanted: str | None, source: str) -> str:
    """The version to upgrade to: `wanted`, or the newest. Raises InputError if there is no such version."""
    ordered = sorted(versions, key=Version)
    if not ordered:
        raise InputError(
            f"{source} has no tags such as v1.0.0", "Give the template's address: `mlops upgrade --from URL`."
        )
    if wanted is None:
        return ordered[-1]
    if wanted not in versions:
        raise InputError(f"{source} has no version {wanted}", f"It has {', '.join(ordered)}.")
    return wanted


def _with_highest_version(texts: Sequence[str]) -> list[str]:
    found = [match[2] for text in texts if (match := _VERSION_LINE.search(text))]
    highest = max(found, key=Version, default="")
    return [_VERSION_LINE.sub(rf"\g<1>{highest}\g<3>", text, count=1) for text in texts]


def _with_stages_of_first(texts: Sequence[str]) -> list[str]:
    own = {match[1]: match[0] for match in _STAGES.finditer(texts[0])}
    return [_STAGES.sub(lambda match: own.get(match[1], match[0]), text) for text in texts]


def _with_address(theirs: bytes, ours: bytes) -> bytes:
    address = _ADDRESS_LINE.search(ours.decode())
    return _ADDRESS_LINE.sub(lambda _: address[0], theirs.decode()).encode() if address else theirs


def _folders(names: Iterable[str]) -> set[PurePosixPath]:
    return {folder for name in names for folder in PurePosixPath(name).parents}


def _sides(entries: Iterable[str]) -> dict[str, Sides]:
    """Unmerged entries, `mode object side<TAB>path`, by path."""
    found: dict[str, Sides] = {}
    for entry in entries:
        facts, _, path = entry.partition("\t")
        if path:
            _, name, side = facts.split()
            found[path] = {**found.get(path, {}), int(side): name}
    return found

"""`mlops upgrade`: takes a newer version of the template into a fork, a copy, or a detached fork.

The running command does what needs git: it merges, or raises the pins. What needs knowledge of the new version
(migrations, copies of model_package, records of versions) is done by the new version, in an environment of its own.
A file in git's folder says which upgrade is in progress, so that a second run goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from packaging.version import Version
from pydantic import BaseModel, ConfigDict, ValidationError

from mlops.cli.progress import say
from mlops.core.documents import read_checked
from mlops.core.errors import InputError, MachineError, ProjectError
from mlops.core.layout import STATE_FOLDER, private_folder
from mlops.core.programs import run_program
from mlops.template.detach import FOLDER, lock, tracked_texts
from mlops.template.merging import LOCK, REFS, TemplateRepository, chosen
from mlops.template.origin import TEMPLATE_FILE, Pins, TemplateOrigin, read_pins, wheel_versions, write_pins
from mlops.template.plan import CHANGELOG, Entry, Kind, Plan, UpgradeResult, entries_between, file_changes

# Finishes an upgrade below a root, from a version, by the new version's code; returns what it changed.
Finish = Callable[[Path, str], Sequence[str]]
_IN_PROGRESS: Final = "mlops-upgrade.json"
_ENVIRONMENT: Final = STATE_FOLDER / "upgrade"
_FINISH_SECONDS: Final = 900


class InProgress(BaseModel):
    """The upgrade that is in progress: versions, the template's commits, and HEAD before it began.

    A later version reads it as well: after a conflict the merged command goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kind: Kind
    before: str
    after: str
    base: str
    target: str
    head: str
    wheels: str | None = None


@dataclass(frozen=True)
class _Source:
    """Where newer versions come from: an address for git, or a folder of wheels."""

    address: str
    wheels: Path | None = None


def upgrade(root: Path, *, to: str | None, source: str | None, dry_run: bool, finish: Finish) -> UpgradeResult:
    """Upgrade the project below `root` to the version `to`, or to the newest; with `dry_run`, only show the changes.

    `source` is an address, a path or a remote instead of the template's own address; for a fork that pins wheels, a
    folder with newer ones. Raises InputError for uncommitted changes and unknown versions.
    """
    repository = TemplateRepository(root)
    begun = _in_progress(repository)
    if begun is not None:
        _refuse_to_go_on(repository, begun, to, dry_run=dry_run)
        return _go_on(repository, begun, finish)
    _refuse(repository, dry_run=dry_run)
    is_detached = not (root / FOLDER / "mlops").is_dir()
    pins = read_pins(root) if is_detached else None
    prepared = _prepare_pins(repository, pins, to, source) if pins else _prepare_merge(repository, to, source)
    if isinstance(prepared, UpgradeResult):
        return prepared
    if dry_run:
        return _planned(repository, prepared)
    _record(repository, prepared)
    if pins:
        return _finish_pins(repository, prepared, finish)
    if prepared.kind == "graft":
        repository.advance(repository.graft(prepared.before, prepared.base))
    return _merge(repository, prepared, finish)


def finish_by_new_version(root: Path, before: str) -> Sequence[str]:
    """Finish by the new version's command, in an environment of its own. Raises MachineError with what it reports."""
    say("running the new version's migrations")
    foreign = ("VIRTUAL_ENV", "PYTHONPATH")
    variables = {name: value for name, value in os.environ.items() if name not in foreign}
    variables["UV_PROJECT_ENVIRONMENT"] = str(private_folder(root / _ENVIRONMENT) / "environment")
    command = ("uv", "run", "--quiet", "--frozen", "--no-default-groups", "--project", str(root))
    words = ("mlops", "--project", str(root), "upgrade", "--finish-from", before)
    answer = run_program((*command, *words), root, timeout_seconds=_FINISH_SECONDS, variables=variables)
    if answer.code != 0:
        advice = "Correct what it reports, then run `mlops upgrade` again: it goes on."
        raise MachineError("the new version could not finish the upgrade", advice, answer.stderr_lines)
    return answer.stdout.splitlines()


def _prepare_merge(repository: TemplateRepository, to: str | None, given: str | None) -> InProgress | UpgradeResult:
    origin = read_checked(repository.folder / TEMPLATE_FILE, TemplateOrigin).value
    source = _source(repository, given) or _Source(origin.repository)
    say(f"fetching the versions of {source.address}")
    versions = repository.fetch_versions(source.address)
    after = chosen(versions, to, source.address)
    _refuse_older(origin.version, after)
    target = versions[after]
    history = repository.history(origin.version, target)
    if history == "contained" or (history == "graft" and after == origin.version):
        return UpgradeResult(Plan(origin.version, after, "merge"), "current")
    if history == "graft" and origin.version not in versions:
        raise InputError(
            f"{source.address} has no tag v{origin.version}, from which this repository was made",
            "Give an address that has it, or correct `version` in .template.yml: the newest release it contains.",
        )
    head = repository.head()
    base = versions[origin.version] if history == "graft" else repository.merge_base(head, target)
    return InProgress(kind=history, before=origin.version, after=after, base=base or "", target=target, head=head)


def _prepare_pins(
    repository: TemplateRepository, pins: Pins, to: str | None, given: str | None
) -> InProgress | UpgradeResult:
    source = _source(repository, given)
    if pins.url is None:
        if source is None or source.wheels is None:
            advice = "Build or download newer ones, then `mlops upgrade --from FOLDER`."
            raise InputError("the packages are pinned by wheels", advice)
        versions = wheel_versions(pins, source.wheels)
    else:
        source = source or _Source(pins.url)
        say(f"fetching the versions of {source.address}")
        versions = repository.fetch_versions(source.address)
    after = chosen(versions, to, source.address)
    _refuse_older(pins.version, after)
    if after == pins.version:
        return UpgradeResult(Plan(pins.version, after, "pins"), "current")
    target, base = ("", "") if pins.url is None else (versions[after], versions.get(pins.version, ""))
    wheels = str(source.wheels) if source.wheels else None
    return InProgress(
        kind="pins", before=pins.version, after=after, base=base, target=target, head=repository.head(), wheels=wheels
    )


def _source(repository: TemplateRepository, given: str | None) -> _Source | None:
    """What --from names; None if it was not given. Raises InputError."""
    if given is None:
        return None
    path = Path(given).expanduser()
    if path.exists():
        place = path.resolve()
        return _Source(str(place), place if any(place.glob("*.whl")) else None)
    if "://" in given or "@" in given or repository.remote_url(given) is not None:
        return _Source(given)
    raise InputError(f"there is no path and no remote {given}", "`git remote --verbose` lists the remotes.")


def _refuse(repository: TemplateRepository, *, dry_run: bool) -> None:
    """Raise InputError for a repository in which nothing may be merged now."""
    if repository.prefix() != PurePosixPath("."):
        raise InputError(
            f"the project is in the folder {repository.prefix()} of its repository, and the template's files are not",
            "Merge by hand: `git merge -X subtree=FOLDER`, see `git help merge-strategies`.",
        )
    if repository.is_shallow():
        raise InputError("this clone is shallow: it lacks the history to merge", "`git fetch --unshallow`, then again.")
    if repository.merging() is not None:
        advice = "Finish it with `git commit`, or give up with `git merge --abort`; then run again."
        raise InputError("another merge is in progress", advice)
    if not dry_run and not repository.is_pristine():
        advice = "Commit them, or `git stash --include-untracked`; then run again."
        raise InputError("the repository has uncommitted changes", advice)


def _refuse_older(current: str, wanted: str) -> None:
    if Version(wanted) < Version(current):
        raise InputError(
            f"{wanted} is older than {current}, the version here", "To undo an upgrade: `git revert`, see its commit."
        )


def _plan(repository: TemplateRepository, begun: InProgress) -> Plan:
    if not begun.target:
        return Plan(begun.before, begun.after, begun.kind)
    entries = tuple(_entries(repository, begun))
    if begun.kind == "pins":
        return Plan(begun.before, begun.after, begun.kind, entries=entries)
    edited = repository.changes(begun.base, begun.head)
    changes = file_changes(repository.changes(begun.base, begun.target), edited)
    return Plan(begun.before, begun.after, begun.kind, changes, entries)


def _entries(repository: TemplateRepository, begun: InProgress) -> list[Entry]:
    names = repository.names(begun.target)
    files = [PurePosixPath(name) for name in names if name == CHANGELOG or fnmatch(name, f"{FOLDER}/*/{CHANGELOG}")]
    return [
        entry
        for file in files
        for entry in entries_between(
            file.parent.name or "template", repository.read(begun.target, file) or "", begun.before, begun.after
        )
    ]


def _planned(repository: TemplateRepository, begun: InProgress) -> UpgradeResult:
    conflicts: tuple[str, ...] = ()
    if begun.kind != "pins":
        head = repository.graft(begun.before, begun.base) if begun.kind == "graft" else begun.head
        found = repository.predict_conflicts(head, begun.target)
        conflicts = tuple(sorted(found.keys() - {each.path for each in repository.settle(found)}))
    return UpgradeResult(_plan(repository, begun), "planned", conflicts=conflicts, hints=_hints(begun))


def _hints(begun: InProgress) -> tuple[str, ...]:
    if begun.kind != "pins":
        return ()
    rest = "CI, infrastructure and documentation stay as they are"
    if not begun.base:
        return (f"{rest}; the template's CHANGELOG.md files say what changed.",)
    old, new = (f"{REFS.removeprefix('refs/')}v{version}" for version in (begun.before, begun.after))
    return (f"{rest}: `git diff {old} {new} -- . ':!{FOLDER}'` shows what the template changed.",)


def _merge(repository: TemplateRepository, begun: InProgress, finish: Finish) -> UpgradeResult:
    say(f"merging version {begun.after}")
    try:
        repository.begin_merge(begun.after)
    except MachineError:
        _forget(repository)
        raise
    return _settle(repository, begun, finish)


def _settle(repository: TemplateRepository, begun: InProgress, finish: Finish) -> UpgradeResult:
    """Settle what needs no person, and finish if nothing else conflicts. May be done again."""
    settled = repository.settle(repository.conflicts())
    repository.apply(settled)
    repository.keep_versions()
    left_out = repository.leave_out(begun.base, begun.target)
    done = [f"{each.path}: {each.sentence}" for each in settled]
    done += [f"{name}: new, left out, since you removed its folder" for name in left_out]
    if conflicts := tuple(repository.conflicts()):
        return UpgradeResult(_plan(repository, begun), "conflicts", tuple(done), conflicts)
    return _finish(repository, begun, done, finish)


def _finish_pins(repository: TemplateRepository, begun: InProgress, finish: Finish) -> UpgradeResult:
    say(f"pinning version {begun.after}")
    root = repository.folder
    pins = replace(read_pins(root), version=begun.before)
    wheels = Path(begun.wheels) if begun.wheels else None
    done = write_pins(root, pins, begun.after, tracked_texts(root, repository), wheels)
    return _finish(repository, begun, done, finish)


def _finish(repository: TemplateRepository, begun: InProgress, done: list[str], finish: Finish) -> UpgradeResult:
    root = repository.folder
    changed = repository.changed_since(begun.head)
    for file in repository.tracked():
        is_root = file.parent == PurePosixPath(".")
        if file.name == LOCK and (is_root or {file, file.with_name("pyproject.toml")} & changed):
            say(f"locking {file.with_name('pyproject.toml')}")
            lock(root / file.parent)
    done += finish(root, begun.before)
    commit = repository.commit(f"Upgrade the template from {begun.before} to {begun.after}")
    _forget(repository)
    shutil.rmtree(root / _ENVIRONMENT, ignore_errors=True)
    plan = _plan(repository, begun)
    return UpgradeResult(plan, "upgraded", tuple(done), commit=commit, undo=begun.head, hints=_hints(begun))


def _refuse_to_go_on(repository: TemplateRepository, begun: InProgress, to: str | None, *, dry_run: bool) -> None:
    """Raise InputError if another upgrade is in progress, or if going on would commit other work."""
    if dry_run or to not in (None, begun.after):
        undo = "git stash --include-untracked" if begun.kind == "pins" else "git merge --abort"
        advice = f"Finish it with `mlops upgrade`, or give up with `{undo}`."
        raise InputError(f"an upgrade to {begun.after} is in progress", advice)
    is_merged = begun.kind != "pins" and repository.merging() is None
    if is_merged and not repository.is_pristine():
        advice = "Commit them, or `git stash --include-untracked`; then run again."
        raise InputError(f"the upgrade to {begun.after} is not finished, and there are uncommitted changes", advice)


def _go_on(repository: TemplateRepository, begun: InProgress, finish: Finish) -> UpgradeResult:
    """Continue an upgrade that conflicts or an interruption stopped."""
    say(f"going on with the upgrade to {begun.after}")
    if begun.kind == "pins":
        return _finish_pins(repository, begun, finish)
    return (
        _finish(repository, begun, [], finish) if repository.merging() is None else _settle(repository, begun, finish)
    )


def _in_progress(repository: TemplateRepository) -> InProgress | None:
    """The upgrade that is in progress; one that was aborted is forgotten."""
    file = repository.git_path(_IN_PROGRESS)
    if not file.is_file():
        return None
    try:
        begun = InProgress.model_validate_json(file.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ProjectError(
            f"{file} cannot be read", "Delete it, undo with `git reset --hard`, then run again."
        ) from error
    is_merging = repository.merging() == begun.target
    is_merged = bool(begun.target) and repository.is_ancestor(begun.target, "HEAD")
    is_pinning = begun.kind == "pins" and repository.head() == begun.head and not repository.is_pristine()
    if is_merging or is_merged or is_pinning:
        return begun
    _forget(repository)
    return None


def _record(repository: TemplateRepository, begun: InProgress) -> None:
    file = repository.git_path(_IN_PROGRESS)
    draft = file.with_suffix(".new")
    draft.write_text(begun.model_dump_json(), encoding="utf-8")
    draft.replace(file)


def _forget(repository: TemplateRepository) -> None:
    repository.git_path(_IN_PROGRESS).unlink(missing_ok=True)

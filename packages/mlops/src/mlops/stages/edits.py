"""The edits of the project's files when a stage is added or removed, as texts before and after. Writes nothing.

Adding copies the entries of the previous stage under the new name; removing deletes the entries under the name. What is
already there, or already gone, is left alone, so that both can be repeated after an interruption. The parts of CI files
that list stages are blocks between two comments and are generated from the list in project.yml.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from textwrap import indent
from typing import Any, Final

from mlops.core.documents import KeyPath, parse_yaml, read_text
from mlops.core.edits import Edit
from mlops.core.errors import ProjectError
from mlops.core.layout import INFRASTRUCTURE_FOLDER, PROJECT_FILE
from mlops.githost.hosts import HOSTS
from mlops.githost.interface import GitHost
from mlops.githost.protection import EXPECTATIONS_FILE, EnvironmentProtection
from mlops.settings.gates import GATES_FILE
from mlops.settings.monitoring import MONITOR_FILE
from mlops.settings.policies import POLICY_FILE, RETIREMENT_FILE, RETRAINING_FILE
from mlops.settings.project import parse_settings
from mlops.settings.releases import manifest_path, without_release
from mlops.settings.stages import StageName, StageOrder
from mlops.stages.yaml_text import CannotEdit, copy_entries, remove_entries

# A stage's infrastructure is deployed with its own login, named after the stage with this prefix.
INFRASTRUCTURE_PREFIX: Final = "infra-"
_STAGES: Final = "stages"
_RULES: Final = "rules"
# What `pulumi stack init` writes for each stack.
_SECRETS: Final = re.compile(r"^(?:secretsprovider|encryptedkey|encryptionsalt):[^\n]*\n", re.MULTILINE)
_ADDRESS_SPACE: Final = re.compile(r"(?P<key>address_space:\s*)10\.(?P<second>\d+)\.0\.0/16")
_FIRST_SPACE, _LAST_SPACE, _SPACE_STEP = 10, 250, 10


def stage_lists() -> tuple[tuple[str, str], ...]:
    """Section and key of every list in releases/protection.yml that has entries per stage."""
    return tuple(
        (host.key, name)
        for host in HOSTS
        for name, field in host.expectations().model_fields.items()
        if field.annotation == dict[str, EnvironmentProtection]
    )


def additions(root: Path, name: StageName, after: StageName) -> list[Edit]:
    """The edits that add a stage after another one, project.yml first. Raises ProjectError."""
    renamed = _renaming(after, name)
    note = f"as in {after}; adjust it"
    project = _text(root, PROJECT_FILE)
    changed = _edited(PROJECT_FILE, project, _copying([(_STAGES, after)], name, note, renamed))
    order = parse_settings(changed).order
    edits = [Edit(PurePosixPath(PROJECT_FILE), project, changed)]
    edits += _new_file(root, manifest_path(name), _unreleased(_text(root, manifest_path(after))))
    for file, paths in _entries(root, after):
        text = _text(root, file)
        edits.append(Edit(_posix(file), text, _edited(file, text, _copying(paths, name, note))))
    for file, text in _protection(root):
        edits.append(Edit(_posix(file), text, _protected(text, after, name, note)))
    like = _similar_stack(order, after, name)
    if (root / _stack(like)).is_file():
        edits += _new_file(root, _posix(_stack(name)), _stack_text(root, like, name))
    edits += [Edit(file, *texts) for file, texts in written_files(root, order).items()]
    return [edit for edit in edits if edit.before != edit.after]


def removals(root: Path, name: StageName) -> list[Edit]:
    """The edits that remove a stage, project.yml first. Raises ProjectError."""
    project = _text(root, PROJECT_FILE)
    changed = _edited(PROJECT_FILE, project, _removing([(_STAGES, name)]))
    order = parse_settings(changed).order
    edits = [Edit(PurePosixPath(PROJECT_FILE), project, changed)]
    own = (manifest_path(name), _posix(_stack(name)))
    edits += [Edit(file, _text(root, file), None) for file in own if (root / file).is_file()]
    is_retrained = (root / RETRAINING_FILE).is_file()
    listed: list[tuple[Path, list[KeyPath]]] = [(RETRAINING_FILE, [(_STAGES, name)])] if is_retrained else []
    for file, paths in [*_entries(root, name), *listed]:
        text = _text(root, file)
        edits.append(Edit(_posix(file), text, _edited(file, text, _removing(paths))))
    for file, text in _protection(root):
        paths: list[KeyPath] = [
            (*path, each) for path in stage_lists() for each in (name, f"{INFRASTRUCTURE_PREFIX}{name}")
        ]
        edits.append(Edit(_posix(file), text, _edited(file, text, _removing(paths))))
    edits += [Edit(file, *texts) for file, texts in written_files(root, order).items()]
    return [edit for edit in edits if edit.before != edit.after]


def _entries(root: Path, stage: StageName) -> Iterator[tuple[Path, list[KeyPath]]]:
    """The files with entries per stage, and the paths of a stage's entries in them."""
    for file in (GATES_FILE, MONITOR_FILE):
        if (root / file).is_file():
            rules = _mapping(parse_yaml(_text(root, file)).value).get(_RULES)
            per_stage = [index for index, rule in enumerate(rules or ()) if _mapping(rule).get(_STAGES)]
            yield file, [(_RULES, index, _STAGES, stage) for index in per_stage]
    for file in (RETIREMENT_FILE, POLICY_FILE):
        if (root / file).is_file():
            yield file, [(_STAGES, stage)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _edited(file: str | Path, text: str, edit: Callable[[str], str]) -> str:
    """A text after an edit. Raises ProjectError if it cannot be edited."""
    try:
        return edit(text)
    except CannotEdit as error:
        raise ProjectError(
            f"{_posix(file)} cannot be edited: {error}",
            "Nothing was changed. Change this file by hand, then run again.",
        ) from error


def _copying(
    paths: Sequence[KeyPath], name: str, note: str, rename: Callable[[str], str] | None = None
) -> Callable[[str], str]:
    return lambda text: copy_entries(text, paths, name, note, rename)


def _removing(paths: Sequence[KeyPath]) -> Callable[[str], str]:
    return lambda text: remove_entries(text, paths)


def _protected(text: str, after: StageName, name: StageName, note: str) -> str:
    for prefix in ("", INFRASTRUCTURE_PREFIX):
        paths: list[KeyPath] = [(*path, f"{prefix}{after}") for path in stage_lists()]
        text = _edited(EXPECTATIONS_FILE, text, _copying(paths, f"{prefix}{name}", note))
    return text


def _protection(root: Path) -> Iterator[tuple[Path, str]]:
    if (root / EXPECTATIONS_FILE).is_file():
        yield EXPECTATIONS_FILE, _text(root, EXPECTATIONS_FILE)


def _new_file(root: Path, path: PurePosixPath, text: str) -> list[Edit]:
    return [] if (root / path).exists() else [Edit(path, None, text)]


def _unreleased(manifest: str) -> str:
    return without_release(manifest).decode()


def _renaming(old: str, new: str) -> Callable[[str], str]:
    """Replaces one stage's name by another's, as a whole word or as a part of a hyphenated name."""
    word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])")
    return lambda text: word.sub(new, text)


def _similar_stack(order: StageOrder, after: StageName, name: StageName) -> StageName:
    """The stage whose stack a new one copies: never the training stage's, which is unlike the others."""
    return order.next_after(name) or after if after == order.training else after


def _stack_text(root: Path, like: StageName, name: StageName) -> str:
    """Another stage's stack file under a new name, without what is unique to that stage."""
    return _with_free_address_range(root, _SECRETS.sub("", _renaming(like, name)(_text(root, _stack(like)))))


def _with_free_address_range(root: Path, stack: str) -> str:
    """A stack's settings with the first address range that no other stack uses, if they name one."""
    others = [read_text(file) for file in (root / INFRASTRUCTURE_FOLDER).glob("Pulumi.*.yaml")]
    taken = {int(found["second"]) for text in others for found in _ADDRESS_SPACE.finditer(text)}
    free = next((each for each in range(_FIRST_SPACE, _LAST_SPACE, _SPACE_STEP) if each not in taken), None)
    return stack if free is None else _ADDRESS_SPACE.sub(rf"\g<key>10.{free}.0.0/16", stack)


def _stack(stage: StageName) -> Path:
    return INFRASTRUCTURE_FOLDER / f"Pulumi.{stage}.yaml"


def _posix(file: str | Path | PurePosixPath) -> PurePosixPath:
    return PurePosixPath(file if isinstance(file, str) else file.as_posix())


def _text(root: Path, file: str | Path | PurePosixPath) -> str:
    try:
        return read_text(root / file)
    except FileNotFoundError as error:
        raise ProjectError(f"{_posix(file)} does not exist", "Restore it from git, then run again.") from error


_BLOCK: Final = re.compile(
    r"^(?P<indent> *)# begin stages: (?P<kind>[^\n(]*?)(?P<note> \([^\n]*\))?\n(?P<body>(?:.*\n)*?) *# end stages$",
    re.MULTILINE,
)
_BEGIN: Final = re.compile(r"^ *# begin stages: ", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a CI file: the line of its first comment, its current text, and its expected text.

    `written` is None for an unknown kind, or a block without an end.
    """

    file: PurePosixPath
    line: int
    kind: str
    text: str
    written: str | None

    @property
    def is_current(self) -> bool:
        """Whether the block matches project.yml."""
        return self.text == self.written


def find_blocks(root: Path, order: StageOrder) -> Iterator[Block]:
    """Every block of the project's CI files, in file order."""
    for host, file, text in _texts(root):
        yield from _blocks(host, file, text, order)


def written_files(root: Path, order: StageOrder) -> dict[PurePosixPath, tuple[str, str]]:
    """Path → current and expected text of the CI files that do not match `order`."""
    found = {}
    for host, file, text in _texts(root):
        after = _BLOCK.sub(lambda block, host=host: _written(host, block, order) or block[0], text)
        if after != text:
            found[file] = (text, after)
    return found


def _texts(root: Path) -> Iterator[tuple[GitHost, PurePosixPath, str]]:
    for host in HOSTS:
        for path in sorted(path for pattern in host.ci_files for path in root.glob(pattern) if path.is_file()):
            yield host, PurePosixPath(path.relative_to(root).as_posix()), read_text(path)


def _blocks(host: GitHost, file: PurePosixPath, text: str, order: StageOrder) -> Iterator[Block]:
    ended = {block.start(): block for block in _BLOCK.finditer(text)}
    for begin in _BEGIN.finditer(text):
        line = text.count("\n", 0, begin.start()) + 1
        block = ended.get(begin.start())
        if block is None:
            yield Block(file, line, "", begin[0], None)
        else:
            yield Block(file, line, block["kind"], block[0], _written(host, block, order))


def _written(host: GitHost, block: re.Match[str], order: StageOrder) -> str | None:
    """The expected text of a block; None for a kind that the host does not have."""
    write = host.stage_blocks().get(block["kind"])
    if write is None:
        return None
    body = indent("".join(f"{line}\n" for line in write(order).splitlines()), block["indent"])
    first = f"{block['indent']}# begin stages: {block['kind']}{block['note'] or ''}\n"
    return f"{first}{body}{block['indent']}# end stages"

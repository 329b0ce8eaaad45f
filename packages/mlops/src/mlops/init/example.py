"""The examples: the template's own, which a project replaces, and those in examples/, which can be put in its place.

example.yml lists it. A pattern matches a name where it stands, so that a second `mlops init` finds the first one's
name by the same patterns.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

from pydantic import Field

from mlops.core.documents import Part, YamlFile, read_checked
from mlops.core.edits import Edit
from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository
from mlops.core.layout import MODELS_FOLDER, PROJECT_FILE, SAMPLE_GENERATOR, STATE_FOLDER
from mlops.githost.hosts import HOSTS, remote_of
from mlops.settings.policies import POLICY_FILE
from mlops.settings.project import Project, load_project, parse_settings
from mlops.settings.releases import manifest_path, without_release
from model_package.errors import SchemaError
from model_package.schema_file import read_schema_file

_FILE: Final = Path(__file__).with_name("example.yml")
# What init did, so that a later run, and `mlops check`, can tell its files from edited ones.
RECORD_FILE: Final = PurePosixPath(".init.yml")
_SHOWN: Final = 60
_EXAMPLES: Final = "examples"
_EXAMPLE_FILE: Final = "example.yml"
_ERROR_LINES: Final = 12
# What each model of a repository has of its own, and what of it only the first one has.
_OF_A_MODEL: Final = (
    "components/",
    "data/",
    "endpoints/",
    "environments/",
    "extensions/",
    "pipelines/",
    "project.yml",
    "releases/",
    "schema.yml",
    "tests/",
    RECORD_FILE.name,
)
_OF_THE_FIRST: Final = ("releases/provenance/", "tests/data/", "tests/supply/")
_WORKFLOW: Final = re.compile(r"(?<=/workflows/)(?=\w+\.yml@)")
# Folders within an example that git does not have.
_LEFT_BY_PROGRAMS: Final = {STATE_FOLDER.name, "__pycache__"}

Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Renaming(Part):
    """Patterns of the places in some files where the name or the owner stands."""

    files: Texts
    patterns: Texts


class Rewording(Part):
    """Lines of a file, or of all that a pattern such as `*.yaml` names, and what to write instead."""

    file: str
    pattern: str
    text: str


class Replacement(Part):
    """A whole file, known by its first line, and what to write instead."""

    file: str
    first_line: str
    text: str


class LeftOut(Part):
    """What a project has no use for that leaves out infra/, or online endpoints: files, and lines of others."""

    removed: Texts
    reworded: Annotated[tuple[Rewording, ...], Field(strict=False)]


class ExampleFile(YamlFile):
    """The content of example.yml."""

    name: str
    owner: str
    unknown_owner: str
    words: Texts
    not_searched: Texts
    removed: Texts
    renamed: Annotated[tuple[Renaming, ...], Field(strict=False)]
    reworded: Annotated[tuple[Rewording, ...], Field(strict=False)]
    replaced: Annotated[tuple[Replacement, ...], Field(strict=False)]
    ci: dict[str, list[str]]
    infrastructure: LeftOut
    online: LeftOut


@cache
def example() -> ExampleFile:
    """What belongs to the example."""
    return read_checked(_FILE, ExampleFile).value


@dataclass(frozen=True)
class Names:
    """The names that stand in the files, or are to stand there."""

    project: str
    owner: str

    @property
    def stem(self) -> str:
        """The project's name in a file's name."""
        return self.project.replace("-", "_")


def owner_of(root: Path) -> str:
    """The organisation that git's remote `origin` names; a word that stands for it otherwise."""
    remote = remote_of(root)
    return remote.owner if remote else example().unknown_owner


def renaming_edits(root: Path, old: Names, new: Names, more: Sequence[Rewording] = ()) -> list[Edit]:
    """The edits of every file that bears the old names or describes the example; `more` lines are changed as well."""
    texts: dict[Path, tuple[str, str]] = {}
    for each in example().renamed:
        for file in sorted(found for pattern in each.files for found in root.glob(pattern)):
            before, text = texts.get(file) or (file.read_text(encoding="utf-8"),) * 2
            texts[file] = (before, _renamed(text, each.patterns, old, new))
    for each in (*example().reworded, *more):
        for file in sorted(root.glob(each.file)):
            before, text = texts.get(file) or (file.read_text(encoding="utf-8"),) * 2
            instead = _filled(each.text, new)
            texts[file] = (before, re.sub(each.pattern, lambda _, new=instead: new, text, flags=re.MULTILINE))
    for each in example().replaced:
        file = root / each.file
        before = file.read_text(encoding="utf-8") if file.is_file() else None
        if before is not None and before.split("\n", 1)[0] in (each.first_line, f"# {old.project}", "# Data"):
            texts[file] = (before, _filled(each.text, new))
    edits = [Edit(_relative(root, file), *pair) for file, pair in texts.items() if pair[0] != pair[1]]
    return [*edits, *deletions(root, example().removed)]


def deletions(root: Path, patterns: Sequence[str]) -> list[Edit]:
    """The edits that delete files: by path, by glob, or all of a folder, whose name ends with /."""
    found = {
        file
        for pattern in patterns
        for file in root.glob(f"{pattern}**/*" if pattern.endswith("/") else pattern)
        if file.is_file() and "__pycache__" not in file.parts
    }
    return [
        Edit(_relative(root, file), file.read_text(encoding="utf-8", errors="surrogateescape"), None)
        for file in sorted(found)
    ]


def _renamed(text: str, patterns: Sequence[str], old: Names, new: Names) -> str:
    for pattern in patterns:
        filled = pattern.replace("{name}", re.escape(old.project)).replace("{owner}", re.escape(old.owner))
        text = re.sub(filled, partial(_replaced, pattern=pattern, old=old, new=new), text, flags=re.MULTILINE)
    return text


def _replaced(match: re.Match[str], pattern: str, old: Names, new: Names) -> str:
    """A match with the new names; what a pattern does not name stays."""
    text = match[0]
    if "{owner}" in pattern:
        text = text.replace(old.owner, new.owner)
    if "{name}" not in pattern:
        return text
    head, _, rest = text.rpartition(old.project)
    return f"{head}{new.project}{rest}"


def _filled(text: str, names: Names) -> str:
    return text.replace("{name}", names.project).replace("{stem}", names.stem).replace("{owner}", names.owner)


@dataclass(frozen=True)
class Leftover:
    """A line in which something of the example is left."""

    file: str
    line: int
    message: str
    advice: str


class InitRecord(YamlFile):
    """The content of .init.yml: the names that stand in the files, and the sha256 of the texts that init wrote.

    While files are being replaced, `written` has the digest before and after.
    """

    name: str
    owner: str
    written: dict[str, list[str]]


def read_record(root: Path) -> InitRecord | None:
    """What the last `mlops init` did; None before the first."""
    file = root / RECORD_FILE
    return read_checked(file, InitRecord).value if file.is_file() else None


def was_initialised(root: Path) -> bool:
    """Whether `mlops init` has put a project of its own in the example's place."""
    return (root / RECORD_FILE).is_file()


def find_leftovers(project: Project) -> Iterator[Leftover]:
    """Every line of the project's own files in which a word of the example is left, and files of the example."""
    root = project.root
    words = [each for each in example().words if each not in _own_words(project)]
    record = read_record(root)
    own = record.written if record else {}
    pattern = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(map(re.escape, words))})(?![A-Za-z0-9])")
    try:
        tracked = Repository(root).tracked()
    except MachineError:
        # Not a repository: there is no telling the project's files from others.
        return
    for path in tracked:
        file = root / path
        if not file.is_file() or f"{path}".startswith(example().not_searched):
            continue
        if str(path) in example().removed and str(path) not in own:
            yield Leftover(str(path), 1, "this file belongs to the template's example", "delete it, or run: mlops init")
            continue
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, start=1):
            if match := pattern.search(line):
                message = f"`{match[0]}` belongs to the template's example: {line.strip()[:_SHOWN]}"
                yield Leftover(str(path), number, message, "write your own, or run: mlops init")


def _own_words(project: Project) -> set[str]:
    """The words of the example that are the project's own as well."""
    try:
        schema = read_schema_file(project.path(Path("schema.yml")))
    except SchemaError:
        return set()
    return {*schema.columns, *schema.ignored}


def copy_model_folder(root: Path, model: PurePosixPath) -> Project:
    """Copy what a model has of its own into another folder of the repository: a start for a further model.

    Nothing is released there, and its tests run by themselves. Raises InputError where something is in the way.
    """
    target = root / model
    if len(model.parts) != len(MODELS_FOLDER.parts) + 1 or not model.is_relative_to(MODELS_FOLDER.as_posix()):
        raise InputError(f"{model} is not a folder for a further model", f"Give one such as {MODELS_FOLDER / 'price'}.")
    if target.exists():
        raise InputError(f"{model} exists", f"Nothing was changed. Run `mlops --project {model} init` to change it.")
    for path in Repository(root).tracked():
        if f"{path}".startswith(_OF_A_MODEL) and not f"{path}".startswith(_OF_THE_FIRST) and (root / path).is_file():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, target / path)
    for stage in parse_settings((target / PROJECT_FILE).read_text(encoding="utf-8")).order:
        manifest = target / manifest_path(stage)
        if manifest.is_file():
            manifest.write_bytes(without_release(manifest.read_text(encoding="utf-8")))
    policy = target / POLICY_FILE
    own = _WORKFLOW.sub(f"{model.name}-", policy.read_text(encoding="utf-8"))
    policy.write_text(own, encoding="utf-8")
    (target / "pytest.ini").write_text(_pytest_ini(root, len(model.parts)), encoding="utf-8")
    return load_project(target)


def add_owners(root: Path, model: PurePosixPath) -> None:
    """Have who owns the first model's files own those of a further one."""
    for owners in (root / host.owners_file for host in HOSTS if (root / host.owners_file).is_file()):
        text = owners.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith(tuple(f"/{each}" for each in _OF_A_MODEL))]
        owners.write_text(f"{text}# {model}\n" + "".join(f"/{model}{line}\n" for line in lines), encoding="utf-8")


def _pytest_ini(root: Path, depth: int) -> str:
    """The settings of pytest at the repository's top, for a folder below it."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    lines = ["# From pyproject.toml, for the tests of this model: `uv run pytest` in this folder.", "[pytest]"]
    for key, value in settings.items():
        if isinstance(value, list):
            up = "../" * depth
            entries = [f"{up}{each}" if str(each).startswith(".ci/") else str(each) for each in value]
            lines += [f"{key} =", *(f"    {each}" for each in entries)]
        else:
            lines.append(f"{key} = {str(value).lower() if isinstance(value, bool) else value}")
    return "\n".join(lines) + "\n"


def _relative(root: Path, file: Path) -> PurePosixPath:
    return PurePosixPath(file.relative_to(root).as_posix())


class Example(YamlFile):
    """The content of examples/NAME/example.yml.

    `generator` is a script beside it that writes the table to `--out FILE`; `target` to `slices` are options of
    `mlops init`. Files below examples/NAME/project/ replace the project's, or those that init would make; `removed`
    names what they have no use for, and `reworded` the lines that differ in files which stay the template's.
    """

    title: str
    description: str
    generator: str
    target: str
    task: str | None = None
    id: str | None = None
    time: str | None = None
    slices: Texts = ()
    removed: Texts = ()
    reworded: Annotated[tuple[Rewording, ...], Field(strict=False)] = ()


def examples_of(project: Project) -> dict[str, Example]:
    """Every example in examples/, by name. Raises ProjectError for one that is wrong."""
    files = sorted(project.root.glob(f"{_EXAMPLES}/*/{_EXAMPLE_FILE}"))
    return {file.parent.name: read_checked(file, Example).value for file in files}


def example_table(project: Project, name: str, folder: Path) -> Path:
    """Generate an example's table below a folder. Raises MachineError if its generator fails."""
    file, chosen = folder / f"{name}.csv", examples_of(project)[name]
    generator = project.root / _EXAMPLES / name / chosen.generator
    words = [sys.executable, str(generator), "--out", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode or not file.is_file():
        details = tuple(done.stderr.splitlines()[-_ERROR_LINES:])
        raise MachineError(f"{generator} did not write a table", "Correct the generator, and run again.", details)
    return file


def example_files(project: Project, name: str) -> dict[str, str]:
    """The texts that an example brings: the files of its project/, and its generator as that of the sample."""
    chosen = examples_of(project)[name]
    folder = project.root / _EXAMPLES / name
    found = sorted((folder / "project").rglob("*"))
    files = [file for file in found if file.is_file() and not _LEFT_BY_PROGRAMS.intersection(file.parts)]
    texts = {file.relative_to(folder / "project").as_posix(): file.read_text(encoding="utf-8") for file in files}
    return {SAMPLE_GENERATOR.as_posix(): (folder / chosen.generator).read_text(encoding="utf-8"), **texts}

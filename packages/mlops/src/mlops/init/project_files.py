"""Writes the files that follow from a table, and takes the template's example out of a project, or nothing at all."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Final

from ruamel.yaml import YAML

from mlops.core.documents import read_yaml
from mlops.core.edits import Edit, remove_drafts, require_committed, write
from mlops.core.errors import InputError, MachineError
from mlops.core.git import Repository
from mlops.core.layout import PROJECT_FILE, SAMPLE_REQUEST, SCHEMA_FILE
from mlops.init.baseline import Baseline, quick_baseline
from mlops.init.columns import Column, infer
from mlops.init.example import (
    RECORD_FILE,
    InitRecord,
    Names,
    Rewording,
    deletions,
    example,
    example_files,
    examples_of,
    owner_of,
    read_record,
    renaming_edits,
)
from mlops.init.proposal import Proposal, data_asset, propose, sample_request, schema_text
from mlops.init.reading import ascii_name, read_table
from mlops.init.result import InitResult
from mlops.init.rules import gates_text, is_better_than_trivial, monitor_text, slices_text
from mlops.settings.gates import GATES_FILE
from mlops.settings.monitoring import MONITOR_FILE
from mlops.settings.project import BATCH, Project, parse_settings, read_project_schema
from model_package.tasks import TASKS, base_task

_DATA: Final = PurePosixPath("data")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,24}[a-z0-9]")
_SHORTEST_NAME, _LONGEST_NAME = 3, 26
# Of a batch endpoint: NAME-STAGE-files.
_LONGEST_ENDPOINT: Final = 32
_ENDPOINT_SUFFIX: Final = "-files"
# A feature this likely to have one value in a whole window of requests does not make an alarm.
_LIKELY_CONSTANT: Final = 0.001


_SLICE_RULE: Final = re.compile(r"^  - measure: \w+\.(?P<slice>[\w-]+)\n(?:    .*\n?)*", re.MULTILINE)
_SLICES: Final = re.compile(r"^slices: \[[^\]\n]*\]", re.MULTILINE)


@dataclass(frozen=True)
class InitOptions:
    """What the command's options say: which columns are what, the names, and which parts to leave out.

    An example brings the last three: `files` maps paths to texts instead of the project's, or of those made here.
    """

    target: str
    task: str | None = None
    identifier: str | None = None
    time: str | None = None
    name: str | None = None
    owner: str | None = None
    slices: tuple[str, ...] = ()
    ci: str | None = None
    without_infrastructure: bool = False
    is_batch_only: bool = False
    keeps_rules: bool = False
    is_dry_run: bool = False
    is_forced: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    reworded: tuple[Rewording, ...] = ()


def init_project(project: Project, data: Path, options: InitOptions) -> InitResult:
    """Look at a table, and write what follows from it; a dry run writes nothing.

    Every text exists before the first file is written, and each file is replaced in one step. Run again after an
    interruption, it writes what is still missing. Raises InputError for a table that cannot be used, or if something
    would be lost that git does not have; `is_forced` overwrites it.
    """
    root = project.root
    if all(stage.serving == BATCH for stage in project.settings.stages):
        options = replace(options, is_batch_only=True)
    name = _name(project, data, options.name)
    source = read_table(data)
    proposal = propose(source, infer(source), options.target, options.task, options.identifier, options.time)
    before = base_task(read_project_schema(root)) if options.keeps_rules else proposal.target.task
    record = read_record(root)
    # An interrupted run has left the example's owner in the record.
    known = record.owner if record and record.owner != example().owner else owner_of(root)
    new = Names(name, options.owner or known)
    texts, sentences = _texts(project, proposal, name, options)
    generated = [Edit(path, _text(root / path), text) for path, text in texts.items()]
    edits = [*generated, *_around(project, record, new, generated, options)]
    edits = sorted((each for each in edits if each.before != each.after), key=_place)
    if new.owner == example().unknown_owner:
        sentences.append(
            f"the repository's owner is unknown: replace {new.owner} in infra/ and CODEOWNERS, or give --owner"
        )
    if before != proposal.target.task:
        sentences.append(
            f"the rules in releases/ are those of a {before}, whose metrics a {proposal.target.task} does not have: "
            "run it again without --keep-rules, or write rules of your own"
        )
    if options.is_dry_run:
        return InitResult(name, proposal, tuple(edits), is_written=False, sentences=tuple(sentences))
    _require_nothing_lost(root, data, edits, record, {each.path for each in generated}, is_forced=options.is_forced)
    _write(root, edits, record, new)
    return InitResult(name, proposal, tuple(edits), is_written=True, sentences=tuple(sentences))


def example_options(project: Project, name: str, options: InitOptions) -> InitOptions:
    """The options that put an example at the root; those given in the command go first."""
    chosen = examples_of(project)[name]
    return replace(
        options,
        target=chosen.target,
        task=options.task or chosen.task,
        identifier=options.identifier or chosen.id,
        time=options.time or chosen.time,
        name=options.name or name,
        slices=options.slices or chosen.slices,
        files=example_files(project, name),
        removed=chosen.removed,
        reworded=chosen.reworded,
    )


def _place(edit: Edit) -> bool:
    """project.yml last: the files that it names exist by then."""
    return str(edit.path) == PROJECT_FILE


def _name(project: Project, data: Path, name: str | None) -> str:
    """The project's new name: the given one, or one made from the file's."""
    longest = _LONGEST_ENDPOINT - len(_ENDPOINT_SUFFIX) - 1 - max(len(stage) for stage in project.order)
    longest = min(_LONGEST_NAME, longest)
    found = name
    if not found:
        found = ascii_name(data.stem, "-")
        if len(found) < _SHORTEST_NAME or not found[0].isalpha():
            found = f"model-{found}"
        found = found[:longest].strip("-")
    if not _NAME.fullmatch(found) or len(found) > longest:
        raise InputError(
            f"{found!r} cannot be the project's name",
            f"Give --name: 3 to {longest} lower-case letters, digits and hyphens, starting with a letter. "
            f"Azure allows {_LONGEST_ENDPOINT} characters for an endpoint such as NAME-STAGE{_ENDPOINT_SUFFIX}.",
        )
    return found


def _texts(
    project: Project, proposal: Proposal, name: str, options: InitOptions
) -> tuple[dict[PurePosixPath, str], list[str]]:
    """The texts that follow from the table, and what there is to say about them."""
    root, stem = project.root, name.replace("-", "_")
    given = {PurePosixPath(path): text for path, text in options.files.items()}
    schema = given.get(PurePosixPath(SCHEMA_FILE)) or schema_text(proposal) + slices_text(proposal, options.slices)
    texts = {
        _DATA / f"{stem}.csv": proposal.csv,
        _DATA / f"{stem}.yml": data_asset(proposal, name, f"{stem}.csv"),
        **({} if options.is_batch_only else {PurePosixPath(SAMPLE_REQUEST): sample_request(proposal)}),
        PurePosixPath(SCHEMA_FILE): schema,
        **given,
    }
    files = [root / GATES_FILE, *([] if options.is_batch_only else [root / MONITOR_FILE])]
    if options.keeps_rules:
        # A rule by a slice that the table does not have would be an error, and measure nothing.
        for file in (file for file in files if file.is_file()):
            kept = _rules_of_slices(file.read_text(encoding="utf-8"), options.slices)
            texts[PurePosixPath(file.relative_to(root).as_posix())] = kept
        return texts, []
    if PurePosixPath(GATES_FILE) in given or not all(file.is_file() for file in files):
        return texts, []
    baseline = quick_baseline(root, schema, proposal.csv)
    names = [each.name for each in baseline.schema.slices]
    gates = files[0].read_text(encoding="utf-8")
    texts[PurePosixPath(GATES_FILE)] = gates_text(gates, baseline, project.order, names)
    if options.is_batch_only:
        return texts, _said(baseline)
    monitor = files[1].read_text(encoding="utf-8")
    constants = sum(_may_be_constant(column, len(proposal.target.column.values)) for column in proposal.features)
    texts[PurePosixPath(MONITOR_FILE)] = monitor_text(monitor, baseline, names, constants)
    return texts, _said(baseline)


def _rules_of_slices(text: str, slices: Sequence[str]) -> str:
    """The rules without those by slices that are not among these."""
    kept = _SLICE_RULE.sub(lambda rule: rule[0] if rule["slice"] in slices else "", text)
    return _SLICES.sub(f"slices: [{', '.join(slices)}]", kept, count=1)


def _may_be_constant(column: Column, rows: int) -> bool:
    present = column.values.drop_nulls()
    if not len(present):
        return True
    return bool((present.unique_counts().max() / rows) ** 500 > _LIKELY_CONSTANT)  # ty: ignore[unsupported-operator]


def _said(baseline: Baseline) -> list[str]:
    task = TASKS[baseline.schema.task]
    main = next(each for each in task.metrics if each.name == task.main_metric)
    found, trivial = baseline.found.estimate(main.name), baseline.trivial.get(main.name)
    if found.value is None:
        return [f"baseline: the {baseline.found.rows} held-out rows do not define {main.title}; its rule is left out"]
    said = f"baseline on {baseline.rows:,} rows: {main.title} {found.value:.3g}"
    if found.low is not None and found.high is not None:
        said += f" ({found.low:.3g} to {found.high:.3g})"
    said += f", a trivial model {trivial:.3g}" if trivial is not None else ""
    lines = [f"{said}; the bounds in releases/ lie between them ({baseline.seconds:.0f} s)"]
    if not is_better_than_trivial(baseline):
        lines.append(
            "the baseline is no better than a trivial model: the gates block little until the columns say more about "
            f"{baseline.schema.target}"
        )
    return lines


def _around(
    project: Project, record: InitRecord | None, new: Names, generated: Sequence[Edit], options: InitOptions
) -> Iterator[Edit]:
    """The edits of the files that follow from the names and options, without those that the table gives."""
    root, taken = project.root, {each.path for each in generated}
    old = Names(record.name, record.owner) if record else Names(example().name, example().owner)
    left_out = [example().infrastructure] if options.without_infrastructure else []
    left_out += [example().online] if options.is_batch_only else []
    parts = [*options.removed, *(path for each in left_out for path in each.removed)]
    parts += [each for name, paths in example().ci.items() if options.ci and name != options.ci for each in paths]
    removed = {each.path: each for each in deletions(root, parts)}
    yield from removed.values()
    more = [*options.reworded, *(each for part in left_out for each in part.reworded)]
    for edit in renaming_edits(root, old, new, more):
        if edit.path in taken or edit.path in removed:
            continue
        is_project = str(edit.path) == PROJECT_FILE and edit.after is not None
        yield Edit(edit.path, edit.before, _named(edit.after or "", new.project)) if is_project else edit
    for path in [PurePosixPath(each) for each in (record.written if record else {})]:
        # The rows stay: git has no copy of them, and those of the source may be gone.
        is_asset = path.parent == _DATA and path.stem == old.stem and old.stem != new.stem and path.suffix != ".csv"
        if is_asset and path not in taken and (text := _text(root / path)) is not None:
            yield Edit(path, text, None)


def _named(text: str, name: str) -> str:
    """project.yml with another name for project, model and data, whatever they were; every other byte stays."""
    changed = re.sub(r"^(name|model|data):[ \t]*[^\s#]+", rf"\1: {name}", text, flags=re.MULTILINE)
    parse_settings(changed)
    return changed


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else None


def _digest(text: str | None) -> str:
    return "" if text is None else hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _write(root: Path, edits: Sequence[Edit], record: InitRecord | None, new: Names) -> None:
    """Write the edits; the record first says what may be found if this is interrupted."""
    before = dict(record.written) if record else {}
    if not edits and record:
        return
    remove_drafts(root, [RECORD_FILE, *(each.path for each in edits)])
    between = before | {str(each.path): [_digest(each.before), _digest(each.after)] for each in edits}
    old = Names(record.name, record.owner) if record else Names(example().name, example().owner)
    _write_record(root, old, between)
    for edit in edits:
        write(root, edit)
        folder = (root / edit.path).parent
        while edit.after is None and folder != root and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
    after = {path: _found(root, path, digests) for path, digests in between.items()}
    _write_record(root, new, {path: digests for path, digests in after.items() if digests != [_digest(None)]})


def _found(root: Path, path: str, digests: Sequence[str]) -> list[str]:
    """The digest of a file's text, if it is one of those that were written; else all of them."""
    found = _digest(_text(root / path))
    return [found] if found in digests else list(digests)


def _write_record(root: Path, names: Names, written: Mapping[str, Iterable[str]]) -> None:
    yaml, stream = YAML(), io.StringIO()
    yaml.width = 200
    entries = {path: list(digests) for path, digests in sorted(written.items())}
    yaml.dump({"format": 1, "name": names.project, "owner": names.owner, "written": entries}, stream)
    note = "# What `mlops init` wrote, by which it knows its files from those that were edited since. Commit it.\n"
    write(root, Edit(RECORD_FILE, None, note + stream.getvalue()))


def _require_nothing_lost(
    root: Path,
    data: Path,
    edits: Sequence[Edit],
    record: InitRecord | None,
    generated: set[PurePosixPath],
    *,
    is_forced: bool,
) -> None:
    for edit in edits:
        file = root / edit.path
        if edit.path.suffix == ".csv" and file.exists() and file.resolve() == data.resolve():
            raise InputError(
                f"{edit.path} is the file to read, and would be replaced by its converted form",
                "Give another --name, or move the file out of data/.",
            )
    if is_forced:
        return
    written = record.written if record else {}
    unknown = [
        each
        for each in edits
        if each.before is not None and _digest(each.before) not in written.get(str(each.path), ())
    ]
    edited = [each for each in unknown if each.path in generated and str(each.path) in written]
    if edited:
        raise InputError(
            f"edited since the last `mlops init`: {', '.join(str(each.path) for each in edited)}",
            "Nothing was changed. Overwrite such edits with --force, or see the difference with --dry-run.",
        )
    for edit in unknown:
        if edit.path.suffix == ".csv" and not _is_own(root, edit):
            raise InputError(
                f"{edit.path} exists, and `mlops init` did not write it",
                "Nothing was changed. Move it away, give another --name, or overwrite it with --force.",
            )
    tracked = [edit for edit in unknown if edit.path.suffix != ".csv"]
    try:
        Repository(root).head()
    except MachineError as error:
        if tracked:
            raise InputError(
                f"git has no copy of {', '.join(str(edit.path) for edit in tracked)}, which would be overwritten",
                "Nothing was changed. Commit the project first, or overwrite them with --force.",
            ) from error
    require_committed(root, tracked, "overwrite them with --force, or preview with --dry-run")


def _is_own(root: Path, edit: Edit) -> bool:
    """Whether the data asset beside a CSV has its checksum."""
    asset = root / edit.path.with_suffix(".yml")
    document = read_yaml(asset).value if asset.is_file() else None
    tags = document.get("tags") if isinstance(document, dict) else None
    found = hashlib.sha256((root / edit.path).read_bytes()).hexdigest()
    return isinstance(tags, dict) and tags.get("sha256") == found

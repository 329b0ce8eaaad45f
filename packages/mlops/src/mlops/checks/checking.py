"""Runs every check on a project, and fixes what can be fixed without a decision."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mlops.checks import assets, copies, fingerprints, pins
from mlops.checks.pipelines.component import PIPELINE, SPARK, check_component
from mlops.checks.pipelines.pipeline import check_pipeline
from mlops.checks.pipelines.spark import check_spark
from mlops.checks.project import Project, versioned
from mlops.checks.protection import check_owners
from mlops.checks.stages import check_apart, check_releases, check_sample_request, check_stages, fix_stages
from mlops.checks.yaml.document import MLOPS, Document, Node, Problem
from mlops.core.documents import read_text
from mlops.core.layout import EXTENSION_FOLDER, PIPELINE_FILE, PROJECT_FILE
from mlops.core.results import Block, Line, Result, SourceLocation
from mlops.settings import gates, monitoring
from mlops.settings.project import Level, load_project
from mlops.settings.rules import ExtensionLimits
from model_package.errors import ExtensionError
from model_package.tasks import known_tasks


@dataclass(frozen=True)
class CheckResult(Result):
    """What is wrong with a project, and what was fixed."""

    root: Path
    problems: tuple[Problem, ...]
    fixed: tuple[str, ...]

    @property
    def locations(self) -> Sequence[SourceLocation]:
        """Every problem at its line, without warnings."""
        found = ((each, f"{each.message}; {each.advice}") for each in self.problems if each.level == "error")
        return [SourceLocation(self.root / each.file, each.line, text) for each, text in found]

    @property
    def exit_code(self) -> int:
        """1 if anything is wrong; a warning is not."""
        return 1 if any(each.level == "error" for each in self.problems) else 0

    def document(self) -> dict[str, Any]:
        """Problems and fixes."""
        problems = [asdict(problem) | {"file": str(problem.file)} for problem in self.problems]
        return {"problems": problems, "fixed": list(self.fixed)}

    def blocks(self) -> Sequence[Block]:
        """One line per problem or fix."""
        lines = [Line(f"fixed: {sentence}", "good") for sentence in self.fixed]
        for problem in self.problems:
            place = f"{problem.file}:{problem.line}" if problem.line else str(problem.file)
            level = "warning: " if problem.level == "warning" else ""
            lines.append(Line(f"{place}: {level}{problem.message} → {problem.advice} [{_whose(problem.rule)}]"))
        count = sum(problem.level == "error" for problem in self.problems)
        warnings = len(self.problems) - count
        also = f", {warnings} {'warning' if warnings == 1 else 'warnings'}" if warnings else ""
        if count:
            lines.append(Line(("1 problem" if count == 1 else f"{count} problems") + also, "bad"))
        else:
            lines.append(Line(f"all checks passed{also}", "good"))
        return lines


def _whose(rule: str) -> str:
    """Who asks for it: only house rules can be switched off, under `checks` in project.yml."""
    return {"azure": "Azure", "mlops": "mlops"}.get(rule, f"house rule {rule}")


# How strict a house rule is that project.yml says nothing about.
LEVELS: Final[dict[str, Level]] = {"plain-value": "warning", "repeated-key": "warning"}


def check_project(root: Path) -> list[Problem]:
    """Return every problem in the project below `root`, sorted by file and line. Changes nothing.

    House rules are as strict as `checks` in project.yml says: those that are off are left out.
    """
    project = Project(root)
    own = [replace(each, rule=MLOPS) for each in _extension_problems(root)]
    if own:
        # The columns and the rules name what it adds: they would all be wrong.
        return own
    found = [*_content_problems(project), *project.changes]
    found += [replace(each, rule="pins") for each in _pin_problems(project)]
    found += [replace(each, rule="recorded-version") for each in _version_problems(project)]
    found += pins.check_licences(project.root, [document for document, _ in project.conda_files()])
    own = [*copies.check_copies(project.root), *copies.check_workflows(project.root), *_settings_problems(project.root)]
    found += [replace(each, rule=MLOPS) for each in own]
    judged = _judged(project.root, {*found, *project.unreadable})
    judged += [each for folder in copies.model_folders(root) for each in _model_problems(root, folder)]
    return sorted(judged)


def _judged(root: Path, problems: Iterable[Problem]) -> list[Problem]:
    own = load_project(root).settings.checks if (root / PROJECT_FILE).is_file() else {}
    levels = {**LEVELS, **own}
    judged = [replace(each, level=levels.get(each.rule, "error")) for each in problems]
    return [each for each in judged if each.level != "off"]


def _model_problems(root: Path, folder: PurePosixPath) -> Iterator[Problem]:
    """Yield what is wrong with a further model of the repository, and what it must not share with the others."""
    for each in check_project(root / folder):
        yield replace(each, file=f"{folder}/{each.file}")
    others = [root, *(root / each for each in copies.model_folders(root) if each != folder)]
    for other in (each for each in others if (each / PROJECT_FILE).is_file()):
        name = other.relative_to(root).as_posix() if other != root else "the repository's first model"
        for message in check_apart(load_project(root / folder), load_project(other), name):
            advice = "choose another name; the stages are the same for all"
            yield Problem(f"{folder}/{PROJECT_FILE}", 1, message, advice, MLOPS)
        versions = _recorded(Project(other), "environments")
        for environment, mine in _recorded(Project(root / folder), "environments").items():
            for version in (
                each for each, digest in mine.items() if versions.get(environment, {}).get(each, digest) != digest
            ):
                message = f"`{environment}` {version} has other content than in {name}"
                file = f"{folder}/environments/{fingerprints.LOCK_NAME}"
                yield Problem(file, 1, message, "give this model's environment a name of its own", MLOPS)


def fix_project(root: Path) -> list[str]:
    """Fix what can be fixed without a decision, and return what was changed.

    Writes the stages of project.yml into CI files, the copies of model_package and the pins of conda files from
    uv.lock, and records new versions, unless their file has other problems. A recorded version
    is never changed.
    """
    return [
        *fix_stages(root),
        *copies.write_copies(root),
        *_refresh_pins(Project(root)),
        *_record_versions(Project(root)),
        *copies.write_workflows(root),
        *(f"{folder}: {each}" for folder in copies.model_folders(root) for each in fix_project(root / folder)),
    ]


def raise_versions(root: Path) -> list[str]:
    """Raise the version of whatever changed without a new one, record it, and return what was done.

    For an upgrade, which changes the copies of model_package and the pins below components that a fork has made.
    An environment's version is part of its components' content: environments come first.
    """
    done = []
    for folder in ("environments", "components"):
        project = Project(root)
        recorded = _recorded(project, folder)
        done += list(fingerprints.raise_changed(dict(versioned(project))[folder], recorded))
        done += list(_follow_environments(Project(root)))
    return [*done, *_record_versions(Project(root))]


def _content_problems(project: Project) -> Iterator[Problem]:
    if not (project.root / PIPELINE_FILE).is_file():
        message, advice = "there is no training pipeline", "restore it, or write one: `mlops train` runs this file"
        yield Problem(PIPELINE_FILE.as_posix(), 1, message, advice, MLOPS)
    for pipeline in project.pipelines:
        yield from check_pipeline(pipeline, is_job=True)
    for component in project.components:
        yield from check_component(component)
        if component.kind == SPARK:
            yield from check_spark(component)
        if component.kind == PIPELINE:
            yield from check_pipeline(project.graph_of(component), is_job=False)
    for document in project.environments:
        yield from assets.check_environment(document)
    for document in project.data:
        yield from assets.check_data(document)
    for document in project.serving:
        yield from assets.check_serving(document, project.document)
        yield from assets.check_batch(document)
    yield from _environment_reference_problems(project)


def _settings_problems(root: Path) -> Iterator[Problem]:
    """Yield what is wrong in project.yml and releases/; nothing for a folder without project.yml."""
    if (root / PROJECT_FILE).is_file():
        project = load_project(root)
        yield from check_releases(project)
        yield from check_stages(project)
        yield from check_sample_request(project)
        yield from check_owners(project)


def _extension_problems(root: Path) -> Iterator[Problem]:
    """Yield why extensions/ cannot be loaded, or adds a name that is built in."""
    if not (root / EXTENSION_FOLDER).is_dir():
        return
    ExtensionLimits().use(root / EXTENSION_FOLDER)
    try:
        for task in known_tasks().values():
            gates.catalogue_of(task)
            monitoring.catalogue_of(task)
    except ExtensionError as error:
        yield Problem((EXTENSION_FOLDER / error.file).as_posix(), 1, error.reason, "docs/customise.md has examples")


def _environment_reference_problems(project: Project) -> Iterator[Problem]:
    for document, node, wrong, right in _wrong_references(project):
        name, _, version = right.rpartition(":")
        message = f"the environment `{name}` has version {version}, not {wrong.rpartition(':')[2]}"
        yield document.problem(node, message, f"write azureml:{right}")


def _follow_environments(project: Project) -> Iterator[str]:
    """Correct references by name to environments of this project; yield what was done."""
    for document, node, wrong, right in list(_wrong_references(project)):
        lines = read_text(document.path).splitlines(keepends=True)
        number = document.line_of(node, wrong) - 1
        lines[number] = lines[number].replace(wrong, right, 1)
        document.path.write_text("".join(lines), encoding="utf-8")
        yield f"{document.file}: azureml:{right}"


def _wrong_references(project: Project) -> Iterator[tuple[Document, Node, str, str]]:
    """Yield references to an environment of this project with the wrong version: `name:version`, and what is right."""
    own = dict(versioned(project))["environments"]
    versions = {each.name: each.version for each in own}
    named = [(each.document, each.environment) for each in project.components]
    named += [(each, each.root.get("environment")) for each in project.serving]
    steps = ((each.document, step.node) for each in project.pipelines for step in each.steps.values())
    named += [(document, node.get("environment")) for document, node in steps]
    for document, node in named:
        name, _, version = (node.text if node and node.text else "").removeprefix("azureml:").partition(":")
        if node and version and version != versions.get(name, version):
            yield document, node, f"{name}:{version}", f"{name}:{versions[name]}"


def _pin_problems(project: Project) -> Iterator[Problem]:
    lock = project.pins()
    for document, own in project.conda_files():
        if lock is None:
            yield document.problem(1, "there is no uv.lock to compare the pins with", "run: uv lock")
        else:
            yield from pins.check_pins(document, lock, own)


def _refresh_pins(project: Project) -> Iterator[str]:
    lock = project.pins()
    for document, _ in project.conda_files() if lock else ():
        if lock and (text := pins.refreshed(document, lock)):
            document.path.write_text(text, encoding="utf-8")
            yield f"{document.file}: versions taken from uv.lock"


def _version_problems(project: Project) -> Iterator[Problem]:
    for folder, items in versioned(project):
        yield from fingerprints.check_versions(items, _recorded(project, folder))
        yield from fingerprints.check_unique(items)


def _record_versions(project: Project) -> Iterator[str]:
    pinned = [replace(each, rule="pins") for each in _pin_problems(project)]
    problems = _judged(project.root, [*_content_problems(project), *pinned])
    spoiled = {problem.file for problem in problems if problem.level == "error"}
    for folder, items in versioned(project):
        sound = [item for item in items if item.document.file not in spoiled]
        versions, added = fingerprints.with_new(sound, _recorded(project, folder))
        if added:
            path = project.root / folder / fingerprints.LOCK_NAME
            path.write_text(fingerprints.lock_text(versions), encoding="utf-8")
        yield from (f"{folder}/{fingerprints.LOCK_NAME}: {each}" for each in added)


def _recorded(project: Project, folder: str) -> fingerprints.Versions:
    return fingerprints.recorded_versions(project.document(project.root / folder / fingerprints.LOCK_NAME))

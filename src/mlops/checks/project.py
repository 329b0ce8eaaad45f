"""The project's files, and every check over all of them: only this searches for files and writes them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mlops.checks import assets, fingerprints, pins
from mlops.checks.component import (
    PIPELINE,
    Component,
    check_command,
    check_component,
    read_component,
)
from mlops.checks.document import Document, DocumentError, Node, read_document
from mlops.checks.fingerprints import LOCK_NAME, Versioned
from mlops.checks.pipeline import check_pipeline
from mlops.checks.problem import Problem
from mlops.checks.references import is_registered, is_remote, local_path
from mlops.checks.steps import CHECKED_KINDS, Pipeline, Step, read_pipeline

COMPONENT_FILE: Final = "component.yml"
CONDA_ADVICE: Final = "run: uv lock"


class Project:
    """Reads each file once. `unreadable` collects the problems of files that are no YAML."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.unreadable: list[Problem] = []
        self._documents: dict[Path, Document | None] = {}
        self._components: dict[Path, Component] = {}
        self.pipelines = [
            read_pipeline(document, document.root, self.resolve)
            for document in self._all("pipelines/*.yml")
            if document.root.get("jobs") or _text(document.root.get("type")) == PIPELINE
        ]
        for document in self._all(f"components/*/{COMPONENT_FILE}"):
            self._component_in(document.path)
        self.environments = [each for each in self._all("environments/*.yml") if _is_environment(each)]
        self.serving = self._all("endpoints/**/*.yml")
        self.data = self._all("data/*.yml")

    @property
    def components(self) -> list[Component]:
        """The components in components/ and those that pipelines reach elsewhere, nested ones included."""
        return list(self._components.values())

    def resolve(self, document: Document, reference: Node) -> Component | None:
        """Return the component that a step names, if it is written in this project."""
        if reference.entries:
            return read_component(document, reference)
        path = local_path(reference.text, document.path.parent) if reference.text else None
        return self._component_in(path) if path and path.is_file() else None

    def document(self, path: Path) -> Document | None:
        """Read a file; None when it is missing or no YAML."""
        if path not in self._documents:
            self._documents[path] = self._read(path) if path.is_file() else None
        return self._documents[path]

    def graph_of(self, component: Component) -> Pipeline:
        """Return the graph of a pipeline component."""
        return read_pipeline(component.document, component.node, self.resolve)

    def _all(self, pattern: str) -> list[Document]:
        found = (self.document(path) for path in sorted(self.root.glob(pattern)) if path.name != LOCK_NAME)
        return [document for document in found if document]

    def _component_in(self, path: Path) -> Component | None:
        document = self.document(path)
        if document is None:
            return None
        if path not in self._components:
            self._components[path] = component = read_component(document, document.root)
            if component.kind == PIPELINE:
                self.graph_of(component)
        return self._components[path]

    def _read(self, path: Path) -> Document | None:
        try:
            return read_document(path, self.root)
        except DocumentError as error:
            file = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)
            self.unreadable.append(Problem(file, error.line, error.message, "correct the YAML"))
            return None


def check_project(root: Path) -> list[Problem]:
    """Return every problem in the project below `root`, sorted by file and line. Changes nothing."""
    project = Project(root)
    found = [*_content_problems(project), *_pin_problems(project), *_version_problems(project)]
    return sorted({*found, *project.unreadable})


def fix_project(root: Path) -> list[str]:
    """Do what can be done without a decision, and return what was changed.

    Writes the pins of conda files from uv.lock, and records versions that are not recorded yet, unless their file
    has other problems. A recorded version is never changed.
    """
    return [*_refresh_pins(Project(root)), *_record_versions(Project(root))]


def _content_problems(project: Project) -> Iterator[Problem]:
    for pipeline in project.pipelines:
        yield from check_pipeline(pipeline, is_job=True)
        yield from _step_problems(project, pipeline)
    for component in project.components:
        yield from check_component(component)
        if component.kind == PIPELINE:
            graph = project.graph_of(component)
            yield from check_pipeline(graph, is_job=False)
            yield from _step_problems(project, graph)
    for document in project.environments:
        yield from assets.check_environment(document)
    for document in project.data:
        yield from assets.check_data(document)
    for document in project.serving:
        yield from assets.check_serving(document)
    yield from _environment_reference_problems(project)


def _step_problems(project: Project, pipeline: Pipeline) -> Iterator[Problem]:
    """Yield problems of what steps run: references to components, and commands written in the pipeline."""
    for step in pipeline.steps.values():
        if step.is_inline and step.component:
            yield from check_command(step.component)
        elif step.kind in CHECKED_KINDS:
            yield from _component_reference_problems(pipeline.document, step)


def _component_reference_problems(document: Document, step: Step) -> Iterator[Problem]:
    reference = step.node.get("component") or step.node.get("trial")
    if reference is None or not reference.text or step.component is not None:
        return
    if is_remote(reference.text):
        if not is_registered(reference.text):
            advice = "write azureml:<name>:<version>, azureml:<name>@latest or azureml://…"
            yield document.problem(reference, f"{reference.text!r} is no reference to a component", advice)
        return
    path = local_path(reference.text, document.path.parent)
    if path is None or not path.is_file():
        message = f"the component file {reference.text!r} of step `{step.name}` does not exist"
        yield document.problem(reference, message, "correct the path")


def _environment_reference_problems(project: Project) -> Iterator[Problem]:
    """Yield references by name to an environment of this project in another version than it has."""
    versions = {
        _text(each.root.get("name")): str(_value(each.root.get("version"))) for each in project.environments
    }
    owners = [(each.document, each.node) for each in project.components]
    owners += [(each, each.root) for each in project.serving]
    owners += [(each.document, step.node) for each in project.pipelines for step in each.steps.values()]
    for document, owner in owners:
        node = owner.get("environment")
        name, _, version = (_text(node) or "").removeprefix("azureml:").partition(":")
        if node and version and version != versions.get(name, version):
            message = f"the environment `{name}` has version {versions[name]}, not {version}"
            yield document.problem(node, message, f"write azureml:{name}:{versions[name]}")


def _conda_files(project: Project) -> Iterator[Document]:
    for environment in project.environments:
        text = _text(environment.root.get("conda_file"))
        path = local_path(text, environment.path.parent) if text else None
        if path and (document := project.document(path)):
            yield document


def _lock(project: Project) -> pins.Lock | None:
    path = project.root / "uv.lock"
    return pins.Lock(path.read_text(encoding="utf-8")) if path.is_file() else None


def _pin_problems(project: Project) -> Iterator[Problem]:
    lock = _lock(project)
    for document in _conda_files(project):
        if lock is None:
            yield document.problem(1, "there is no uv.lock to compare the pins with", CONDA_ADVICE)
        else:
            yield from pins.check_pins(document, lock)


def _refresh_pins(project: Project) -> Iterator[str]:
    lock = _lock(project)
    for document in _conda_files(project) if lock else ():
        if lock and (text := pins.refreshed(document, lock)):
            document.path.write_text(text, encoding="utf-8")
            yield f"{document.file}: versions taken from uv.lock"


def _versioned(project: Project) -> Iterator[tuple[str, list[Versioned]]]:
    """Yield the folder of a lock file and what it records."""
    yield "components", [_versioned_component(project, each) for each in project.components]
    yield "environments", [_versioned_environment(each) for each in project.environments]


def _versioned_component(project: Project, component: Component) -> Versioned:
    document = component.document
    parts = [(COMPONENT_FILE, document.path)]
    if component.code is not None:
        parts.append(("code", component.code))
    parts += [(f"code/{path.name}", path) for _, path in component.includes]
    # A file reference says nothing about what the file holds, and the component is registered with that.
    environment = _text(component.node.get("environment"))
    path = local_path(environment, component.folder) if environment else None
    named = project.document(path) if path else None
    notes = (
        [f"environment {_value(named.root.get('name'))} {_value(named.root.get('version'))}"] if named else []
    )
    return _make_versioned(document, fingerprints.content_digest(parts, notes))


def _versioned_environment(document: Document) -> Versioned:
    parts = [(document.path.name, document.path)]
    for node in (document.root.get("conda_file"), document.root.get("build", "path")):
        path = local_path(node.text, document.path.parent) if node and node.text else None
        if node and path:
            parts.append((str(node.text), path))
    return _make_versioned(document, fingerprints.content_digest(parts))


def _make_versioned(document: Document, digest: str) -> Versioned:
    root = document.root
    return Versioned(document, str(_value(root.get("name"))), str(_value(root.get("version"))), digest)


def _version_problems(project: Project) -> Iterator[Problem]:
    for folder, items in _versioned(project):
        yield from fingerprints.check_versions(_identified(items), _recorded(project, folder))


def _record_versions(project: Project) -> Iterator[str]:
    spoiled = {problem.file for problem in [*_content_problems(project), *_pin_problems(project)]}
    for folder, items in _versioned(project):
        sound = [item for item in _identified(items) if item.document.file not in spoiled]
        versions, added = fingerprints.with_new(sound, _recorded(project, folder))
        if added:
            path = project.root / folder / LOCK_NAME
            path.write_text(fingerprints.lock_text(versions), encoding="utf-8")
        yield from (f"{folder}/{LOCK_NAME}: {each}" for each in added)


def _identified(items: Iterable[Versioned]) -> list[Versioned]:
    """Leave out what has no name or version: another check says so."""
    return [item for item in items if item.document.root.get("name") and item.document.root.get("version")]


def _recorded(project: Project, folder: str) -> fingerprints.Versions:
    return fingerprints.recorded_versions(project.document(project.root / folder / LOCK_NAME))


def _is_environment(document: Document) -> bool:
    """A conda file beside an environment has `dependencies`; environments have none."""
    return document.root.get("dependencies") is None


def _text(node: Node | None) -> str | None:
    return node.text if node else None


def _value(node: Node | None) -> object:
    return node.value if node else None

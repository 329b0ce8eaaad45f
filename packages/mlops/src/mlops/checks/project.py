"""The project's files as the checks see them: found by the project's layout, each read once.

Those that have a version come with the digest of the content behind it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlops.checks import copies
from mlops.checks.fingerprints import LOCK_NAME, Versioned, content_digest
from mlops.checks.pins import Lock
from mlops.checks.pipelines.component import PIPELINE, Component, read_component
from mlops.checks.pipelines.steps import Pipeline, read_pipeline
from mlops.checks.yaml.document import Document, DocumentError, Node, Problem, read_document
from mlops.checks.yaml.references import local_path
from mlops.core.documents import read_text
from mlops.core.environments import OWN_PACKAGES_TAG

COMPONENT_FILE: Final = "component.yml"
SHIPPED: Final = "code"
PINS_FILE: Final = "uv.lock"
OTHER_JOBS: Final = frozenset({"automl", "command", "import", "parallel", "spark", "sweep"})


class Project:
    """Reads each file once. `unreadable` collects the problems of files that are not YAML."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.unreadable: list[Problem] = []
        self._documents: dict[Path, Document | None] = {}
        self._components: dict[Path, Component] = {}
        graphs = [document for document in self._all("pipelines/*.yml") if _is_pipeline(document)]
        self.pipelines = [
            read_pipeline(document, document.root, self.resolve) for document in graphs if not _is_component(document)
        ]
        for document in graphs:
            if _is_component(document):
                self._component_in(document.path)
        for document in self._all(f"components/*/{COMPONENT_FILE}"):
            self._component_in(document.path)
        self.environments = [each for each in self._all("environments/*.yml") if _is_environment(each)]
        self.serving = self._all("endpoints/**/*.yml")
        self.data = self._all("data/*.yml")

    @property
    def components(self) -> list[Component]:
        """The components in components/ and those elsewhere that pipelines use, including nested ones."""
        return list(self._components.values())

    @property
    def changes(self) -> list[Problem]:
        """What the SDK reads otherwise than it looks, in all files that it reads."""
        read = [*self.environments, *self.serving, *self.data, *(each.document for each in self.pipelines)]
        documents = {each.path: each for each in [*read, *(each.document for each in self.components)]}
        return [problem for each in documents.values() for problem in each.changes]

    def resolve(self, document: Document, reference: Node) -> Component | None:
        """Return the component that a step names, if it is defined in this project."""
        if reference.entries:
            return read_component(document, reference)
        path = local_path(reference.text, document.path.parent) if reference.text else None
        return self._component_in(path) if path and path.is_file() else None

    def document(self, path: Path) -> Document | None:
        """Read a file; None if it is missing or not YAML."""
        if path not in self._documents:
            self._documents[path] = self._read(path) if path.is_file() else None
        return self._documents[path]

    def graph_of(self, component: Component) -> Pipeline:
        """Return the graph of a pipeline component."""
        return read_pipeline(component.document, component.node, self.resolve)

    def pins(self) -> Lock | None:
        """Return what uv.lock pins, or None without a uv.lock."""
        # A further model, in models/NAME, runs what the repository's lock pins.
        places = (self.root, *self.root.parents[1:2])
        path = next((each / PINS_FILE for each in places if (each / PINS_FILE).is_file()), self.root / PINS_FILE)
        return Lock(read_text(path)) if path.is_file() else None

    def conda_files(self) -> Iterator[tuple[Document, str]]:
        """Yield the conda files that environments name, and the packages in them that uv.lock need not have."""
        for environment in self.environments:
            node = environment.root.get("conda_file")
            path = local_path(node.text, environment.path.parent) if node and node.text else None
            if path and (document := self.document(path)):
                yield document, _scalar(environment, "tags", OWN_PACKAGES_TAG)

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


def _is_environment(document: Document) -> bool:
    """A conda file beside an environment has `dependencies`; environments have none."""
    return document.root.get("dependencies") is None


def _is_component(document: Document) -> bool:
    """A pipeline that is registered as a component has a version; a job has none."""
    return document.root.get("version") is not None


def _is_pipeline(document: Document) -> bool:
    """Schedules and other kinds of jobs may be next to pipelines; anything else is meant to be a pipeline."""
    kind = document.root.get("type")
    return document.root.get("trigger") is None and (kind is None or kind.text not in OTHER_JOBS)


def versioned(project: Project) -> Iterator[tuple[str, list[Versioned]]]:
    """Yield each folder with a lock file, and everything it records. Files without a version are left out."""
    yield (
        "components",
        [_component(project, each) for each in project.components if _is_identified(each.document)],
    )
    yield "environments", [_environment(each) for each in project.environments if _is_identified(each)]


def _component(project: Project, component: Component) -> Versioned:
    parts = [(COMPONENT_FILE, component.document.path)]
    if component.code is not None:
        parts.append((SHIPPED, component.code))
    parts += [(f"{SHIPPED}/{path.name}", path) for _, path in component.includes if path.name != copies.NAME]
    # The component is registered with the content of the file, not with the reference to it.
    environment = component.environment
    path = local_path(environment.text, component.folder) if environment and environment.text else None
    named = project.document(path) if path else None
    notes = [f"environment {_scalar(named, 'name')} {_scalar(named, 'version')}"] if named else []
    # By version, not by bytes: a fix upstream raises one version, not that of every component.
    if _ships_a_copy(component):
        notes.append(f"{copies.NAME} {copies.VERSION}")
    return _make(component.document, content_digest(parts, notes, frozenset({copies.NAME})))


def _ships_a_copy(component: Component) -> bool:
    if any(path.name == copies.NAME for _, path in component.includes):
        return True
    return component.code is not None and (component.code / copies.NAME).is_dir()


def _environment(document: Document) -> Versioned:
    parts = [(document.path.name, document.path)]
    for node in (document.root.get("conda_file"), document.root.get("build", "path")):
        path = local_path(node.text, document.path.parent) if node and node.text else None
        if node and path:
            parts.append((str(node.text), path))
    return _make(document, content_digest(parts))


def _make(document: Document, digest: str) -> Versioned:
    return Versioned(document, _scalar(document, "name"), _scalar(document, "version"), digest)


def _is_identified(document: Document) -> bool:
    return document.root.get("name") is not None and document.root.get("version") is not None


def _scalar(document: Document, *keys: str) -> str:
    node = document.root.get(*keys)
    return str(node.value) if node else ""

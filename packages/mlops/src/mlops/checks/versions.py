"""The versioned files of the project, and the content behind each version."""

from collections.abc import Iterator
from typing import Final

from mlops.checks import copies
from mlops.checks.fingerprints import Versioned, content_digest
from mlops.checks.pipelines.component import Component
from mlops.checks.project import COMPONENT_FILE, Project
from mlops.checks.yaml.document import Document
from mlops.checks.yaml.references import local_path

SHIPPED: Final = "code"


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


def _scalar(document: Document, key: str) -> str:
    node = document.root.get(key)
    return str(node.value) if node else ""

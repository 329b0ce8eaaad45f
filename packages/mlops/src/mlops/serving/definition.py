"""The YAML of endpoints and deployments as one document: as it stands, or with what differs on Kubernetes.

What both kinds share is stated once, in the file that also is the managed kind's; the file beside it holds the rest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlops.errors import ProjectError
from mlops.layout import KUBERNETES_SUFFIX
from mlops.merging import merged
from mlops.project import KUBERNETES, Project, Serving
from mlops.yaml_lines import YamlError, read_yaml


def definition(project: Project, file: Path, serving: Serving) -> dict[str, Any]:
    """What `file`, relative to the project, defines for a kind of serving. Raises ProjectError."""
    document = _read(project, file)
    if serving != KUBERNETES:
        return document
    return merged(document, _read(project, file.with_suffix(KUBERNETES_SUFFIX)))


def _read(project: Project, file: Path) -> dict[str, Any]:
    path = project.required_file(file)
    try:
        value = read_yaml(path).value
    except YamlError as error:
        raise ProjectError(f"{file.as_posix()}:{error.line}: {error}", "Correct the YAML at this line.") from error
    if not isinstance(value, dict):
        raise ProjectError(f"{file.as_posix()} holds no keys", "Restore it from git.")
    return value

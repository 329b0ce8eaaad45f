"""Batch endpoints and their deployments of pipeline components: fields, names, and the component they run."""

from collections.abc import Iterator
from typing import Final

from mlops.checks.assets import ENDPOINT_NAME
from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Document, Problem
from mlops.checks.yaml.references import is_registered, local_path

_ENDPOINT: Final = "batchEndpoint.schema.json"
_DEPLOYMENT: Final = "pipelineComponentBatchDeployment.schema.json"
_AUTH_MODE: Final = "aad_token"
_PIPELINE: Final = "pipeline"


def check_batch(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with a file whose `$schema` says that it is one of the two; others are left alone."""
    schema = document.root.get("$schema")
    kind = (schema.text or "").rsplit("/", 1)[-1] if schema else ""
    if kind == _ENDPOINT:
        yield from _check_endpoint(document)
    elif kind == _DEPLOYMENT:
        yield from _check_deployment(document)


def _check_endpoint(document: Document) -> Iterator[Problem]:
    yield from fields.unknown_fields(document, document.root, fields.BATCH_ENDPOINT, "a batch endpoint")
    yield from _check_name(document)
    mode = document.root.get("auth_mode")
    if mode is not None and mode.text != _AUTH_MODE:
        yield document.problem(mode, f"a batch endpoint has no auth_mode `{mode.value}`", f"write {_AUTH_MODE}")


def _check_deployment(document: Document) -> Iterator[Problem]:
    root = document.root
    yield from fields.unknown_fields(document, root, fields.BATCH_DEPLOYMENT, "a batch deployment")
    yield from _check_name(document)
    kind = root.get("type")
    if kind is None or kind.text != _PIPELINE:
        yield document.problem(kind or root, "this is not said to run a pipeline component", "write type: pipeline")
    component = root.get("component")
    if component is None or not component.text:
        yield document.problem(component or root, "the deployment names no `component`", "give the path of its file")
        return
    path = local_path(component.text, document.path.parent)
    if path is None and not is_registered(component.text):
        yield document.problem(component, f"{component.text!r} is no reference to a component", "correct it")
    elif path is not None and not path.is_file():
        yield document.problem(component, f"the component file {component.text!r} does not exist", "correct the path")


def _check_name(document: Document) -> Iterator[Problem]:
    name = document.root.get("name")
    if name is None or not ENDPOINT_NAME.fullmatch(str(name.value)):
        advice = f"it must match {ENDPOINT_NAME.pattern}"
        yield document.problem(name or document.root, "a `name` that Azure ML accepts is missing", advice)

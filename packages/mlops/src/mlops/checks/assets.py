"""Environments, data assets, endpoints and deployments, online and batch: fields, names, versions, files."""

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from mlops.checks.pipelines.component import check_environment_reference, check_version
from mlops.checks.pipelines.pipeline import check_data_path
from mlops.checks.pipelines.steps import check_resources
from mlops.checks.yaml import fields
from mlops.checks.yaml.document import Document, Node, Problem, keys_without_effect, overlaid
from mlops.checks.yaml.references import NAME, is_registered, is_remote, local_path
from mlops.core.layout import GRANIAN_SUFFIX, KUBERNETES_SUFFIX

DATA_ASSET_TYPES: Final = frozenset({"uri_file", "uri_folder", "mltable"})
AUTH_MODES: Final = frozenset({"key", "aml_token", "aad_token"})
ENDPOINT_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]")
# What the service documents as the least and the most of a setting (quotas and limits of online endpoints).
MANAGED_LIMITS: Final[dict[tuple[str, ...], tuple[float, float]]] = {
    ("request_settings", "request_timeout_ms"): (1, 180_000),
    ("request_settings", "max_concurrent_requests_per_instance"): (1, math.inf),
    ("instance_count",): (1, math.inf),
    ("data_collector", "sampling_rate"): (0, 1),
}
KUBERNETES_LIMITS: Final = MANAGED_LIMITS | {("request_settings", "request_timeout_ms"): (1, 300_000)}
_PARTS: Final = {
    "code_configuration": fields.CODE_CONFIGURATION,
    "liveness_probe": fields.PROBE,
    "readiness_probe": fields.PROBE,
    "request_settings": fields.REQUEST_SETTINGS,
}
_TRAFFIC: Final = frozenset({0, 100})
Check = Callable[[Document], Iterator[Problem]]


def check_environment(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with an environment."""
    root = document.root
    yield from fields.unknown_fields(document, root, fields.ENVIRONMENT, "an environment")
    yield from _check_name(document, NAME)
    yield from check_version(document, root.get("version"), root)
    if bool(root.get("image")) == bool(root.get("build")):
        yield document.problem(root, "an environment needs either `image` or `build`", "give exactly one of them")
    yield from _check_file(document, root.get("conda_file"), "conda file")
    yield from _check_file(document, root.get("build", "path"), "build folder")


def check_data(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with a data asset."""
    root = document.root
    yield from fields.unknown_fields(document, root, fields.DATA, "a data asset")
    yield from _check_name(document, NAME)
    kind = root.get("type")
    if kind is not None and kind.text not in DATA_ASSET_TYPES:
        message = f"a data asset cannot have the type `{kind.value}`"
        yield document.problem(kind, message, f"use one of {', '.join(sorted(DATA_ASSET_TYPES))}")
    if root.get("path") is None:
        yield document.problem(root, "a data asset needs a `path`", "give a file, a folder or an address")
    # Data identified by a checksum may be kept elsewhere until it is needed.
    if root.get("tags", "sha256") is None:
        yield from check_data_path(document, root)


def check_endpoint(document: Document, *, kubernetes: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with an online endpoint."""
    known = fields.KUBERNETES_ENDPOINT if kubernetes else fields.ENDPOINT
    yield from fields.unknown_fields(document, document.root, known, f"{_kind(kubernetes=kubernetes)} online endpoint")
    yield from _check_name(document, ENDPOINT_NAME)
    mode = document.root.get("auth_mode")
    if mode is not None and mode.text not in AUTH_MODES:
        message = f"an online endpoint has no auth_mode `{mode.value}`"
        yield document.problem(mode, message, f"use one of {', '.join(sorted(AUTH_MODES))}")
    traffic = document.root.get("traffic")
    shares = [node.value for node in (traffic.entries if traffic else {}).values()]
    total = sum(share for share in shares if isinstance(share, int | float))
    if traffic is not None and shares and total not in _TRAFFIC:
        yield document.problem(traffic, f"the traffic adds up to {total}", "make it 100, or 0 for all")


def check_deployment(document: Document, *, kubernetes: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with an online deployment."""
    root = document.root
    known = fields.KUBERNETES_DEPLOYMENT if kubernetes else fields.DEPLOYMENT
    yield from fields.unknown_fields(document, root, known, f"{_kind(kubernetes=kubernetes)} online deployment")
    kind = root.get("type")
    if (kind is not None and kind.text == "kubernetes") is not kubernetes:
        message = f"`type` is not that of a {'Kubernetes' if kubernetes else 'managed'} online deployment"
        advice = "write `type: kubernetes`" if kubernetes else "remove it"
        yield document.problem(kind or root, message, advice)
    if kubernetes:
        yield from check_resources(document)
    for name, inner in _PARTS.items():
        if part := root.get(name):
            yield from fields.unknown_fields(document, part, inner, f"`{name}`")
    yield from _check_limits(document, KUBERNETES_LIMITS if kubernetes else MANAGED_LIMITS)
    yield from _check_name(document, ENDPOINT_NAME)
    yield from check_environment_reference(document, root.get("environment"), root)
    code, script = root.get("code_configuration", "code"), root.get("code_configuration", "scoring_script")
    missing_code = list(_check_file(document, code, "code folder"))
    yield from missing_code
    if missing_code or not (code and code.text and script and script.text) or is_remote(code.text):
        return
    if not Path(document.path.parent, code.text, script.text).is_file():
        message = f"the scoring script {script.text!r} is not found in {code.text!r}"
        yield document.problem(script, message, "correct the name")


def _check_limits(document: Document, limits: dict[tuple[str, ...], tuple[float, float]]) -> Iterator[Problem]:
    for keys, (least, most) in limits.items():
        node = document.root.get(*keys)
        if node is None or isinstance(node.value, dict | list):
            continue
        try:
            value = float(str(node.value))
        except ValueError:
            yield document.problem(node, f"`{'.'.join(keys)}` is {node.shown}, not a number", "correct the value")
            continue
        if least <= value <= most:
            continue
        bound = f"at least {least:,}" if value < least else f"at most {most:,}"
        yield document.problem(node, f"`{'.'.join(keys)}` is {value:,g}, and Azure takes {bound}", "correct the value")


# By the last part of `$schema`, else by the file's own name.
ENDPOINT_KINDS: Final[dict[str, Check]] = {
    "managedOnlineEndpoint": check_endpoint,
    "endpoint": check_endpoint,
    "managedOnlineDeployment": check_deployment,
    "deployment": check_deployment,
    "deployment.granian": check_deployment,
    "kubernetesOnlineEndpoint": partial(check_endpoint, kubernetes=True),
    "endpoint.kubernetes": partial(check_endpoint, kubernetes=True),
    "kubernetesOnlineDeployment": partial(check_deployment, kubernetes=True),
    "deployment.kubernetes": partial(check_deployment, kubernetes=True),
}
_SUFFIXES: Final = re.compile(r"(\.schema)?\.(json|yml)$")


def check_serving(document: Document, find: Callable[[Path], Document | None]) -> Iterator[Problem]:
    """Yield what is wrong with a file below endpoints/; unknown kinds are skipped.

    A file for Kubernetes or for granian is an overlay over the one beside it, which `find` reads.
    """
    suffix = next((each for each in (KUBERNETES_SUFFIX, GRANIAN_SUFFIX) if document.path.name.endswith(each)), None)
    if suffix is None:
        yield from _check_kind(document)
        return
    below = find(document.path.with_name(document.path.name.removesuffix(suffix) + ".yml"))
    if below is None:
        message = "the base file of this overlay is missing"
        yield document.problem(document.root, message, "restore it, or remove this one")
        return
    whole = overlaid(document, below)
    known = {(problem.file, problem.line) for problem in _check_kind(below)}
    yield from keys_without_effect(whole)
    yield from (each for each in _check_kind(whole) if (each.file, each.line) not in known)


def _check_kind(document: Document) -> Iterator[Problem]:
    schema = document.root.get("$schema")
    named = schema.text if schema and schema.text else document.path.name
    check = ENDPOINT_KINDS.get(_SUFFIXES.sub("", named.rsplit("/", 1)[-1]))
    return check(document) if check else iter(())


def _kind(*, kubernetes: bool) -> str:
    return "a Kubernetes" if kubernetes else "an"


def _check_name(document: Document, pattern: re.Pattern[str]) -> Iterator[Problem]:
    name = document.root.get("name")
    if name is None or not pattern.fullmatch(str(name.value)):
        advice = f"it must match {pattern.pattern}"
        yield document.problem(name or document.root, "a `name` that Azure ML accepts is missing", advice)


def _check_file(document: Document, node: Node | None, what: str) -> Iterator[Problem]:
    path = local_path(node.text, document.path.parent) if node and node.text else None
    if node is not None and path is not None and not path.exists():
        yield document.problem(node, f"the {what} {node.text!r} does not exist", "correct the path")


_BATCH_ENDPOINT: Final = "batchEndpoint.schema.json"
_BATCH_DEPLOYMENT: Final = "pipelineComponentBatchDeployment.schema.json"
_BATCH_AUTH_MODE: Final = "aad_token"
_PIPELINE: Final = "pipeline"


def check_batch(document: Document) -> Iterator[Problem]:
    """Yield what is wrong with a file whose `$schema` names one of the two kinds; others are skipped."""
    schema = document.root.get("$schema")
    kind = (schema.text or "").rsplit("/", 1)[-1] if schema else ""
    if kind == _BATCH_ENDPOINT:
        yield from _check_batch_endpoint(document)
    elif kind == _BATCH_DEPLOYMENT:
        yield from _check_batch_deployment(document)


def _check_batch_endpoint(document: Document) -> Iterator[Problem]:
    yield from fields.unknown_fields(document, document.root, fields.BATCH_ENDPOINT, "a batch endpoint")
    yield from _check_batch_name(document)
    mode = document.root.get("auth_mode")
    if mode is not None and mode.text != _BATCH_AUTH_MODE:
        yield document.problem(mode, f"a batch endpoint has no auth_mode `{mode.value}`", f"write {_BATCH_AUTH_MODE}")


def _check_batch_deployment(document: Document) -> Iterator[Problem]:
    root = document.root
    yield from fields.unknown_fields(document, root, fields.BATCH_DEPLOYMENT, "a batch deployment")
    yield from _check_batch_name(document)
    kind = root.get("type")
    if kind is None or kind.text != _PIPELINE:
        yield document.problem(kind or root, "the deployment does not run a pipeline component", "write type: pipeline")
    component = root.get("component")
    if component is None or not component.text:
        yield document.problem(component or root, "the deployment names no `component`", "give the path of its file")
        return
    path = local_path(component.text, document.path.parent)
    if path is None and not is_registered(component.text):
        yield document.problem(component, f"{component.text!r} is not a component reference", "correct the reference")
    elif path is not None and not path.is_file():
        yield document.problem(component, f"the component file {component.text!r} does not exist", "correct the path")


def _check_batch_name(document: Document) -> Iterator[Problem]:
    name = document.root.get("name")
    if name is None or not ENDPOINT_NAME.fullmatch(str(name.value)):
        advice = f"it must match {ENDPOINT_NAME.pattern}"
        yield document.problem(name or document.root, "a `name` that Azure ML accepts is missing", advice)

"""The forms in which the service keeps what it is sent: components, paths of data, conda files. Pure: no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.references import InDatastore, parse_reference
from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.service_fields import filled

FOLDER_TYPES = frozenset({"uri_folder", "mltable"})
_DATASTORES = "azureml://"
_PIPELINE = "pipeline"
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
_AUTOML = "automl"
# What only the author's side uses.
_DROPPED: Mapping[str, frozenset[str]] = {
    "": frozenset({"_source", "sourceJobId", "source_job_id"}),
    _PIPELINE: frozenset({"jobs"}),
    "parallel": frozenset({"resources"}),
    _AUTOML: frozenset({"is_deterministic"}),
}
_DETERMINISTIC: Mapping[str, Any] = {"is_deterministic": "True"}
_ADDED: Mapping[str, Mapping[str, Any]] = {
    "command": {"resources": {"instance_count": "1"}},
    "parallel": {
        "error_threshold": "-1",
        "logging_level": "INFO",
        "retry_settings": {"max_retries": "3", "timeout": "60"},
    },
    _PIPELINE: {"is_deterministic": "False"},
}
_DISTRIBUTIONS = {"pytorch": "Pytorch", "mpi": "Mpi", "tensorflow": "TensorFlow", "ray": "Ray"}


def component_specification(sent: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The specification of a component as the service answers it: with defaults, and every scalar as text."""
    kind = str(sent.get("type") or "command")
    dropped = _DROPPED[""] | _DROPPED.get(kind, frozenset())
    kept = {name: value for name, value in sent.items() if name not in dropped and value is not None}
    added = {**_DETERMINISTIC, **_ADDED.get(kind, {})} if kind != _AUTOML else {}
    normal = filled(_texts(kept), {**added, "version": version})
    for side in ("inputs", "outputs"):
        if normal.get(side):
            normal[side] = {name: _declaration(value, side) for name, value in normal[side].items()}
    distribution = normal.get("distribution")
    if isinstance(distribution, dict) and "type" in distribution:
        named = distribution["type"]
        normal["distribution"] = {**distribution, "type": _DISTRIBUTIONS.get(named.lower(), named)}
    return normal


def specification_of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a pipeline component has that is made from a pipeline job: its steps, its inputs and its outputs.

    Values of the job are defaults; its data are not, so that another use has to name data of its own.
    """
    return {
        "jobs": job.get("jobs") or {},
        "inputs": {name: _input_of_job(value or {}) for name, value in (job.get("inputs") or {}).items()},
        "outputs": {
            name: {"type": (value or {}).get("jobOutputType") or "uri_folder"}
            for name, value in (job.get("outputs") or {}).items()
        },
    }


def _input_of_job(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(given.get("jobInputType") or "literal")
    if kind != "literal":
        return {"type": kind}
    text = str(given.get("value"))
    if text.lower() in {"true", "false"}:
        return {"type": "boolean", "default": text}
    return {"type": "number" if _NUMBER.fullmatch(text) else "string", "default": text}


def long_path(uri: Any, scope: Scope, data_type: Any) -> Any:
    """A path in a datastore with its workspace, and with a slash at the end of a folder; any other text unchanged."""
    if not isinstance(uri, str) or not uri.startswith(_DATASTORES) or scope.kind != "workspaces":
        return uri
    try:
        reference = parse_reference(uri)
    except BadRequest:
        return uri
    if not isinstance(reference, InDatastore):
        return uri
    folder = data_type in FOLDER_TYPES and reference.path != ""
    path = f"{reference.path.rstrip('/')}/" if folder else reference.path
    return datastore_path(reference.scope or scope, reference.datastore, path)


def datastore_path(scope: Scope, datastore: str, path: str) -> str:
    """The path of data as the service answers it, wherever it is read."""
    group = f"subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}"
    return f"azureml://{group}/workspaces/{scope.name}/datastores/{datastore}/paths/{path}"


def conda_file(text: Any) -> Any:
    """A conda file as the service keeps it, as JSON; a text that is no mapping unchanged."""
    if not isinstance(text, str):
        return text
    document = read_yaml(text)
    return json.dumps(document, indent=2, default=str) if isinstance(document, dict) else text


def read_yaml(text: str) -> Any:
    """A YAML document of a client; None for what is none, and for one with aliases, which may grow without bounds."""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            return None
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        # Also for numbers of thousands of digits, and for impossible dates.
        return None


def _declaration(value: Any, side: str) -> Any:
    """The declaration of an input or output. The mode is the author's default for jobs, which the service keeps."""
    if not isinstance(value, dict):
        return value
    kept = {name: part for name, part in value.items() if name != "mode"}
    return {**kept, "optional": kept.get("optional", "False")} if side == "inputs" else kept


def _texts(value: Any) -> Any:
    """A document whose numbers and booleans are texts, without nulls."""
    if isinstance(value, Mapping):
        return {name: _texts(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_texts(part) for part in value]
    return value if isinstance(value, str) or value is None else str(value)

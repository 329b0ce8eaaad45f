"""From the invocation of a batch endpoint to the pipeline job that runs it. Pure: no I/O.

A model deployment has one input and one output of any name; a pipeline component has those that it declares.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from azureml_emulator.batch.component import INPUT, OUTPUT, STEP
from azureml_emulator.kernel.errors import BadRequest, NotModelled

_LITERAL = "literal"
_SETTINGS = {
    "default_compute": "defaultComputeId",
    "default_datastore": "defaultDatastore",
    "continue_on_step_failure": "continueOnStepFailure",
    "force_rerun": "forceRerun",
}
# What an invocation may override of a model deployment: the name there, and the name in the step.
_OVERRIDES = {"errorThreshold": "error_threshold", "miniBatchSize": "mini_batch_size"}


@dataclass(frozen=True)
class Request:
    """One invocation: inputs and outputs by name in the wire format of jobs, and overrides."""

    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    name: str | None
    experiment: str | None
    overrides: dict[str, Any]


def read_request(body: dict[str, Any]) -> Request:
    """Parse a body, whose keys may be capitalised. Raises BadRequest, or NotModelled for datasets."""
    properties = _camel(body.get("properties"))
    if not isinstance(properties, dict):
        raise BadRequest("The request has no 'properties'.", target="properties")
    old = [name for name in ("dataset", "outputDataset") if properties.get(name)]
    if old:
        raise NotModelled(f"The emulator does not model '{old[0]}': use 'inputData' and 'outputData'.")
    inputs = {name: _data("input", name, value) for name, value in (properties.get("inputData") or {}).items()}
    outputs = {name: _data("output", name, value) for name, value in (properties.get("outputData") or {}).items()}
    overrides = {step: properties[name] for name, step in _OVERRIDES.items() if properties.get(name) is not None}
    retries = _camel(properties.get("retrySettings"))
    if retries:
        given = {"max_retries": retries.get("maxRetries"), "timeout": retries.get("timeout")}
        overrides["retry_settings"] = {name: value for name, value in given.items() if value is not None}
    instances = (_camel(properties.get("compute")) or {}).get("instanceCount")
    if instances is not None:
        overrides["resources"] = {"instance_count": instances}
    if properties.get("outputFileName"):
        overrides["task"] = {"append_file_name": properties["outputFileName"]}
    experiment = (_camel(properties.get("properties")) or {}).get("experimentName")
    return Request(inputs, outputs, properties.get("name"), experiment, overrides)


def model_job(request: Request, component: str) -> dict[str, Any]:
    """The properties of the pipeline job for the component of a model deployment. Raises BadRequest."""
    if len(request.inputs) != 1 or len(request.outputs) > 1:
        raise BadRequest("A model deployment has exactly one input and at most one output.", target="inputData")
    ((name, given),) = request.inputs.items()
    if given["jobInputType"] == _LITERAL:
        raise BadRequest(
            f"The input '{name}' is a literal value; a model deployment needs data.", target=f"inputData.{name}"
        )
    output = next(iter(request.outputs.values()), {"jobOutputType": "uri_folder"})
    step = {
        "type": "parallel",
        "componentId": component,
        "inputs": {INPUT: {"value": f"${{{{parent.inputs.{name}}}}}"}},
        "outputs": {OUTPUT: {"value": f"${{{{parent.outputs.{OUTPUT}}}}}"}},
        **request.overrides,
    }
    return {"inputs": request.inputs, "outputs": {OUTPUT: {**output}}, "jobs": {STEP: step}}


def pipeline_job(request: Request, specification: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The properties of the pipeline job for the specification of a pipeline component. Raises BadRequest."""
    declared = specification.get("inputs") or {}
    _refuse_unknown("input", request.inputs, declared)
    _refuse_unknown("output", request.outputs, specification.get("outputs") or {})
    inputs = {}
    for name, declaration in declared.items():
        given = request.inputs.get(name)
        if given is None and declaration.get("default") is not None:
            given = {"jobInputType": _LITERAL, "value": str(declaration["default"])}
        if given is not None:
            inputs[name] = given
        elif str(declaration.get("optional", "")).lower() != "true":
            raise BadRequest(f"The required input '{name}' is missing.", target=f"inputData.{name}")
    outputs = {
        name: {"jobOutputType": declaration.get("type") or "uri_folder", **request.outputs.get(name, {})}
        for name, declaration in (specification.get("outputs") or {}).items()
    }
    return {
        "inputs": inputs,
        "outputs": outputs,
        "jobs": specification.get("jobs") or {},
        "settings": {_SETTINGS[known]: value for known, value in _known_settings(settings).items()},
    }


def _known_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that jobs have; the SDK prefixes some of them."""
    short = {name.rsplit(".", 1)[-1]: value for name, value in settings.items() if value is not None}
    return {name: value for name, value in short.items() if name in _SETTINGS}


def _data(side: str, name: str, value: Any) -> dict[str, Any]:
    """One input or output, with its type as jobs spell it: UriFolder is uri_folder, MLFlowModel mlflow_model."""
    given = _camel(value)
    key = f"job{side.capitalize()}Type"
    if not isinstance(given, dict) or not isinstance(given.get(key), str):
        raise BadRequest(f"The {side} '{name}' has no {key}.", target=f"{side}Data.{name}")
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", given[key].replace("MLFlow", "Mlflow").replace("MLTable", "Mltable"))
    return {**given, key: kind.lower()}


def _camel(document: Any) -> Any:
    """An object with its own keys in camelCase; any other value unchanged."""
    if not isinstance(document, dict):
        return document
    return {f"{key[:1].lower()}{key[1:]}": value for key, value in document.items()}


def _refuse_unknown(side: str, given: dict[str, Any], declared: dict[str, Any]) -> None:
    unknown = sorted(set(given) - set(declared))
    if unknown:
        known = ", ".join(sorted(declared)) or "none"
        raise BadRequest(
            f"The deployment has no {side} '{unknown[0]}' (it has: {known}).", target=f"{side}Data.{unknown[0]}"
        )

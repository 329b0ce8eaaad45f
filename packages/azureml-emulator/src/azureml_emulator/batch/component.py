"""A model deployment's properties with Azure's defaults, and the parallel component that runs it. Pure: no I/O."""

from __future__ import annotations

from typing import Any

INPUT = "data"
OUTPUT = "score"
STEP = "batchscoring"
_APPEND = "AppendRow"
_DEFAULTS: dict[str, Any] = {
    "errorThreshold": -1,
    "loggingLevel": "Info",
    "maxConcurrencyPerInstance": 1,
    "miniBatchSize": 10,
    "outputAction": _APPEND,
    "outputFileName": "predictions.csv",
}
_RETRIES = {"maxRetries": 3, "timeout": "PT30S"}


def is_pipeline(properties: dict[str, Any]) -> bool:
    """Whether a deployment runs a pipeline component rather than a model's script."""
    return bool(properties.get("deploymentConfiguration"))


def with_defaults(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a model deployment with Azure's defaults."""
    given = {name: value for name, value in properties.items() if value is not None}
    retries = {name: value for name, value in (properties.get("retrySettings") or {}).items() if value is not None}
    resources = {"instanceCount": 1, **(properties.get("resources") or {})}
    resources["properties"] = resources.get("properties") or None
    filled = {**_DEFAULTS, **given, "retrySettings": {**_RETRIES, **retries}, "resources": resources}
    return {**filled, "loggingLevel": str(filled["loggingLevel"]).capitalize()}


def with_string_settings(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties of a pipeline component deployment; the service keeps its settings as strings."""
    configuration = properties["deploymentConfiguration"]
    settings = {name: str(value) for name, value in (configuration.get("settings") or {}).items() if value is not None}
    return {**properties, "deploymentConfiguration": {**configuration, "settings": settings}}


def model_component(properties: dict[str, Any]) -> dict[str, Any]:
    """The specification of the parallel component for a model deployment with defaults."""
    code = properties.get("codeConfiguration")
    retries = properties["retrySettings"]
    # Without a script the emulator scores the MLflow model.
    script = {"code": code["codeId"], "entry_script": code["scoringScript"]} if code else {}
    task: dict[str, Any] = {
        "type": "model",
        **script,
        "environment": properties.get("environmentId"),
        "model": properties["model"]["assetId"],
    }
    if properties["outputAction"] == _APPEND:
        task |= {"append_row_to": f"${{{{outputs.{OUTPUT}}}}}", "append_file_name": properties["outputFileName"]}
    return {
        "type": "parallel",
        "inputs": {INPUT: {"type": "uri_folder"}},
        "outputs": {OUTPUT: {"type": "uri_folder"}},
        "input_data": f"${{{{inputs.{INPUT}}}}}",
        "mini_batch_size": properties["miniBatchSize"],
        "error_threshold": properties["errorThreshold"],
        "logging_level": properties["loggingLevel"],
        "max_concurrency_per_instance": properties["maxConcurrencyPerInstance"],
        "retry_settings": {"max_retries": retries["maxRetries"], "timeout": retries["timeout"]},
        "resources": {"instance_count": properties["resources"]["instanceCount"]},
        "environment_variables": properties.get("environmentVariables") or {},
        # Every invocation writes new output.
        "is_deterministic": False,
        "task": task,
    }

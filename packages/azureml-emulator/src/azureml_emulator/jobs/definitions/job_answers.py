"""Jobs as the service answers them: nulls for what was not asked for, and the modes of their data. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_emulator.jobs.definitions.states import NOT_STARTED
from azureml_emulator.kernel.service_fields import filled

_ANY: Mapping[str, Any] = {
    "componentId": None,
    "computeId": None,
    "description": None,
    "displayName": None,
    "experimentName": "Default",
    "identity": None,
    "isArchived": False,
    "notificationSetting": None,
    "properties": {},
    "secretsConfiguration": None,
    "services": None,
    "tags": {},
}
_RESOURCES: Mapping[str, Any] = {
    **dict.fromkeys(("dockerArgs", "instanceType", "locations", "maxInstanceCount", "properties")),
    "instanceCount": 1,
}
_SAMPLING: Mapping[str, Mapping[str, Any]] = {"random": {"logbase": None, "rule": "Random", "seed": None}}
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "Command": {
        "autologgerSettings": None,
        "codeId": None,
        "distribution": None,
        "environmentVariables": {},
        "inputs": {},
        "limits": None,
        "parameters": {},
        "queueSettings": None,
        "resources": {**_RESOURCES, "shmSize": "2g"},
    },
    "Sweep": {
        "earlyTermination": None,
        "inputs": {},
        "limits": {"trialTimeout": None},
        "queueSettings": None,
        "trial": {"codeId": None, "distribution": None, "environmentVariables": {}, "resources": _RESOURCES},
    },
    "Pipeline": {"inputs": {}, "jobs": {}, "settings": None, "sourceJobId": None},
}
_LIMITS: Mapping[str, Any] = {"timeout": None}
_LITERAL: Mapping[str, Any] = {"description": None}
_DATA: Mapping[str, Any] = {**_LITERAL, "mode": "ReadOnlyMount"}
_OUTPUT: Mapping[str, Any] = {
    "assetName": None,
    "assetVersion": None,
    "autoDeleteSetting": None,
    "description": None,
    "mode": "ReadWriteMount",
    "uri": None,
}
_SERVICE: Mapping[str, Any] = {"errorMessage": None, "nodes": None, "port": None, "properties": None, "status": None}
_LITERAL_TYPE = "literal"
_QUEUE: Mapping[str, Any] = {"priority": None}


def answered_job(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a job with every field that the service has for its type."""
    whole = filled(properties, {**_ANY, **_FIELDS.get(str(properties.get("jobType")), {})})
    whole["inputs"] = {name: _input(value) for name, value in (whole.get("inputs") or {}).items()}
    whole["outputs"] = {name: filled(value or {}, _OUTPUT) for name, value in (whole.get("outputs") or {}).items()}
    for name, fields in (("limits", _LIMITS), ("queueSettings", _QUEUE)):
        if whole.get(name):
            whole[name] = filled(whole[name], fields)
    if whole.get("jobType") == "Sweep":
        whole |= _sweep(whole)
    if whole["services"]:
        whole["services"] = {name: filled(value, _SERVICE) for name, value in whole["services"].items()}
    return whole


def answered_definition(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The job of a schedule, which has no run yet."""
    return answered_job({"status": NOT_STARTED, **properties})


def _sweep(properties: Mapping[str, Any]) -> dict[str, Any]:
    """What the service words differently in a sweep: the goal, and the rule of its sampling."""
    objective, sampling = properties.get("objective") or {}, properties.get("samplingAlgorithm") or {}
    rule = str(sampling.get("samplingAlgorithmType") or "").lower()
    return {
        "objective": {**objective, "goal": str(objective.get("goal") or "").capitalize()},
        "samplingAlgorithm": filled(sampling, _SAMPLING.get(rule, {})),
    }


def _input(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return filled(value, _LITERAL if value.get("jobInputType") == _LITERAL_TYPE else _DATA)

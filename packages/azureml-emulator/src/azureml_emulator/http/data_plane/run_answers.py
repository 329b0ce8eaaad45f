"""Fields that run history has for every run, whether the emulator has a value for them or not. Pure: no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azureml_emulator.kernel.service_fields import filled
from azureml_emulator.security.tokens import PRINCIPAL, TENANT

_BOTH: Mapping[str, Any] = {
    **dict.fromkeys(("compute", "computeDuration", "computeRequest", "currentComputeTime", "duration")),
    **dict.fromkeys(("effectiveStartTimeUtc", "error", "inputs", "lastStartTimeUtc", "outputs", "runDefinition")),
    **dict.fromkeys(("parentRunId", "parentRunUuid", "target", "warnings")),
    "currentAttemptId": 1,
    "inputDatasets": [],
    "outputDatasets": [],
    "parameters": {},
    "revision": 1,
    "runTypeV2": dict.fromkeys(("attribution", "computeType", "orchestrator", "traits")),
    "services": {},
    "settings": {},
    "statusRevision": 1,
    "userId": PRINCIPAL,
}
_RUN: Mapping[str, Any] = {
    **_BOTH,
    **dict.fromkeys(("cancelUri", "cancelationReason", "completeUri", "createdFrom", "description", "diagnosticsUri")),
    **dict.fromkeys(("jobSpecification", "name", "primaryMetricName", "queueingInfo", "retainForLifetimeOfWorkspace")),
    **dict.fromkeys(("scheduleId", "scriptName", "token", "tokenExpiryTimeUtc")),
    "actionUris": {},
    "uniqueChildRunComputeTargets": [],
}
_COSTS = ("CpuCoreSeconds", "CpuMemoryMegabyteSeconds", "GpuSeconds", "NodeUtilizationSeconds")
_DETAILS: Mapping[str, Any] = {**_BOTH, "jobCost": {f"charged{name}": None for name in _COSTS}}
_ONLY_IN_RUNS = ("createdUtc", "description", "displayName", "experimentId", "hidden", "runType")
_PERSON: Mapping[str, Any] = {
    **dict.fromkeys(("upn", "userAltSecId", "userIdp", "userIss", "userPuId")),
    "userObjectId": PRINCIPAL,
    "userTenantId": TENANT,
}
_COMPUTE: Mapping[str, Any] = {
    **dict.fromkeys(("armId", "instanceType", "priority", "properties", "region", "vmSize")),
    "gpuCount": 0,
    "instanceCount": 1,
    "targetType": "amlcompute",
}
_RUN_NAMESPACE = uuid.UUID("0a7d1e9e-3c0f-4a43-8a55-6a8f7c6f1b2d")


def answered_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with every field of run history; without logs and costs, which only its details have."""
    return filled({**run, **_derived(run)}, _RUN)


def answered_details(run: Mapping[str, Any], logs: Mapping[str, str]) -> dict[str, Any]:
    """The details of a run: its logs and costs, without what only a run has."""
    kept = {name: value for name, value in run.items() if name not in _ONLY_IN_RUNS}
    times = {"createdTimeUtc": run["createdUtc"], "logFiles": dict(logs), "warnings": []}
    return filled({**kept, **_derived(run), **times}, _DETAILS)


def _derived(run: Mapping[str, Any]) -> dict[str, Any]:
    compute = run.get("compute")
    started, ended = run.get("startTimeUtc"), run.get("endTimeUtc")
    person = filled(run["createdBy"], _PERSON)
    return {
        "createdBy": person,
        "lastModifiedBy": person,
        "dataContainerId": f"dcid.{run['runId']}",
        "duration": _between(started, ended) if started and ended else None,
        "runUuid": _guid(run["runId"]),
        "rootRunUuid": _guid(run["rootRunId"]),
        "parentRunUuid": _guid(run["parentRunId"]) if run.get("parentRunId") else None,
        "runNumber": int(datetime.fromisoformat(run["createdUtc"]).timestamp()) if run.get("createdUtc") else None,
        "compute": filled(compute, _COMPUTE) if compute else None,
        "target": (compute or {}).get("target"),
    }


def _between(started: str, ended: str) -> str:
    return str(datetime.fromisoformat(ended) - datetime.fromisoformat(started)).zfill(8)


def _guid(name: str) -> str:
    return str(uuid.uuid5(_RUN_NAMESPACE, name))

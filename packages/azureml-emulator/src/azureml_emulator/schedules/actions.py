"""What a schedule does when it is due: a job of its own, or that of a data import or a model monitor. Pure: no I/O.

Imports and monitors are stored as Azure stores them, and their jobs fail with what the emulator does not have: nobody
should believe that data came in, or that a model is watched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azureml_emulator.jobs.definitions.job_answers import answered_definition
from azureml_emulator.jobs.graph.not_run import IMPORT, MODEL_MONITOR
from azureml_emulator.kernel.errors import BadRequest
from azureml_emulator.kernel.service_fields import filled

CREATE_JOB, IMPORT_DATA, CREATE_MONITOR = "CreateJob", "ImportData", "CreateMonitor"
# The field of an action that says what to do.
DEFINITIONS: Mapping[str, str] = {
    CREATE_JOB: "jobDefinition",
    IMPORT_DATA: "dataImportDefinition",
    CREATE_MONITOR: "monitorDefinition",
}
_IMPORT: Mapping[str, Any] = {
    **dict.fromkeys(("autoDeleteSetting", "description", "intellectualProperty", "stage")),
    "isAnonymous": False,
    "isArchived": False,
    "tags": {},
}
# What a step calls the fields of a source.
_SOURCE_FIELDS: Mapping[str, str] = {
    "sourceType": "type",
    "storedProcedure": "stored_procedure",
    "storedProcedureParams": "stored_procedure_params",
    "tableName": "table_name",
}
_IMPORT_COMPONENT = "azureml://registries/azureml/components/import_data_{}/versions/0.0.1"
_DATABASE: Mapping[str, Any] = dict.fromkeys(("query", "storedProcedure", "storedProcedureParams", "tableName"))
_MONITOR: Mapping[str, Any] = dict.fromkeys(("alertNotificationSetting", "monitoringTarget", "signals"))
_SIGNAL_DATA: Mapping[str, Any] = dict.fromkeys(("preprocessingComponentId", "targetColumnName"))
_ASSET: Mapping[str, Any] = {"description": None, "mode": "ReadOnlyMount"}


def stored_action(kind: str, definition: dict[str, Any]) -> dict[str, Any]:
    """The action of an import or a monitor as Azure keeps it. Raises BadRequest for an import without a source."""
    kept = _import(definition) if kind == IMPORT_DATA else _monitor(definition)
    return {"actionType": kind, DEFINITIONS[kind]: kept}


def properties_of(kind: str, definition: dict[str, Any]) -> dict[str, str]:
    """The properties that the service gives the schedule of an import or a monitor."""
    if kind == IMPORT_DATA:
        return {"azureml.materializationAssetName": str(definition.get("assetName"))}
    return {"azureml.telemetry.attribution": "modelmonitoring"}


def shown_action(action: dict[str, Any]) -> dict[str, Any]:
    """The action as it is answered."""
    if action["actionType"] != CREATE_JOB:
        return action
    return {**action, "jobDefinition": answered_definition(action["jobDefinition"])}


def job_of(action: dict[str, Any]) -> dict[str, Any]:
    """The properties of the job that the action starts."""
    definition = action[DEFINITIONS[action["actionType"]]]
    match action["actionType"]:
        case "CreateJob":
            return definition
        case "ImportData":
            name = f"data_import_{definition['assetName']}"
            sink = {"job_output_type": definition["dataType"], "uri": definition["dataUri"]}
            node = {"type": "data_transfer", "task": IMPORT, "outputs": {"sink": sink}, **_source(definition["source"])}
        case _:
            name, node = "model_monitor", {"type": "command", "componentId": MODEL_MONITOR}
    return {"jobType": "Pipeline", "experimentName": name, "jobs": {name: node}}


def _source(source: dict[str, Any]) -> dict[str, Any]:
    """The source of an import in the form that steps have; the SDK lists no jobs if it cannot read one of them."""
    known = {_SOURCE_FIELDS.get(key, key): value for key, value in source.items() if value is not None}
    return {"source": known, "componentId": _IMPORT_COMPONENT.format(known["type"])}


def _import(definition: dict[str, Any]) -> dict[str, Any]:
    source = definition.get("source")
    if not isinstance(source, dict) or not definition.get("assetName") or not definition.get("dataUri"):
        raise BadRequest(
            "A data import needs an assetName, a dataUri and a source.", code="UserError", target="dataImportDefinition"
        )
    is_database = str(source.get("sourceType")).lower() == "database"
    uri = str(definition["dataUri"])
    own = {
        "dataType": "mltable" if is_database else "uri_folder",
        "dataUri": uri if "${{name}}" in uri else f"{uri.rstrip('/')}/${{{{name}}}}",
        "source": filled(source, _DATABASE) if is_database else source,
        "properties": {**(definition.get("properties") or {}), **properties_of(IMPORT_DATA, definition)},
    }
    return filled({**definition, **own}, _IMPORT)


def _monitor(definition: dict[str, Any]) -> dict[str, Any]:
    signals = definition.get("signals")
    if not isinstance(signals, dict):
        return filled(definition, _MONITOR)
    return filled({**definition, "signals": {name: _signal(signal) for name, signal in signals.items()}}, _MONITOR)


def _signal(signal: Any) -> Any:
    if not isinstance(signal, dict):
        return signal
    shown: dict[str, Any] = {"features": None, **signal}
    for name in ("baselineData", "targetData"):
        data = signal.get(name)
        if isinstance(data, dict):
            asset = data.get("asset")
            own = {
                "asset": filled(asset, _ASSET) if isinstance(asset, dict) else asset,
                "dataContext": _capital(data.get("dataContext")),
            }
            shown[name] = filled({**data, **own}, _SIGNAL_DATA)
    thresholds = signal.get("metricThresholds")
    if isinstance(thresholds, list):
        shown["metricThresholds"] = [
            {**each, "metric": _capital(each.get("metric"))} if isinstance(each, dict) else each for each in thresholds
        ]
    return shown


def _capital(text: Any) -> Any:
    """A name as the service writes it."""
    return f"{text[:1].upper()}{text[1:]}" if isinstance(text, str) else text

"""The document of an AutoML job as the service returns it. Pure: no I/O."""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.definitions.automl import BEST_MODEL
from azureml_emulator.jobs.definitions.steps import Graph

# The property of a job that says what it asks for and does not get.
DIFFERENCES = "emulator_differences"
_UNSET = ("environmentId", "environmentVariables", "identity", "queueSettings")
_RESOURCES = {"dockerArgs": None, "instanceCount": 1, "instanceType": None, "properties": None, "shmSize": "2g"}
_UNSET_DETAILS = (
    "cvSplitColumnNames",
    "nCrossValidations",
    "testData",
    "testDataSize",
    "validationData",
    "validationDataSize",
    "weightColumnName",
)
_LIMITS = {
    "enableEarlyTermination": True,
    "exitScore": None,
    "maxConcurrentTrials": 1,
    "maxCoresPerTrial": -1,
    "maxTrials": 1000,
    "timeout": "PT6H",
    "trialTimeout": "PT30M",
}
_TABLES = ("trainingData", "validationData", "testData")
_TABLE = {"description": None, "mode": "ReadOnlyMount"}


def automl_properties(given: dict[str, Any]) -> dict[str, Any]:
    """The properties of an AutoML job. `given` has been read without an error."""
    details = given.get("taskDetails") or {}
    tables = {name: {**_TABLE, **details[name]} for name in _TABLES if details.get(name)}
    limits = {name: value for name, value in (details.get("limitSettings") or {}).items() if value is not None}
    filled = {"featurizationSettings": None, "logVerbosity": "Info", "trainingSettings": None}
    output = {"description": None, "jobOutputType": "mlflow_model", "mode": "ReadWriteMount", "uri": None}
    return {
        **dict.fromkeys(_UNSET),
        "resources": _RESOURCES,
        **given,
        "outputs": {BEST_MODEL: output, **(given.get("outputs") or {})},
        "taskDetails": {
            **dict.fromkeys(_UNSET_DETAILS),
            **filled,
            **details,
            "limitSettings": {**_LIMITS, **limits},
            **tables,
        },
    }


def noted_differences(graph: Graph) -> dict[str, str]:
    """The property of an AutoML job with what differs from Azure, such as an ensemble that is not made; or none."""
    searches = [step.sweep.automl for step in graph.known_steps if step.sweep is not None]
    notes = [note for each in searches if each is not None for note in each.notes]
    return {DIFFERENCES: " ".join(notes)} if notes else {}

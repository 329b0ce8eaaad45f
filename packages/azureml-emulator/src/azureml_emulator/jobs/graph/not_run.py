"""Nodes that a pipeline may have, and that fail here when they are due, with what to do. Pure: no I/O.

On Azure they read databases and file systems behind connections, or are computed by a service.
"""

from __future__ import annotations

from typing import Any

from azureml_emulator.jobs.graph.data_transfer import COPY, DATA_TRANSFER

IMPORT = "import_data"
# Of the jobs of monitoring schedules: a command, because the SDK lists no jobs with steps of unknown types.
MODEL_MONITOR = "azureml://registries/azureml/components/model_monitor/versions/1"
_NO_SOURCES = (
    "nothing was transferred: the emulator has no databases and file systems behind connections. Put the data into a "
    "datastore or register it as a data asset, and read it from there."
)
_NO_MONITORS = (
    "nothing was measured: on Azure, monitors are computed by a service. Here, schedule a pipeline that measures the "
    "collected data."
)


def reason_not_to_run(node: dict[str, Any], where: str) -> str | None:
    """Why a node fails here, in a sentence for its job; None for a node that runs."""
    kind = str(node.get("type")).lower()
    if node.get("componentId") == MODEL_MONITOR:
        return f"In the step '{where}', {_NO_MONITORS}"
    task = str(node.get("task") or COPY).lower()
    if kind == DATA_TRANSFER and task != COPY:
        return f"In the step '{where}', of type {DATA_TRANSFER} with the task {task}, {_NO_SOURCES}"
    return None


def own_specification(node: dict[str, Any]) -> dict[str, Any]:
    """The specification for a node that fails: the data that the node names itself."""
    outputs = (node.get("outputs") or {}).items()
    return {
        "type": DATA_TRANSFER,
        "inputs": {name: {"type": "uri_folder"} for name in node.get("inputs") or {}},
        "outputs": {name: {"type": (given or {}).get("job_output_type") or "uri_folder"} for name, given in outputs},
        "is_deterministic": False,
    }

"""Nodes that run on Azure only are read, with the reason for which they fail here."""

from __future__ import annotations

from typing import Any

import pytest

from azureml_emulator.jobs.graph.not_run import MODEL_MONITOR
from azureml_emulator.jobs.graph.reader import read_pipeline


@pytest.mark.parametrize(
    ("node", "says"),
    [
        ({"type": "data_transfer", "task": "import_data"}, "with the task import_data, nothing was transferred"),
        ({"type": "data_transfer", "task": "export_data"}, "with the task export_data, nothing was transferred"),
        ({"type": "command", "componentId": MODEL_MONITOR}, "nothing was measured"),
    ],
)
def test_what_runs_on_azure_only_has_the_reason_for_which_it_fails(node: dict[str, Any], says: str) -> None:
    sink = {"sink": {"job_output_type": "mltable", "uri": "azureml://datastores/d/paths/x", "name": "asset"}}

    given = {"componentId": "azureml://registries/azureml/x", **node, "outputs": sink}

    step = read_pipeline({"jobs": {"a": given}}, {}.__getitem__).steps["a"]

    assert says in str(step.not_run)
    assert step.outputs["sink"].type == "mltable"

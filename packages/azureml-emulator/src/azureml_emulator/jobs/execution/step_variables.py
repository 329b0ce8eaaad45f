"""The environment variables of a step: inherited, set by Azure, for tracking, for inputs and outputs. Pure: no I/O."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from azureml_emulator.kernel.resource_id import Scope
from azureml_emulator.kernel.settings import ENVIRONMENT_PREFIX


def inherited(variables: Mapping[str, str], interpreter: Path) -> dict[str, str]:
    """The emulator's variables that steps inherit, with its interpreter first on the path."""
    kept = {name: text for name, text in variables.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    kept["PATH"] = os.pathsep.join([str(interpreter.parent), kept.get("PATH", os.defpath)])
    return kept


def azure_variables(
    scope: Scope, *, job: str, root: str, experiment: str, location: str, folder: Path
) -> dict[str, str]:
    """The variables that Azure sets for every job."""
    return {
        "AZUREML_RUN_ID": job,
        "AZUREML_ROOT_RUN_ID": root,
        "AZUREML_ARM_SUBSCRIPTION": scope.subscription,
        "AZUREML_ARM_RESOURCEGROUP": scope.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": scope.name,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_EXPERIMENT_NAME": experiment,
        "AZUREML_EXPERIMENT_SCOPE": f"{scope.id}/experiments/{experiment}",
        "AZUREML_WORKSPACE_ID": scope.guid,
        "AZUREML_WORKSPACE_NAME": scope.name,
        "AZUREML_WORKSPACE_SCOPE": scope.id,
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(folder),
        "AZUREML_NODE_COUNT": "1",
        "AZUREML_LOCATION": location,
        "AZURE_SUBSCRIPTION_ID": scope.subscription,
        "AZURE_RESOURCE_GROUP": scope.resource_group,
    }


def tracking_variables(address: str, run: str, token: str, experiment: str) -> dict[str, str]:
    """The variables that point MLflow at the run of the step; `token` names the run as well."""
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_RUN_ID": run,
        # MLflow 3 does not say to which run a model belongs that is logged outside of `start_run`. The token, which is
        # sent with every request, tells the emulator.
        "MLFLOW_TRACKING_TOKEN": token,
        "MLFLOW_EXPERIMENT_NAME": experiment,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def data_variables(inputs: Mapping[str, str], outputs: Mapping[str, str], *, is_trial: bool) -> dict[str, str]:
    """The variables with the paths of inputs and outputs, as on Azure; a trial has them under another name too."""
    read = {f"AZURE_ML_INPUT_{name}": text for name, text in inputs.items()}
    swept = {f"AZUREML_SWEEP_{name}": text for name, text in {**inputs, **outputs}.items()} if is_trial else {}
    return read | {f"AZURE_ML_OUTPUT_{name}": text for name, text in outputs.items()} | swept

"""What a step runs in: the Azure ML job that it belongs to, and the installed software; both for the provenance."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import TYPE_CHECKING

from model_package.provenance import UNKNOWN, Software

if TYPE_CHECKING:
    from model_package.reports.pages import Fact

_STUDIO = "https://ml.azure.com/runs"

# Azure ML sets both in a step of a pipeline: the whole job's name, and this step's.
_JOB_VARIABLES = ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID")


def job_name(variables: Mapping[str, str]) -> str:
    """Return the job that the environment variables name, "unknown" outside of one."""
    return next((variables[name] for name in _JOB_VARIABLES if variables.get(name)), UNKNOWN)


def job_facts(variables: Mapping[str, str]) -> "list[Fact]":
    """What a step knows of the job that its report belongs to: name, page in Azure ML's studio, and the time.

    Version and commit are added where the report is kept: a step runs before its model has a version.
    """
    # Imported here: not every environment of a step can draw pages.
    from model_package.reports.pages import Fact

    job = job_name(variables)
    place = "/subscriptions/{}/resourcegroups/{}/workspaces/{}".format(
        *(variables.get(f"AZUREML_ARM_{name}", "") for name in ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME"))
    )
    # An emulator's job has no page there.
    is_azure = variables.get("MLFLOW_TRACKING_URI", "").startswith("azureml:")
    return [
        Fact("job", job, f"{_STUDIO}/{job}?wsid={place}" if is_azure else ""),
        Fact("written", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    ]


def installed_software() -> Software:
    """Describe the running interpreter: every installed package with its version, and one sha256 over them."""
    found = {each.metadata["Name"].lower(): each.version for each in distributions()}
    packages = dict(sorted(found.items()))
    lines = "".join(f"{name}=={version}\n" for name, version in packages.items())
    return Software(platform.python_version(), hashlib.sha256(lines.encode()).hexdigest(), packages)

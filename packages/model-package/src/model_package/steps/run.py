"""What a step runs in: the Azure ML job that it belongs to, and the installed software; both for the provenance."""

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import distributions

from model_package.provenance import UNKNOWN, Software

# Azure ML sets both in a step of a pipeline: the whole job's name, and this step's.
_JOB_VARIABLES = ("AZUREML_ROOT_RUN_ID", "AZUREML_RUN_ID")


def job_name(variables: Mapping[str, str]) -> str:
    """Return the job that the environment variables name, "unknown" outside of one."""
    return next((variables[name] for name in _JOB_VARIABLES if variables.get(name)), UNKNOWN)


def installed_software() -> Software:
    """Describe the running interpreter: every installed package with its version, and one sha256 over them."""
    found = {each.metadata["Name"].lower(): each.version for each in distributions()}
    packages = dict(sorted(found.items()))
    lines = "".join(f"{name}=={version}\n" for name, version in packages.items())
    return Software(platform.python_version(), hashlib.sha256(lines.encode()).hexdigest(), packages)

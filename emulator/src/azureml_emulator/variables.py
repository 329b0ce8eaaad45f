"""The environment variables that lead any program with azure-ai-ml to an emulator, as shells set them."""

from __future__ import annotations

import shlex
from typing import Literal

from azureml_emulator.ready_file import ReadyRecord
from azureml_emulator.secret_keys import read_secret_keys

Shell = Literal["posix", "fish", "powershell"]


def variables(record: ReadyRecord) -> dict[str, str]:
    """The variables by name. They must be set before azure.ai.ml is imported."""
    settings = record.settings
    bundle = str(record.bundle)
    return {
        "ARM_CLOUD_METADATA_URL": f"{record.base_url}/metadata/endpoints",
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{record.base_url}/",
        "IDENTITY_ENDPOINT": f"{record.base_url}/msi/token",
        "IDENTITY_HEADER": read_secret_keys(settings.state).identity_header,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "AZURE_SUBSCRIPTION_ID": settings.subscription,
        "AZURE_RESOURCE_GROUP": settings.resource_group,
        "AZUREML_WORKSPACE_NAME": settings.workspace,
        "AZUREML_REGISTRY_NAME": settings.registry,
    }


def assignments(values: dict[str, str], shell: Shell) -> str:
    """One line a variable that sets it when the shell evaluates it, each value quoted."""
    return "".join(f"{_assignment(name, value, shell)}\n" for name, value in values.items())


def _assignment(name: str, value: str, shell: Shell) -> str:
    match shell:
        case "posix":
            return f"export {name}={shlex.quote(value)}"
        case "fish":
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"set -gx {name} '{quoted}'"
        case "powershell":
            quoted = value.replace("'", "''")
            return f"$env:{name} = '{quoted}'"

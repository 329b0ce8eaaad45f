"""The environment variables that point programs with azure-ai-ml at an emulator, and the shell lines that set them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Literal

from azureml_emulator.control.ready_file import ReadyRecord
from azureml_emulator.kernel.clock import Clock
from azureml_emulator.kernel.settings import LOOPBACK, cloud_name
from azureml_emulator.security.secret_keys import read_secret_keys
from azureml_emulator.security.tokens import Tokens

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_LOOPBACK_HOSTS = (LOOPBACK, "localhost")
Shell = Literal["posix", "fish", "powershell"]


def variables(
    record: ReadyRecord, environment: Mapping[str, str] = os.environ, *, public_roots: bool = True
) -> dict[str, str]:
    """The variables by name. They must be set before azure.ai.ml is imported.

    When `environment` names a proxy, loopback is exempted from it. Without `public_roots` a program trusts the
    emulator only, and does not have to load the public root certificates for each connection.
    """
    settings = record.settings
    bundle = str(record.bundle if public_roots else record.authority)
    keys = read_secret_keys(settings.state)
    return {
        "ARM_CLOUD_METADATA_URL": f"{record.base_url}/metadata/endpoints",
        "AZUREML_CURRENT_CLOUD": cloud_name(record.base_url),
        "REGISTRY_DISCOVERY_ENDPOINT_URL": f"{record.base_url}/",
        "IDENTITY_ENDPOINT": f"{record.base_url}/msi/token",
        "IDENTITY_HEADER": keys.identity_header,
        "MLFLOW_TRACKING_TOKEN": Tokens(keys.token_key, Clock()).for_mlflow(),
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "AZURE_SUBSCRIPTION_ID": settings.subscription,
        "AZURE_RESOURCE_GROUP": settings.resource_group,
        "AZUREML_WORKSPACE_NAME": settings.workspace,
        "AZUREML_REGISTRY_NAME": settings.registry,
        **_exemptions(environment),
    }


def assignments(values: dict[str, str], shell: Shell) -> str:
    """One line per variable, quoted, which sets it when the shell evaluates the line."""
    return "".join(f"{_assignment(name, value, shell)}\n" for name, value in values.items())


def _exemptions(environment: Mapping[str, str]) -> dict[str, str]:
    if not any(environment.get(name) for name in _PROXIES):
        return {}
    # Programs read either spelling; when both are set, many read the lower-case one only.
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    named = [host for host in exempt.split(",") if host]
    value = ",".join([*named, *(host for host in _LOOPBACK_HOSTS if host not in named)])
    return {"NO_PROXY": value, "no_proxy": value}


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

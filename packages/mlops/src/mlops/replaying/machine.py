"""What of this shell the steps of a replay see: programs, proxies, caches, and after a login the cloud it points to.

Without `against_azure` no login that is stored on this machine reaches a step: it can talk to what the shell points
to, and to nothing that asks who one is. Which cloud that is, nobody asks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops.replaying import python
from mlops.replaying.programs import install
from mlops.replaying.source import Remote

_PREFIXES: Final = ("UV_", "PIP_", "LC_", "XDG_", "SSL_")
_NAMES: Final = (
    "HOME", "USER", "LANG", "SHELL", "TMPDIR", "NODE_EXTRA_CA_CERTS", "HTTP_PROXY",
    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
_CLOUD_PREFIXES: Final = ("AZURE_", "AZUREML_", "ARM_", "IDENTITY_", "MSI_", "REGISTRY_", "REQUESTS_")
_POINTING: Final = ("AZURE_", "AZUREML_", "ARM_")
# Uv's own settings for the environment that this very command runs in.
_OURS: Final = frozenset({"UV_PROJECT_ENVIRONMENT", "UV_RUN_RECURSION_DEPTH"})
# Who one is: these lead to real accounts.
_LOGINS: Final = frozenset({
    "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_USERNAME",
    "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_DEVOPS_EXT_PAT", "ARM_CLIENT_SECRET", "ARM_OIDC_TOKEN",
    "ARM_CLIENT_CERTIFICATE_PATH", "ARM_ACCESS_KEY", "ARM_SAS_TOKEN",
})  # fmt: skip
_NOWHERE: Final = "http://replay.invalid"


@dataclass(frozen=True)
class Machine:
    """Variables of every step, those that a login adds, and where is kept what was asked of the forge's program."""

    variables: Mapping[str, str]
    cloud: Mapping[str, str]
    asked: Path

    @property
    def points_somewhere(self) -> bool:
        """Whether the shell says which workspace, or which cloud, a login leads to."""
        return any(name.startswith(_POINTING) for name in self.cloud)


def machine(scratch: Path, remote: Remote, *, against_azure: bool, shell: Mapping[str, str] = os.environ) -> Machine:
    """What steps see of `shell`; `scratch` gets programs that stand in for others, and empty places for logins."""
    variables = {
        name: value
        for name, value in shell.items()
        if (name in _NAMES or name.startswith(_PREFIXES)) and name not in _OURS
    }
    path = _path(shell.get("PATH", os.defpath))
    asked = install(scratch / "programs", remote, keep_az=against_azure, path=path)
    variables |= {
        "PATH": os.pathsep.join([str(asked.parent), str(python.install(scratch / "python")), path]),
        "GIT_SSH": str(asked.with_name("ssh")),
        "GIT_SSH_VARIANT": "ssh",
        "GH_CONFIG_DIR": str(_made(scratch / "gh")),
    }
    cloud = {name: value for name, value in shell.items() if name.startswith(_CLOUD_PREFIXES)}
    if against_azure:
        return Machine(variables, cloud, asked)
    variables |= {
        "AZURE_CONFIG_DIR": str(_made(scratch / "az")),
        # Virtual machines of Azure have a login that nobody asked for.
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": _NOWHERE,
    }
    return Machine(variables, {name: value for name, value in cloud.items() if name not in _LOGINS}, asked)


def _path(path: str) -> str:
    """The PATH without the environment that this command runs in: a real machine does not have it."""
    ours = Path(sys.prefix, "bin").resolve()
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder and Path(folder).resolve() != ours)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder

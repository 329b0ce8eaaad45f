"""The environment of replayed steps: programs, proxies and caches of this shell and, after a login, its cloud.

Without `against_azure` no login stored on this machine reaches a step: it can use the workspace that the shell points
to, but no real account. This module does not know whether that workspace is the emulator.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import venv
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mlops.githost.hosts import HOSTS
from mlops.replaying.source import Remote

_PREFIXES: Final = ("UV_", "PIP_", "LC_", "XDG_", "SSL_")
_NAMES: Final = (
    "HOME", "USER", "LANG", "SHELL", "TMPDIR", "NODE_EXTRA_CA_CERTS", "HTTP_PROXY",
    "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
_CLOUD_PREFIXES: Final = ("AZURE_", "AZUREML_", "ARM_", "IDENTITY_", "MSI_", "REGISTRY_", "REQUESTS_")
_WORKSPACE_PREFIXES: Final = ("AZURE_", "AZUREML_", "ARM_")
# uv's settings for the environment in which this command itself runs.
_OWN: Final = frozenset({"UV_PROJECT_ENVIRONMENT", "UV_RUN_RECURSION_DEPTH"})
# Credentials of real accounts.
_LOGINS: Final = frozenset({
    "AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_USERNAME",
    "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE", "ARM_CLIENT_SECRET", "ARM_OIDC_TOKEN",
    "ARM_CLIENT_CERTIFICATE_PATH", "ARM_ACCESS_KEY", "ARM_SAS_TOKEN",
})  # fmt: skip
_UNREACHABLE: Final = "http://replay.invalid"


@dataclass(frozen=True)
class StepEnvironment:
    """Variables of all steps, variables that a login adds, and the log of requests to the git host's programs."""

    variables: Mapping[str, str]
    cloud: Mapping[str, str]
    request_log: Path

    @property
    def has_workspace(self) -> bool:
        """Whether the shell points to a workspace or a cloud."""
        return any(name.startswith(_WORKSPACE_PREFIXES) for name in self.cloud)


def step_environment(
    scratch: Path, remote: Remote, *, against_azure: bool, shell: Mapping[str, str] = os.environ
) -> StepEnvironment:
    """The environment of steps for a given `shell`; `scratch` gets fake programs and empty login folders."""
    variables = {
        name: value
        for name, value in shell.items()
        if (name in _NAMES or name.startswith(_PREFIXES)) and name not in _OWN
    }
    path = _path(shell.get("PATH", os.defpath))
    extensions = Path(shell.get(_EXTENSIONS_VARIABLE) or Path(shell.get("HOME", "~"), _EXTENSIONS).expanduser())
    request_log = install(scratch / "programs", remote, keep_az=against_azure, path=path, extensions=extensions)
    variables |= {
        "PATH": os.pathsep.join([str(request_log.parent), str(create_environment(scratch / "python")), path]),
        "GIT_SSH": str(request_log.with_name("ssh")),
        "GIT_SSH_VARIANT": "ssh",
        "GIT_CONFIG_GLOBAL": str(request_log.with_name("gitconfig")),
    }
    replays = [replay for host in HOSTS if (replay := host.replay())]
    folders = [name for replay in replays for name in replay.login_folders]
    variables |= {name: str(_private_folder(scratch / name.lower())) for name in folders}
    cloud = {name: value for name, value in shell.items() if name.startswith(_CLOUD_PREFIXES)}
    if against_azure:
        return StepEnvironment(variables, cloud, request_log)
    variables |= {
        "AZURE_CONFIG_DIR": str(_private_folder(scratch / "az")),
        # Azure virtual machines offer a managed identity that was not requested.
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": _UNREACHABLE,
    }
    logins = _LOGINS.union(*(replay.login_variables for replay in replays))
    return StepEnvironment(variables, {name: value for name, value in cloud.items() if name not in logins}, request_log)


def _path(path: str) -> str:
    """The PATH without the environment in which this command runs: a CI machine does not have it."""
    own = Path(sys.prefix, "bin").resolve()
    return os.pathsep.join(folder for folder in path.split(os.pathsep) if folder and Path(folder).resolve() != own)


def _private_folder(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


_MODE: Final = 0o700
_PIP: Final = '#!/bin/sh\nexec "$(dirname "$0")/python" -m pip "$@"\n'


def create_environment(folder: Path) -> Path:
    """Create an environment that also sees the packages of this machine's Python; return its folder of programs."""
    venv.EnvBuilder(system_site_packages=True, symlinks=True).create(folder)
    programs = folder / "bin"
    for name in ("pip", "pip3"):
        # The machine's pip installs into the environment that runs it; installing another pip would take seconds.
        (programs / name).write_text(_PIP, encoding="utf-8")
        (programs / name).chmod(_MODE)
    return programs


_LOGIN_PROGRAM: Final = "az"
_EXTENSIONS_VARIABLE: Final = "AZURE_EXTENSION_DIR"
_EXTENSIONS: Final = Path(".azure/cliextensions")
_WORKSPACE_EXTENSION: Final = "ml"
_STARTER: Final = '#!/bin/sh\nexec {python} -I -S {script} {settings} {program} "$@"\n'
# Git runs one of two programs on the remote host, which is this machine.
_SSH: Final = """#!/bin/sh
for word; do last=$word; done
case $last in
  git-upload-pack*) exec git upload-pack {folder} ;;
  git-receive-pack*) exec git receive-pack {folder} ;;
esac
echo "a replay supports only git over ssh" >&2
exit 1
"""
# The web address of the repository leads to the copy as well.
_GIT_CONFIG: Final = '[url "{address}"]\n\tinsteadOf = {web}.git\n\tinsteadOf = {web}\n'
_SCRIPT: Final = Path(__file__).with_name("fake_program.py")


def install(folder: Path, remote: Remote, *, keep_az: bool, path: str, extensions: Path) -> Path:
    """Install the fakes in a new folder, with a git configuration that uses them; return the request log.

    With `keep_az`, other requests to `az` go to the real one on `path`: a login needs it. Otherwise those about
    workspaces do, if it has the extension for them in `extensions`, and only against a workspace on this machine.
    """
    folder.mkdir(mode=_MODE)
    request_log = folder / "requests.jsonl"
    settings = folder / "settings.json"
    replies = {
        replay.program: [asdict(reply) for reply in replay.replies(remote.address)]
        for replay in filter(None, (host.replay() for host in HOSTS))
    }
    real = {_LOGIN_PROGRAM: shutil.which(_LOGIN_PROGRAM, path=path)} if keep_az else {}
    facts = {
        "request_log": str(request_log),
        "real": real,
        "azure_cli": None if keep_az else _azure_cli(path, extensions),
        "replies": replies,
    }
    settings.write_text(json.dumps(facts), encoding="utf-8")
    for program in replies:
        words = {"python": sys.executable, "script": _SCRIPT, "settings": settings, "program": program}
        _write(folder / program, _STARTER, words)
    _write(folder / "ssh", _SSH, {"folder": remote.folder})
    config = _GIT_CONFIG.format(address=remote.ssh_url, web=remote.address.url)
    (folder / "gitconfig").write_text(config, encoding="utf-8")
    return request_log


def _azure_cli(path: str, extensions: Path) -> dict[str, str] | None:
    program = shutil.which(_LOGIN_PROGRAM, path=path)
    if program is None or not (extensions / _WORKSPACE_EXTENSION).is_dir():
        return None
    return {"program": program, "extensions": str(extensions)}


def logged_requests(file: Path) -> Iterable[str]:
    """The command lines of all logged requests."""
    if not file.is_file():
        return ()
    lines = file.read_text(encoding="utf-8").splitlines()
    return tuple(shlex.join(json.loads(line)) for line in lines)


def _write(program: Path, text: str, words: Mapping[str, str | Path]) -> None:
    program.write_text(text.format(**{name: shlex.quote(str(word)) for name, word in words.items()}), encoding="utf-8")
    program.chmod(_MODE)

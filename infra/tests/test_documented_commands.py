"""The commands of the documentation: they exist, run from the root, and fit what Azure reads."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess

import pytest

from settings.project import ROOT
from tests.conftest import dry_run_of

DOCUMENT = ROOT / "docs" / "infrastructure.md"
# What the extension reads (learn.microsoft.com/azure/machine-learning/how-to-secure-kubernetes-online-endpoint).
KIND, KEYS = "generic", ("cert.pem", "key.pem")


def test_the_certificates_secret_has_the_kind_and_the_keys_that_the_extension_reads() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    extension = dry_run_of("prod").one("kubernetesconfiguration:Extension").inputs
    created = re.search(r"kubectl create secret (\w+) (\S+) --namespace (\S+)(.*?)--dry-run", text, re.DOTALL)
    assert created is not None
    kind, name, namespace, files = created.groups()
    assert kind == KIND
    assert tuple(re.findall(r"--from-file=(\S+)", files)) == KEYS
    assert namespace == extension["scope"]["cluster"]["releaseNamespace"]
    assert name == extension["configurationSettings"]["sslSecret"]


def test_the_role_that_copies_the_certificate_is_taken_and_given_back() -> None:
    # Azure's plain Contributor may not act inside a cluster that checks Entra's roles.
    text = DOCUMENT.read_text(encoding="utf-8")
    cluster = dry_run_of("prod").one("containerservice:ManagedCluster").inputs
    assert cluster["aadProfile"]["enableAzureRBAC"] is True
    role = '--role "Azure Kubernetes Service RBAC Cluster Admin" --scope $CLUSTER'
    taken, invoked, returned = (
        text.index(f"az role assignment create --assignee $ME {role}"),
        text.index("az aks command invoke"),
        text.index(f"az role assignment delete --assignee $ME {role}"),
    )
    assert taken < invoked < returned


def test_every_module_that_the_documentation_runs_exists() -> None:
    found = {
        module
        for page in (ROOT / "docs").glob("*.md")
        for module in re.findall(r"uv run --directory infra python -m ([\w.]+)", page.read_text(encoding="utf-8"))
    }
    assert {"bootstrap", "inventory", "inventory.teardown", "quota"} <= found
    assert [module for module in found if importlib.util.find_spec(module) is None] == []


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on PATH")
def test_the_first_command_of_a_newcomer_runs_from_the_root() -> None:
    command = "uv run --directory infra python -m bootstrap"
    assert f"{command}\n" in DOCUMENT.read_text(encoding="utf-8")
    words = shlex.split(command.replace("uv run", "uv run --no-sync"))
    done = subprocess.run([*words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout
    assert "--stack" in done.stdout

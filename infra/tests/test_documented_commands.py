"""The commands of the documentation: they exist, run from the root, and fit what Azure reads."""

from __future__ import annotations

import importlib.util
import re

import pytest

from bootstrap.__main__ import main
from settings.project import ROOT
from tests.conftest import SAMPLE, STACKS, dry_run_of

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


def test_every_program_that_the_documentation_runs_exists() -> None:
    found = {
        program
        for page in (ROOT / "docs").glob("*.md")
        for program in re.findall(r"`?uv run mlops infra (\w+)", page.read_text(encoding="utf-8"))
    }
    # `mlops infra` starts them by these names; mlops/core/layout.py has the same table.
    modules = {"bootstrap": "bootstrap", "quota": "quota", "inventory": "inventory", "teardown": "inventory.teardown"}
    assert found == set(modules)
    assert [module for module in modules.values() if importlib.util.find_spec(module) is None] == []
    layout = (ROOT / "packages" / "mlops" / "src" / "mlops" / "core" / "layout.py").read_text(encoding="utf-8")
    for name, module in modules.items():
        assert f'"{name}": "{module}"' in layout


@pytest.mark.parametrize("stack", STACKS)
def test_a_newcomer_sees_the_options_and_what_is_left_to_fill_in(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "uv run mlops infra bootstrap\n" in DOCUMENT.read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["--help"], SAMPLE)
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "usage: mlops infra bootstrap" in shown
    assert "--dry-run" in shown
    assert stack in shown

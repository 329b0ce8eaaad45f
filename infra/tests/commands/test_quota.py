"""The comparison with the quota, with an `az` that answers as Azure's REST API does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inventory.machines import machines_of
from quota import compare
from tests.conftest import dry_run_of

# Answers from answers.json by a part of the address; without an answer it fails as for a missing right.
AZ = """#!{python} -IS
import json, pathlib, sys
address = sys.argv[sys.argv.index("--url") + 1]
for part, answer in json.loads(pathlib.Path(__file__).with_name("answers.json").read_text()).items():
    if part in address:
        print(json.dumps(answer))
        sys.exit(0)
print("AuthorizationFailed: no authorization to perform action over scope", file=sys.stderr)
sys.exit(1)
"""


def sku(name: str, family: str, cpus: int, *, restricted: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "family": family,
        "resourceType": "virtualMachines",
        "capabilities": [{"name": "vCPUs", "value": str(cpus)}],
        "restrictions": [{"type": "Location", "reasonCode": "NotAvailableForSubscription"}] if restricted else [],
    }


def usage(name: str, used: int, limit: int) -> dict[str, Any]:
    return {"name": {"value": name, "localizedValue": name}, "currentValue": used, "limit": limit, "unit": "Count"}


def answers(*, training: int = 100, kubernetes: int = 100, used: int = 0, restricted: bool = False) -> dict[str, Any]:
    sizes = {each.size for each in machines_of(dry_run_of("prod"))} | {"Standard_DS3_v2"}
    skus = [sku(size, "standardDDSv5Family", 4, restricted=restricted) for size in sizes]
    return {
        "MachineLearningServices/locations/westeurope/vmSizes": {
            "value": [{"name": size, "family": "standardDSv2Family", "vCPUs": 4} for size in sizes]
        },
        "MachineLearningServices/locations/westeurope/usages": {
            "value": [
                usage("Total Cluster Dedicated Regional vCPUs", used, 100),
                usage("Standard DSv2 Family Cluster Dedicated vCPUs", used, training),
            ]
        },
        "Microsoft.Compute/skus": {"value": skus[:1], "nextLink": "https://management.azure.com/next"},
        "management.azure.com/next": {"value": skus[1:]},
        "Microsoft.Compute/locations/westeurope/usages": {
            "value": [usage("cores", 0, 100), usage("standardDDSv5Family", 0, kubernetes)]
        },
    }


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in, first on PATH."""
    program = tmp_path / "az"
    program.write_text(AZ.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def compared(az: Path, given: dict[str, Any], stack: str = "prod") -> tuple[int, str]:
    (az / "answers.json").write_text(json.dumps(given))
    code, lines = compare(dry_run_of(stack))
    return code, "\n".join(lines)


def test_machines_are_compared_with_the_limits_of_their_family_and_region(az: Path) -> None:
    largest = {each.resource: each.most * 4 for each in machines_of(dry_run_of("prod"))}
    nodes = sum(count for name, count in largest.items() if name != "cpu-cluster")

    # when there is one vCPU less than all nodes of the cluster need
    code, text = compared(az, answers(kubernetes=nodes - 1, used=99))

    # then that is an error
    assert code == 1
    assert f"TOO LITTLE: AKS: up to {nodes} vCPUs of standardDDSv5Family; {nodes - 1} allowed" in text
    # and what is used, which may be this stack's own nodes, is none
    assert f"Azure ML: up to {largest['cpu-cluster']} vCPUs of standardDSv2Family; 100 allowed, 1 of them free" in text


def test_enough_quota_is_no_error(az: Path) -> None:
    code, text = compared(az, answers())
    assert code == 0, text
    assert "TOO LITTLE" not in text
    assert text.count("allowed") == 4


@pytest.mark.parametrize(
    ("answer", "stack", "code", "sentence"),
    [
        (lambda: answers(restricted=True), "prod", 1, "is not offered to this subscription in westeurope"),
        (dict, "prod", 0, "quota not compared: Azure did not answer"),
        (dict, "shared", 0, "shared has no machines"),
    ],
    ids=["size", "right", "shared"],
)
def test_what_cannot_be_compared_is_said(
    az: Path, answer: Callable[[], dict[str, Any]], stack: str, code: int, sentence: str
) -> None:
    found, text = compared(az, answer(), stack)
    assert found == code
    assert sentence in text

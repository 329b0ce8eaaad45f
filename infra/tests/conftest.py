"""Dry runs of the sample stacks, and of variants with other switches, each run once per process."""

from __future__ import annotations

import copy
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dry_run.result import DryRun
from dry_run.run import run_stack
from dry_run.stack_files import FOLDER, read_config

SAMPLE = Path(__file__).with_name("sample")
STAGES = ("dev", "staging", "prod")
STACKS = (*STAGES, "shared", "ci")
GROUP = "11111111-2222-3333-4444-555555555555"
LABELS = f"azureml-blobstore-{GROUP}"
GITHUB_IDS = {"organisation_id": 123, "repository_id": 456, "subject": "immutable"}
PEOPLE = {"data_scientists": GROUP, "operators": GROUP.replace("1", "6"), "auditors": GROUP.replace("1", "7")}
DEVOPS_ISSUER = "https://login.example.com/v2.0"
MANAGED = {"serving": "managed", "kubernetes": None, "network.isolation": "workspace_managed", "people": PEOPLE}


def changed(stack: str, changes: dict[str, Any]) -> dict[str, str]:
    """The configuration of a sample stack with some keys changed; a dot goes into an object, None removes."""
    config: dict[str, Any] = {}
    for key, text in read_config(stack, SAMPLE / "infra").items():
        try:
            config[key] = json.loads(text)
        except json.JSONDecodeError:
            config[key] = text
    config = copy.deepcopy(config)
    for path, value in changes.items():
        key, *inner = path.split(".")
        branch, last = config, f"infra:{key}" if ":" not in key else key
        for part in inner:
            branch, last = branch.setdefault(last, {}), part
        if value is None:
            branch.pop(last, None)
        else:
            branch[last] = value
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def copy_project(root: Path) -> Path:
    """Copy the sample project into a folder, with the program as it is now; returns the program's folder."""
    program = root / "infra"
    not_the_program = shutil.ignore_patterns(".*", "__pycache__", "tests", "Pulumi.*.yaml", "uv.lock")
    shutil.copytree(FOLDER, program, ignore=not_the_program)
    shutil.copytree(SAMPLE, root, dirs_exist_ok=True)
    return program


def run_changed(stack: str, changes: dict[str, Any]) -> DryRun:
    """A dry run of a sample stack with some keys changed."""
    return run_stack(stack, changed(stack, changes), SAMPLE)


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{stack: (stack, {}) for stack in STACKS},
    # Every switch on that the sample leaves off.
    "dev-everything": (
        "dev",
        {
            "serving": "kubernetes",
            "kubernetes": {"authorised_ranges": ["203.0.113.0/24"], "prometheus": True, "grafana": True},
            "gpu_cluster": {"size": "Standard_NC4as_T4_v3", "max_nodes": 1},
            "spark": {},
            "people": PEOPLE,
            "ci.github": {"organisation": "o", "repository": "r", **GITHUB_IDS},
            "ci.azure_devops": {"issuer": DEVOPS_ISSUER, "subject": "sc://o/p/c"},
        },
    ),
    # It builds its images itself, as every stage may.
    "prod-drift": (
        "prod",
        {
            "images": "own",
            "network.package_downloads": True,
            "on_drift": {
                "github": {},
                "azure_devops": {"organisation": "example-org", "project": "credit-default", "pipeline": 7},
            },
        },
    ),
    "dev-drift": (
        "dev",
        {"images": "own", "on_drift": {"azure_devops": {"organisation": "o", "project": "p", "pipeline": 1}}},
    ),
    "staging-managed": ("staging", {**MANAGED, "network.agents": "github", "spark": {"max_executors": 8}}),
    "prod-managed": ("prod", {**MANAGED, "alerts.endpoint_exists": True}),
    "ci-everything": (
        "ci",
        {
            "ci.github": {"organisation": "o", "repository": "r", **GITHUB_IDS},
            "ci.azure_devops": {
                "issuer": DEVOPS_ISSUER,
                "subjects": {"gate": "sc://o/p/gate", "infra-dev": "sc://o/p/infra-dev"},
            },
            "retraining_reads": {"prod": {"labels_container": LABELS}},
        },
    ),
    "ci-dev-only": ("ci", {"stages": {"dev": GROUP}}),
    "shared-people": (
        "shared",
        {"regions": ["westeurope", "northeurope"], "people": {"readers": {"prod": GROUP}, "users": {"dev": GROUP}}},
    ),
}
STAGE_VARIANTS = tuple(name for name, (stack, _) in VARIANTS.items() if stack in STAGES)
CI_VARIANTS = tuple(name for name, (stack, _) in VARIANTS.items() if stack == "ci")
STRICT_VARIANTS = tuple(name for name in STAGE_VARIANTS if not name.startswith("dev"))


@cache
def dry_run_of(variant: str) -> DryRun:
    """The dry run of a variant."""
    return run_changed(*VARIANTS[variant])


@pytest.fixture(params=VARIANTS)
def any_stack(request: pytest.FixtureRequest) -> DryRun:
    return dry_run_of(request.param)


@pytest.fixture(params=STAGE_VARIANTS)
def any_stage(request: pytest.FixtureRequest) -> DryRun:
    return dry_run_of(request.param)


@pytest.fixture(params=STRICT_VARIANTS)
def strict_stage(request: pytest.FixtureRequest) -> DryRun:
    return dry_run_of(request.param)

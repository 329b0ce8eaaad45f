"""Rehearsals of the shipped stacks and of variants that the switches allow, each made once a process."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest

from rehearsal.records import Rehearsal
from rehearsal.run import rehearse
from rehearsal.stack_file import read_config

STAGES = ("dev", "staging", "prod")
STACKS = (*STAGES, "shared", "ci")
GROUP = "11111111-2222-3333-4444-555555555555"
LABELS = f"azureml-blobstore-{GROUP}"
GITHUB_IDS = {"organisation_id": 123, "repository_id": 456, "subject": "immutable"}
PEOPLE = {"data_scientists": GROUP, "operators": GROUP.replace("1", "6"), "auditors": GROUP.replace("1", "7")}


def changed(stack: str, changes: dict[str, Any]) -> dict[str, str]:
    """The configuration of a stack with some keys changed; a dot goes into an object, None removes."""
    config: dict[str, Any] = {}
    for key, text in read_config(stack).items():
        try:
            config[key] = json.loads(text)
        except json.JSONDecodeError:
            config[key] = text
    config = copy.deepcopy(config)
    for path, value in changes.items():
        key, *inner = path.split(".")
        place, last = config, f"infra:{key}" if ":" not in key else key
        for part in inner:
            place, last = place.setdefault(last, {}), part
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{stack: (stack, {}) for stack in STACKS},
    # Every switch thrown that the shipped files leave alone.
    "dev-everything": (
        "dev",
        {
            "serving": "kubernetes",
            "kubernetes": {"authorised_ranges": ["203.0.113.0/24"], "watched": True, "grafana": True},
            "gpu_cluster": {"size": "Standard_NC4as_T4_v3", "max_nodes": 1},
            "people": PEOPLE,
            "ci.github": {"organisation": "o", "repository": "r", **GITHUB_IDS},
            "ci.azure_devops": {"issuer": "https://login.example.com/v2.0", "subject": "sc://o/p/c"},
        },
    ),
    "prod-told": (
        "prod",
        {
            "on_drift": {
                "github": {},
                "azure_devops": {"organisation": "example-org", "project": "credit-default", "pipeline": 7},
            }
        },
    ),
    "dev-told": ("dev", {"on_drift": {"azure_devops": {"organisation": "o", "project": "p", "pipeline": 1}}}),
    "staging-managed": (
        "staging",
        {
            "serving": "managed",
            "kubernetes": None,
            "network.isolation": "workspace_managed",
            "network.agents": "github",
            "people": PEOPLE,
        },
    ),
    "prod-watched": (
        "prod",
        {
            "serving": "managed",
            "kubernetes": None,
            "network.isolation": "workspace_managed",
            "people": PEOPLE,
            "alerts.endpoint_exists": True,
        },
    ),
    "ci-everything": (
        "ci",
        {
            "ci.github": {"organisation": "o", "repository": "r", **GITHUB_IDS},
            "ci.azure_devops": {
                "issuer": "https://login.example.com/v2.0",
                "subjects": {"gate": "sc://o/p/gate", "infra-dev": "sc://o/p/infra-dev"},
            },
            "retraining_reads": {"prod": {"labels_container": LABELS}},
        },
    ),
    "ci-dev-only": ("ci", {"stages": {"dev": GROUP}}),
    "shared-people": ("shared", {"people": {"readers": {"prod": GROUP}, "users": {"dev": GROUP}}}),
}
STAGE_VARIANTS = tuple(name for name, (stack, _) in VARIANTS.items() if stack in STAGES)
CI_VARIANTS = tuple(name for name, (stack, _) in VARIANTS.items() if stack == "ci")
STRICT_VARIANTS = tuple(name for name in STAGE_VARIANTS if not name.startswith("dev"))


@cache
def rehearsal_of(variant: str) -> Rehearsal:
    """The rehearsal of a variant."""
    stack, changes = VARIANTS[variant]
    return rehearse(stack, changed(stack, changes))


@pytest.fixture(params=VARIANTS)
def any_rehearsal(request: pytest.FixtureRequest) -> Rehearsal:
    return rehearsal_of(request.param)


@pytest.fixture(params=STAGE_VARIANTS)
def stage_rehearsal(request: pytest.FixtureRequest) -> Rehearsal:
    return rehearsal_of(request.param)


@pytest.fixture(params=STRICT_VARIANTS)
def strict_rehearsal(request: pytest.FixtureRequest) -> Rehearsal:
    return rehearsal_of(request.param)

"""Wrong settings are refused before anything runs: every key, range and combination, all at once."""

from __future__ import annotations

import ast
from itertools import pairwise
from typing import Any

import pytest

from dry_run.stack_files import FOLDER
from settings import ci, platform, shared, stage
from settings.fields import Frozen
from settings.reading import FILLED_IN, SettingsError, read_settings
from settings.stage import StageSettings
from tests.conftest import GROUP, LABELS, SAMPLE, VARIANTS, changed

GROUPS = {
    name
    for module in (ci, platform, shared, stage)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, Frozen)
}
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown-key": ("dev", {"sevring": "managed"}, "infra:sevring is an unknown key"),
    "unknown-inner-key": ("prod", {"network.subnet": "x"}, "infra:network.subnet is an unknown key"),
    "missing-key": ("dev", {"serving": None}, "infra:serving is missing"),
    "cluster-for-files": ("prod", {"serving": "batch"}, "kubernetes is given, but serving is batch"),
    "alerts-for-files": ("dev", {"serving": "batch", "alerts.endpoint_exists": True}, "there is no online endpoint"),
    "wrong-choice": ("dev", {"serving": "docker"}, "infra:serving"),
    "wrong-type": ("dev", {"cpu_cluster.max_nodes": "many"}, "infra:cpu_cluster.max_nodes"),
    "negative": ("dev", {"cpu_cluster.max_nodes": -1}, "infra:cpu_cluster.max_nodes"),
    "ci-unknown-environment": (
        "ci",
        {"ci.azure_devops": {"issuer": "https://login.example.com/v2.0", "subjects": {"gates": "sc://o/p/gate"}}},
        "ci.azure_devops.subjects.gates: unknown environment",
    ),
    "ci-connection-shared": (
        "ci",
        {"ci.azure_devops": {"issuer": "https://login.example.com/v2.0", "subjects": {"gate": "x", "promotion": "x"}}},
        "lists a subject twice",
    ),
    "ci-trusts-nothing": ("ci", {"ci": {}}, "nothing could log in"),
    "ci-without-ids": ("ci", {"ci.github.subject": "immutable"}, "ci.github.organisation_id is missing"),
    "ci-without-stages": ("ci", {"stages": {}}, "infra:stages"),
    "rows-unknown-key": (
        "ci",
        {"retraining_reads": {"prod": {"labels_container": LABELS, "container": "collected"}}},
        "infra:retraining_reads.prod.container is an unknown key",
    ),
    "rows-unknown-stage": (
        "ci",
        {"retraining_reads": {"production": {"labels_container": LABELS}}},
        "retraining_reads.production: unknown stage",
    ),
    "rows-without-labels": ("ci", {"retraining_reads": {"prod": {}}}, "prod.labels_container is missing"),
    "rows-of-another-container": (
        "ci",
        {"retraining_reads": {"prod": {"labels_container": "audit"}}},
        "the container of a workspace's default datastore",
    ),
    "rows-read-anyway": (
        "ci",
        {"retraining_reads": {"staging": {"labels_container": LABELS}}},
        "retraining_reads.staging grants nothing",
    ),
    "rows-of-a-stage-not-deployed": (
        "ci",
        {"stages": {"dev": GROUP}, "retraining_reads": {"prod": {"labels_container": LABELS}}},
        "deploy it first",
    ),
    "no-kind": ("dev", {"kind": None}, "infra:kind is None"),
    "no-format": ("dev", {"format": None}, "infra:format is missing; add `infra:format: 1`"),
    "another-format": ("dev", {"format": 2}, "infra:format"),
    "former-stage-key": (
        "dev",
        {"stage": "dev"},
        "infra:stage is the stack's name now; remove it, and set infra:profile",
    ),
    "former-prometheus-key": (
        "prod",
        {"kubernetes.watched": True},
        "infra:kubernetes.watched is called infra:kubernetes.prometheus now",
    ),
    "former-checks-key": (
        "repository",
        {"github": {"organisation": "o", "repository": "r", "required_checks": ["check"]}},
        "infra:github.required_checks is read from releases/protection.yml now",
    ),
    "repository-unknown-environment": (
        "repository",
        {
            "azure_devops": {
                "project_id": GROUP,
                "repository_id": GROUP,
                "build_definition_id": 1,
                "environment_ids": {"qa": 1},
            }
        },
        "azure_devops.environment_ids.qa: unknown environment",
    ),
    "no-profile": ("dev", {"profile": None}, "infra:profile is missing"),
    "development-in-the-middle": ("staging", {"profile": "development"}, "only the first stage, dev, may have that"),
    "last-stage-unprotected": (
        "prod",
        {"profile": "preproduction"},
        "prod is the last stage of project.yml; set production",
    ),
    "ci-unknown-stage": (
        "ci",
        {"stages": {"dev": GROUP, "qa": GROUP}},
        "stages.qa: unknown stage; project.yml has dev, staging, prod",
    ),
    "subscription": ("dev", {"azure-native:subscriptionId": "mine"}, "azure-native:subscriptionId"),
    "no-tenant": ("dev", {"azure-native:tenantId": None}, "azure-native:tenantId is missing"),
    "location": ("dev", {"azure-native:location": "West Europe"}, "azure-native:location"),
    "min-above-max": ("dev", {"cpu_cluster.min_nodes": 9}, "cpu_cluster.min_nodes 9 is more than"),
    "no-nodes": ("dev", {"cpu_cluster.max_nodes": 0}, "no job could ever run"),
    "gpu-min-above-max": (
        "dev",
        {"gpu_cluster": {"size": "Standard_NC4as_T4_v3", "min_nodes": 2, "max_nodes": 1}},
        "gpu_cluster.min_nodes 2",
    ),
    "idle-nodes-in-prod": ("prod", {"cpu_cluster.min_nodes": 1}, "must not pay for idle nodes"),
    "low-priority-in-prod": ("prod", {"cpu_cluster.spot": True}, "must not be evicted"),
    "kubernetes-in-managed-network": (
        "prod",
        {"network.isolation": "workspace_managed"},
        "does not support Kubernetes compute",
    ),
    "managed-in-own-network": ("prod", {"serving": "managed", "kubernetes": None}, "managed endpoints cannot join"),
    "kubernetes-without-settings": ("prod", {"kubernetes": None}, "kubernetes is missing"),
    "endpoint-alerts-on-kubernetes": ("prod", {"alerts.endpoint_exists": True}, "no alert on it would ever fire"),
    "kubernetes-settings-unused": ("dev", {"kubernetes": {}}, "no cluster would be created"),
    "private-without-space": ("prod", {"network.address_space": None}, "network.address_space is missing"),
    "private-without-isolation": ("prod", {"network.isolation": None}, "network.isolation is none"),
    "public-with-space": ("dev", {"network.address_space": "10.0.0.0/16"}, "belong to private stages"),
    "public-prod": (
        "prod",
        {"network": {"access": "public"}, "kubernetes.authorised_ranges": ["203.0.113.0/24"]},
        "prod must be private",
    ),
    "images-without-packages": (
        "prod",
        {"images": "own"},
        "the stage's images are built in its network, and no package could be installed",
    ),
    "spark-in-an-own-network": ("prod", {"spark": {}}, "serverless Spark joins only a workspace-managed network"),
    "spark-of-another-size": ("dev", {"spark": {"size": "Standard_D4ds_v5"}}, "infra:spark.size"),
    "shared-images-of-a-private-builder": (
        "dev",
        {"network": {"access": "private", "isolation": "own", "address_space": "10.10.0.0/16"}, "serving": "batch"},
        "images is shared, and dev builds them for every stage",
    ),
    "network-too-small": ("prod", {"network.address_space": "10.0.0.0/24"}, "is a /24"),
    "network-not-private": ("prod", {"network.address_space": "8.8.0.0/16"}, "not a private address range"),
    "network-is-not-a-range": ("prod", {"network.address_space": "ten"}, "is not an address range"),
    "ranges-overlap": ("prod", {"kubernetes.service_range": "10.30.0.0/20"}, "overlaps"),
    "open-control-plane": (
        "dev",
        {"serving": "kubernetes", "kubernetes": {"authorised_ranges": ["0.0.0.0/0"]}},
        "lets everyone in",
    ),
    "unguarded-control-plane": ("dev", {"serving": "kubernetes", "kubernetes": {}}, "authorised_ranges is empty"),
    "ranges-of-a-private-cluster": (
        "prod",
        {"kubernetes.authorised_ranges": ["203.0.113.0/24"]},
        "a private cluster has no public address",
    ),
    "small-system-nodes": ("prod", {"kubernetes.system_size": "Standard_D2ds_v5"}, "fewer than 4 virtual CPUs"),
    "one-system-node": ("prod", {"kubernetes.system_nodes": 1}, "infra:kubernetes.system_nodes"),
    "pool-min-above-max": ("prod", {"kubernetes.min_nodes": 8}, "kubernetes.min_nodes 8"),
    "plain-http": ("prod", {"kubernetes.tls": None}, "must not score over plain http"),
    "prod-publishes": ("prod", {"registry.access": "user"}, "only deploys what earlier stages published"),
    "immutable-without-ids": ("dev", {"ci.github.subject": "immutable"}, "organisation_id is missing"),
    "drift-without-repository": ("dev", {"on_drift": {"github": {}}, "ci.github": None}, "on_drift.github is given"),
    "drift-pipeline-missing": (
        "prod",
        {"on_drift": {"azure_devops": {"organisation": "o", "project": "p"}}},
        "infra:on_drift.azure_devops.pipeline is missing",
    ),
    "drift-expression": (
        "prod",
        {"on_drift": {"azure_devops": {"organisation": "o", "project": "@{body('Read_token')}", "pipeline": 1}}},
        "infra:on_drift.azure_devops.project",
    ),
    "project-too-long": ("staging", {"project": "a-project-name-of-26-chars"}, "is too long: the workspace"),
    "project-not-a-name": ("dev", {"project": "My Project"}, "infra:project"),
    "no-receivers": ("dev", {"alerts.receivers": []}, "infra:alerts.receivers"),
    "receiver-no-address": ("dev", {"alerts.receivers": ["team"]}, "an e-mail address"),
    "budget-date": ("dev", {"budget.start": "2026-01-01"}, "is the first day of the month in which the budget is made"),
    "low-priority-is-spot": ("dev", {"cpu_cluster.low_priority": True}, "is called infra:cpu_cluster.spot now"),
    "nodes-without-a-local-disk": ("prod", {"kubernetes.node_size": "Standard_D4s_v5"}, "no local disk of 128 GiB"),
    "nodes-of-the-second-generation": ("prod", {"kubernetes.node_size": "Standard_DS3_v2"}, "no local disk"),
    "nodes-with-a-small-disk": ("prod", {"kubernetes.node_size": "Standard_D2ds_v5"}, "no local disk"),
    "more-nodes-than-addresses": ("prod", {"kubernetes.max_nodes": 14}, "the nodes' subnet has 1019: at most 13"),
    "no-budget": ("dev", {"budget.amount": 0}, "infra:budget.amount"),
    "group-id": ("dev", {"people.operators": "ops"}, "a GUID"),
    "shared-region-missing": ("shared", {"regions": ["northeurope"]}, "regions lacks westeurope"),
    "shared-region-twice": ("shared", {"regions": ["westeurope", "westeurope"]}, "lists a region twice"),
    "shared-people-publish-elsewhere": (
        "shared",
        {"people": {"users": {"prod": GROUP}}},
        "people.users.prod: people may publish from dev only",
    ),
    "shared-people-unknown-stage": (
        "shared",
        {"people": {"readers": {"qa": GROUP}}},
        "people.readers.qa: unknown stage",
    ),
}


@pytest.mark.parametrize(("stack", "changes", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_settings_are_refused(stack: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError, match=rf"Pulumi\.{stack}\.yaml") as caught:
        read_settings(stack, changed(stack, changes), SAMPLE)
    assert sentence in str(caught.value)


def test_all_mistakes_are_listed_at_once() -> None:
    changes = {"network.isolation": "workspace_managed", "cpu_cluster.min_nodes": 9, "registry.access": "user"}
    with pytest.raises(SettingsError) as caught:
        read_settings("prod", changed("prod", changes), SAMPLE)
    for sentence in (
        "does not support Kubernetes",
        "cpu_cluster.min_nodes 9",
        "only deploys what earlier stages published",
    ):
        assert sentence in str(caught.value)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_valid(variant: str) -> None:
    stack, changes = VARIANTS[variant]
    settings = read_settings(stack, changed(stack, changes), SAMPLE)
    assert getattr(settings, "project", None) == "credit-default"


def test_settings_cannot_be_changed() -> None:
    settings = read_settings("dev", changed("dev", {}), SAMPLE)
    assert isinstance(settings, StageSettings)
    with pytest.raises(ValueError, match="frozen"):
        settings.stage = "prod"  # ty: ignore[invalid-assignment]


def test_every_key_of_a_stack_file_is_explained_once() -> None:
    # A key whose value is a group of keys is explained by the group; the provider's own keys are Azure's.
    unexplained = []
    for file in ("stage", "shared", "ci", "platform"):
        tree = ast.parse((FOLDER / "settings" / f"{file}.py").read_text(encoding="utf-8"))
        models = [each for each in tree.body if isinstance(each, ast.ClassDef) and each.name != "Azure"]
        for model, (key, after) in ((each, pair) for each in models for pair in pairwise([*each.body, ast.Pass()])):
            if not isinstance(key, ast.AnnAssign) or ast.unparse(key.target) in (*FILLED_IN, "format", "kind"):
                continue
            is_group = any(name in GROUPS for name in ast.unparse(key.annotation).split(" | "))
            explained = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if not (is_group or explained):
                unexplained.append(f"{model.name}.{ast.unparse(key.target)}")
    assert unexplained == []


def test_stack_files_are_short() -> None:
    assert max(len(file.read_text(encoding="utf-8").splitlines()) for file in FOLDER.glob("Pulumi.*.yaml")) < 50

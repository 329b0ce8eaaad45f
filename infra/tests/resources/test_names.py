"""Names and ids: within each service's rules, unique where Azure requires it."""

from __future__ import annotations

import re

from dry_run.result import DryRun
from naming import WORKSPACE_LIMIT, Names
from tests.conftest import STAGES, dry_run_of

NAME_RULES = {
    "storage:StorageAccount": (r"[a-z0-9]{3,24}", "accountName"),
    "keyvault:Vault": (r"[a-z][a-z0-9-]{1,22}[a-z0-9]", "vaultName"),
    "containerregistry:Registry": (r"[a-zA-Z0-9]{5,50}", "registryName"),
    "machinelearningservices:Workspace": (rf"[a-zA-Z0-9][\w-]{{2,{WORKSPACE_LIMIT - 1}}}", "workspaceName"),
    "machinelearningservices:Compute": (r"[a-zA-Z][a-zA-Z0-9-]{1,23}", "computeName"),
    "machinelearningservices:Registry": (rf"[a-zA-Z0-9][\w-]{{2,{WORKSPACE_LIMIT - 1}}}", "registryName"),
    "containerservice:ManagedCluster": (r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?", "resourceName"),
    "containerservice:AgentPool": (r"[a-z][a-z0-9]{0,11}", "agentPoolName"),
    "monitor:ActionGroup": (r".{1,12}", "groupShortName"),
    "monitor:AzureMonitorWorkspace": (r"[a-zA-Z0-9][\w.-]{2,62}[a-zA-Z0-9]", "azureMonitorWorkspaceName"),
    "dashboard:Grafana": (r"[a-zA-Z][a-zA-Z0-9-]{0,21}[a-zA-Z0-9]", "workspaceName"),
    "managedidentity:UserAssignedIdentity": (r"[a-zA-Z0-9][\w-]{2,127}", "resourceName"),
    "eventgrid:Topic": (r"[a-zA-Z0-9-]{3,50}", "topicName"),
    "servicebus:Namespace": (r"[a-zA-Z](?!.*--)[a-zA-Z0-9-]{4,48}[a-zA-Z0-9](?<!-sb)(?<!-mgmt)", "namespaceName"),
    "logic:Workflow": (r"[\w.()-]{1,80}", "workflowName"),
}


def test_no_id_is_used_twice(any_stack: DryRun) -> None:
    ids = [record.id.lower() for record in any_stack.resources if record.azure]
    assert len(ids) == len(set(ids)), sorted({id_ for id_ in ids if ids.count(id_) > 1})


def test_names_follow_their_services_rules(any_stack: DryRun) -> None:
    for type_, (pattern, key) in NAME_RULES.items():
        for record in any_stack.of(type_):
            assert re.fullmatch(pattern, record.inputs[key]), f"{type_} {record.inputs[key]}"


def test_stages_share_no_worldwide_name() -> None:
    for type_, key in (("storage:StorageAccount", "accountName"), ("keyvault:Vault", "vaultName")):
        names = {dry_run_of(stage).one(type_).inputs[key] for stage in STAGES}
        assert len(names) == 3


def test_a_long_stage_name_leaves_room_for_the_project_in_short_names() -> None:
    names = Names("credit-default", "qualification"[:12], "00000000-0000-0000-0000-000000000000")
    assert len(names.short("st")) == 24
    assert len(names.grafana) == 23

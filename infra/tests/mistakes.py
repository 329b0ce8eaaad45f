"""Mistakes that people make in the program, each with the test that has to notice it. mutations.py plants them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One mistake: in a file, some text instead of other text, and the test that should notice."""

    mistake: str
    file: str
    old: str
    new: str
    test: str


MODELS, CHECKLIST, RULES = "test_microsoft_models.py", "test_checklist.py", "test_service_rules.py"
ACROSS, WORKFLOW = "test_ci_identities.py", "test_drift_workflow.py"
WATCHING = "test_watching.py"
GRAPH, RIGHTS, SETTINGS = "test_graph.py", "test_least_privilege.py", "test_settings.py"

MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "wrong enum: a storage tier that does not exist",
        "posture.py",
        '"Standard_LRS"',
        '"Standard_LRZ"',
        f"{MODELS}::test_every_resource_fits_microsofts_model",
    ),
    Mutation(
        "wrong enum: datastore mode",
        "resources/workspace.py",
        'auth_mode="Identity"',
        'auth_mode="identity"',
        f"{MODELS}::test_every_resource_fits_microsofts_model",
    ),
    Mutation(
        "wrong API property: a receiver's address misspelt",
        "resources/alerts.py",
        '"email_address": address',
        '"mail_address": address',
        f"{MODELS}::test_every_resource_fits_microsofts_model",
    ),
    Mutation(
        "wrong type: retention as text",
        "resources/monitoring.py",
        "RETENTION_DAYS = 30",
        'RETENTION_DAYS = "month"',
        f"{MODELS}::test_every_resource_fits_microsofts_model",
    ),
    Mutation(
        "unknown argument",
        "resources/storage.py",
        "is_local_user_enabled=False",
        "is_local_users_enabled=False",
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "public access in prod",
        "posture.py",
        '"Disabled" if private else "Enabled"',
        '"Enabled"',
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "network open by default",
        "posture.py",
        '"Deny" if private else "Allow"',
        '"Allow"',
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "key authentication on",
        "resources/storage.py",
        "allow_shared_key_access=False",
        "allow_shared_key_access=True",
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "registry administrator on",
        "resources/container_registry.py",
        "admin_user_enabled=False",
        "admin_user_enabled=True",
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "purge protection false in dev",
        "resources/key_vault.py",
        "if posture.purge_protection else None",
        "if posture.purge_protection else False",
        f"{CHECKLIST}::test_devs_vault_leaves_purge_protection_out",
    ),
    Mutation(
        "password log-in to nodes",
        "resources/compute.py",
        "disable_local_auth=True",
        "disable_local_auth=False",
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "missing role: no image pulls for jobs",
        "roles.py",
        'Grant(Machine.COMPUTE, Role.ACR_PULL, Scope.CONTAINER_REGISTRY, "nodes pull environment images"),',
        "",
        f"{GRAPH}::test_clusters_wait_for_their_identitys_rights",
    ),
    Mutation(
        "bad role id",
        "roles.py",
        "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
        "ba92f5b4-2d11-453d-a403-e96b0029c9ff",
        f"{RULES}::test_role_ids_are_the_documented_ones",
    ),
    Mutation(
        "malformed role id",
        "roles.py",
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "7f951dda-4ed3-4680-a7ca",
        f"{RULES}::test_role_ids_are_the_documented_ones",
    ),
    Mutation(
        "workspace does not wait for its rights",
        "stage.py",
        "ground.identities, belongings, [*rights, *reachable])",
        "ground.identities, belongings, reachable)",
        f"{GRAPH}::test_the_workspace_waits_for_its_identitys_rights",
    ),
    Mutation(
        "attachment does not wait for the extension",
        "resources/attachment.py",
        "[self.extension, kubernetes.namespace, *ready]",
        "[kubernetes.namespace, *ready]",
        f"{GRAPH}::test_the_attachment_waits_for_extension_rights_and_namespace",
    ),
    Mutation(
        "cyclic order: role assignments wait for themselves",
        "resources/access.py",
        "opts=context.passing(self),",
        "opts=context.passing(self, self.assignments),",
        f"{GRAPH}::test_the_workspace_waits_for_its_identitys_rights",
    ),
    Mutation(
        "min above max is accepted",
        "settings/combinations.py",
        "if cluster.min_nodes > cluster.max_nodes:",
        "if cluster.min_nodes > cluster.max_nodes + 100:",
        f"{SETTINGS}::test_wrong_settings_are_named",
    ),
    Mutation(
        "min above max is made",
        "resources/kubernetes.py",
        "max_count=settings.max_nodes,",
        "max_count=0,",
        f"{RULES}::test_smallest_is_not_above_largest",
    ),
    Mutation(
        "Kubernetes in a managed network is accepted",
        "settings/combinations.py",
        'if settings.serving == "kubernetes" and isolation == "workspace_managed":',
        'if settings.serving == "docker" and isolation == "workspace_managed":',
        f"{SETTINGS}::test_wrong_settings_are_named",
    ),
    Mutation(
        "one system node",
        "settings/stage.py",
        "system_nodes: Annotated[int, Field(ge=2",
        "system_nodes: Annotated[int, Field(ge=1",
        f"{SETTINGS}::test_wrong_settings_are_named",
    ),
    Mutation(
        "prod can be deleted",
        "posture.py",
        'protect=settings.stage == "prod"',
        "protect=False",
        f"{GRAPH}::test_prod_is_protected_against_deletion",
    ),
    Mutation(
        "a resource without tags",
        "resources/key_vault.py",
        "            tags=context.tags,\n",
        "",
        f"{GRAPH}::test_tags_are_everywhere",
    ),
    Mutation(
        "people write in prod",
        "roles.py",
        "Grant(Group.DATA_SCIENTISTS, Role.READER, Scope.WORKSPACE,",
        "Grant(Group.DATA_SCIENTISTS, Role.DATA_SCIENTIST, Scope.WORKSPACE,",
        f"{RIGHTS}::test_no_person_writes_outside_dev",
    ),
    Mutation(
        "Contributor on the resource group",
        "roles.py",
        "Grant(Machine.CI, Role.READER, Scope.RESOURCE_GROUP,",
        "Grant(Machine.CI, Role.CONTRIBUTOR, Scope.RESOURCE_GROUP,",
        f"{RIGHTS}::test_resource_groups_are_only_read",
    ),
    Mutation(
        "every branch may act as CI",
        "resources/identities.py",
        ":environment:{environment}",
        ":ref:refs/heads/main",
        f"{RULES}::test_ci_is_trusted_for_one_environment_only",
    ),
    Mutation(
        "two stages share a vault's name",
        "naming.py",
        "{self.part}{self.suffix}",
        "",
        f"{RULES}::test_stages_share_no_worldwide_name",
    ),
    Mutation(
        "local accounts of the cluster disabled",
        "resources/kubernetes.py",
        "disable_local_accounts=False",
        "disable_local_accounts=True",
        f"{RULES}::test_azure_ml_needs_local_accounts_of_the_cluster",
    ),
    Mutation(
        "a private endpoint is forgotten",
        "stage.py",
        '("blob", "file", "queue", "table")',
        '("blob", "file", "queue")',
        f"{RULES}::test_private_stages_have_an_endpoint_for_each_service",
    ),
    Mutation(
        "scoring over plain http",
        "resources/attachment.py",
        "if settings.tls is None:",
        "if True:",
        f"{RULES}::test_strict_stages_score_over_tls",
    ),
    Mutation(
        "pull requests write",
        "ci_roles.py",
        "CiGrant(who, Role.BLOB_READER, Place.COLLECTED,",
        "CiGrant(who, Role.BLOB_CONTRIBUTOR, Place.COLLECTED,",
        f"{ACROSS}::test_what_pull_requests_run_may_only_read",
    ),
    Mutation(
        "retraining writes in prod",
        "ci_roles.py",
        "elif stage == NEXT_STAGE:",
        "else:",
        f"{ACROSS}::test_retraining_writes_in_dev_and_for_the_stage_after_it_and_only_reads_prod",
    ),
    Mutation(
        "retraining reads what prod was asked without anybody's decision",
        "ci_roles.py",
        "    for stage in settings.retraining_reads:",
        '    yield CiGrant(who, Role.BLOB_READER, Place.COLLECTED, "prod", "in case it is decided")\n'
        "    for stage in settings.retraining_reads:",
        f"{ACROSS}::test_retraining_reads_what_prod_was_asked_only_where_that_was_decided",
    ),
    Mutation(
        "retraining reads the whole account for the sake of the outcomes",
        "ci.py",
        'return f"{names.storage_id}/{CONTAINERS}/{labels[grant.part]}", names.subscription_id',
        "return names.storage_id, names.subscription_id",
        f"{ACROSS}::test_retraining_reads_what_prod_was_asked_only_where_that_was_decided",
    ),
    Mutation(
        "CI may make itself an administrator",
        "ci_roles.py",
        "return only_roles(role.id for role in roles)",
        "return only_roles(role.id for role in Role)",
        f"{ACROSS}::test_nothing_is_handed_out_but_what_a_stack_grants",
    ),
    Mutation(
        "a stage's identity writes every stack's state",
        "ci_roles.py",
        'f".pulumi/{folder}/{PULUMI_PROJECT}/{stack}/*"',
        'f".pulumi/{folder}/*"',
        f"{ACROSS}::test_a_stacks_state_is_written_by_its_own_identity_only",
    ),
    Mutation(
        "GitHub's token stands in the definition",
        "resources/drift_workflow.py",
        "\"Bearer @{body('Read_token')['value']}\"",
        '"Bearer github_pat_of_a_test"',
        f"{WORKFLOW}::test_no_secret_stands_in_the_definition_or_in_a_runs_history",
    ),
    Mutation(
        "GitHub's token is shown in the history of runs",
        "resources/drift_workflow.py",
        '            | _hidden("outputs")\n',
        "",
        f"{WORKFLOW}::test_no_secret_stands_in_the_definition_or_in_a_runs_history",
    ),
    Mutation(
        "every event wakes the handler",
        "resources/drift_handler.py",
        'key="data.retrain", value=True',
        'key="data.retrain", value=False',
        f"{RULES}::test_only_drift_that_asks_for_a_model_reaches_the_handler_and_waits_a_day",
    ),
    Mutation(
        "a rollout wakes the handler",
        "resources/drift_handler.py",
        "included_event_types=[DRIFT_FOUND]",
        'included_event_types=[DRIFT_FOUND, "mlops.RolledOut"]',
        f"{RULES}::test_only_drift_that_asks_for_a_model_reaches_the_handler_and_waits_a_day",
    ),
    Mutation(
        "missing role: nobody may take drift from the queue",
        "roles.py",
        'Grant(Machine.HANDLER, Role.MESSAGE_RECEIVER, Scope.DRIFT_QUEUE, "takes drift that CI has agreed to"),',
        "",
        f"{GRAPH}::test_drift_waits_for_the_rights_to_deliver_and_to_take_it",
    ),
    Mutation(
        "wrong audience: Azure DevOps is asked with a token for Azure",
        "resources/drift_workflow.py",
        '"499b84ac-1321-427f-aa17-267ca6975798"',
        '"https://management.azure.com"',
        f"{WORKFLOW}::test_drift_is_told_to_both_systems_and_taken_off_the_queue",
    ),
    Mutation(
        "drift is taken off the queue although CI did not agree",
        "resources/drift_workflow.py",
        "AZURE_DEVOPS_AGREES = 201, 204, 200",
        "AZURE_DEVOPS_AGREES = 201, 204, 203",
        f"{WORKFLOW}::test_a_page_to_sign_in_is_no_agreement",
    ),
    Mutation(
        "drift is lost when CI is down for a day",
        "resources/drift_queue.py",
        "dead_lettering_on_message_expiration=True",
        "dead_lettering_on_message_expiration=False",
        f"{RULES}::test_only_drift_that_asks_for_a_model_reaches_the_handler_and_waits_a_day",
    ),
    Mutation(
        "an event's text reaches a pipeline",
        "resources/drift_workflow.py",
        "{wiring.stage}/@{{outputs('Facts')['data']['record']}}",
        "@{{outputs('Event')['data']['reason']}}",
        f"{WORKFLOW}::test_texts_of_others_stay_texts_and_short",
    ),
    Mutation(
        "a topic that takes a key",
        "resources/announcements.py",
        "disable_local_auth=True",
        "disable_local_auth=False",
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
    Mutation(
        "credentials of an identity are written at once",
        "resources/identities.py",
        "before = [credential]",
        "before = []",
        f"{RULES}::test_credentials_of_an_identity_are_written_one_after_another",
    ),
    Mutation(
        "an alert compares the number of rows instead of their drift",
        "prometheus_rules.py",
        "f\"({score_drift('', '6h')}) >",
        "f\"{score_drift('', '6h')} >",
        f"{WATCHING}::test_no_alert_fires_without_need",
    ),
    Mutation(
        "an alert asks for a metric that nobody counts",
        "prometheus_rules.py",
        "scoring_losses_total[15m]",
        "scoring_lost_total[15m]",
        f"{WATCHING}::test_alerts_ask_for_what_the_dashboard_shows",
    ),
    Mutation(
        "refused requests count as failed ones",
        "prometheus_rules.py",
        'status=~"5.."',
        'status=~"[45].."',
        f"{WATCHING}::test_no_alert_fires_without_need",
    ),
    Mutation(
        "an alert without a runbook",
        "prometheus_rules.py",
        '"not-watched",',
        '"unwatched",',
        f"{WATCHING}::test_every_alert_says_where_it_stands_what_to_do",
    ),
    Mutation(
        "the cluster's metrics go nowhere",
        "resources/metrics.py",
        "destinations=[DESTINATION]",
        'destinations=["store"]',
        f"{WATCHING}::test_what_the_cluster_counts_reaches_the_store",
    ),
    Mutation(
        "grafana does not wait for its right to read",
        "resources/grafana.py",
        "opts=context.lasting(self, ready),",
        "opts=context.lasting(self),",
        f"{WATCHING}::test_grafana_may_read_before_it_is_there_and_nothing_else",
    ),
    Mutation(
        "grafana takes keys",
        "resources/grafana.py",
        'api_key="Disabled"',
        'api_key="Enabled"',
        f"{CHECKLIST}::test_staging_and_prod_fulfil",
    ),
)

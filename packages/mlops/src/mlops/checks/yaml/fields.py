"""The fields that Azure ML knows in each kind of YAML, as data; a test compares them with the SDK."""

from collections.abc import Iterator
from typing import Final

from mlops.checks.yaml.document import Document, Node, Problem

ANYWHERE: Final = frozenset({"$schema"})
DESCRIPTIVE: Final = frozenset({"name", "display_name", "description", "tags"})

PIPELINE: Final = DESCRIPTIVE | frozenset(
    {"component", "compute", "experiment_name", "identity", "inputs", "jobs", "outputs", "properties"}
    | {"services", "settings", "type"}
)
PIPELINE_SETTINGS: Final = frozenset(
    {"continue_on_step_failure", "default_compute", "default_datastore", "force_rerun"}
)
COMMAND_STEP: Final = DESCRIPTIVE | frozenset(
    {"code", "command", "comment", "component", "compute", "distribution", "environment"}
    | {"environment_variables", "identity", "inputs", "limits", "outputs", "properties", "queue_settings"}
    | {"resources", "services", "type"}
)
SWEEP_STEP: Final = DESCRIPTIVE | frozenset(
    {"comment", "compute", "early_termination", "inputs", "limits", "objective", "outputs", "properties"}
    | {"queue_settings", "resources", "sampling_algorithm", "search_space", "trial", "type"}
)
PIPELINE_STEP: Final = DESCRIPTIVE | frozenset({"comment", "component", "inputs", "outputs", "properties", "type"})
COMMAND_COMPONENT: Final = DESCRIPTIVE | frozenset(
    {"additional_includes", "auto_delete_setting", "code", "command", "distribution", "environment", "id"}
    | {
        "inputs",
        "is_deterministic",
        "outputs",
        "properties",
        "queue_settings",
        "resources",
        "type",
        "version",
    }
)
PIPELINE_COMPONENT: Final = DESCRIPTIVE | frozenset(
    {"auto_delete_setting", "id", "inputs", "is_deterministic", "jobs", "outputs", "type", "version"}
)
PARALLEL_COMPONENT: Final = DESCRIPTIVE | frozenset(
    {"auto_delete_setting", "error_threshold", "id", "input_data", "inputs", "is_deterministic", "logging_level"}
    | {"max_concurrency_per_instance", "mini_batch_error_threshold", "mini_batch_size", "outputs", "partition_keys"}
    | {"resources", "retry_settings", "task", "type", "version"}
)
PARALLEL_TASK: Final = frozenset(
    {"append_row_to", "code", "entry_script", "environment", "model", "program_arguments", "type"}
)
PARALLEL_STEP: Final = DESCRIPTIVE | frozenset(
    {"comment", "component", "compute", "environment_variables", "error_threshold", "identity", "input_data", "inputs"}
    | {"logging_level", "max_concurrency_per_instance", "mini_batch_error_threshold", "mini_batch_size", "outputs"}
    | {"partition_keys", "properties", "resources", "retry_settings", "task", "type"}
)
INPUT: Final = frozenset(
    {"type", "default", "description", "optional", "mode", "min", "max", "enum"}
    | {"path", "datastore", "path_on_compute", "value"}
)
OUTPUT: Final = frozenset({"type", "description", "mode", "path", "name", "version"})
ENVIRONMENT: Final = frozenset(
    {
        "auto_delete_setting",
        "build",
        "conda_file",
        "datastore",
        "description",
        "id",
        "image",
        "inference_config",
    }
    | {"name", "os_type", "tags", "version"}
)
DATA: Final = frozenset(
    {"auto_delete_setting", "datastore", "description", "id", "name", "path", "tags", "type", "version"}
)
ENDPOINT: Final = frozenset(
    {"auth_mode", "description", "id", "identity", "location", "mirror_traffic", "name", "openapi_uri"}
    | {"properties", "provisioning_state", "public_network_access", "scoring_uri", "tags", "traffic"}
)
_MANAGED_ENDPOINT: Final = frozenset({"public_network_access"})
KUBERNETES_ENDPOINT: Final = ENDPOINT - _MANAGED_ENDPOINT | frozenset({"compute"})
DEPLOYMENT: Final = frozenset(
    {
        "app_insights_enabled",
        "code_configuration",
        "data_collector",
        "description",
        "endpoint_name",
        "environment",
    }
    | {"egress_public_network_access", "environment_variables", "id", "instance_count", "instance_type"}
    | {"liveness_probe", "model", "model_mount_path", "name", "private_network_connection", "properties"}
    | {"provisioning_state", "readiness_probe", "request_settings", "scale_settings", "tags", "type"}
)
_MANAGED_DEPLOYMENT: Final = frozenset({"egress_public_network_access", "private_network_connection"})
KUBERNETES_DEPLOYMENT: Final = DEPLOYMENT - _MANAGED_DEPLOYMENT | frozenset({"resources"})


BATCH_ENDPOINT: Final = frozenset(
    {"auth_mode", "defaults", "description", "id", "identity", "location", "name", "openapi_uri", "properties"}
    | {"provisioning_state", "scoring_uri", "tags"}
)
BATCH_DEPLOYMENT: Final = frozenset(
    {"component", "description", "endpoint_name", "job_definition", "name", "settings", "tags", "type"}
)


def unknown_fields(document: Document, node: Node, known: frozenset[str], where: str) -> Iterator[Problem]:
    """Yield a problem for every field of `node` that is not in `known`."""
    for name, child in node.entries.items():
        if name not in known | ANYWHERE:
            expected = ", ".join(sorted(known))
            yield document.problem(child, f"unknown field `{name}` in {where}", f"known are: {expected}")

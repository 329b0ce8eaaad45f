"""The fields that Azure ML accepts in each kind of YAML, as data; a test compares them with the SDK."""

from collections.abc import Iterator
from typing import Final

from mlops.checks.yaml.document import AZURE, Document, Node, Problem

LITERALS: Final = frozenset({"string", "integer", "number", "boolean"})
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
SPARK_COMPONENT: Final = DESCRIPTIVE | frozenset(
    {"additional_includes", "archives", "args", "auto_delete_setting", "code", "conf", "entry", "environment", "files"}
    | {"id", "inputs", "is_deterministic", "jars", "outputs", "properties", "py_files", "type", "version"}
)
SPARK_STEP: Final = DESCRIPTIVE | frozenset(
    {"archives", "args", "code", "comment", "component", "compute", "conf", "entry", "environment", "files", "identity"}
    | {"inputs", "jars", "outputs", "properties", "py_files", "resources", "type"}
)
# A component declares its inputs and outputs; a job, and a step of one, fills them in. Data and literals differ.
DECLARED_DATA: Final = frozenset({"type", "default", "description", "mode", "optional"})
DECLARED_LITERAL: Final = frozenset({"type", "default", "description", "enum", "max", "min", "optional"})
DECLARED_OUTPUT: Final = frozenset({"type", "description", "mode"})
GIVEN_DATA: Final = frozenset({"type", "datastore", "mode", "path", "path_on_compute"})
GIVEN_MODEL: Final = GIVEN_DATA - {"path_on_compute"}
GIVEN_LITERAL: Final = frozenset({"value"})
GIVEN_OUTPUT: Final = frozenset({"type", "mode", "name", "path", "version"})
REQUEST_SETTINGS: Final = frozenset({"max_concurrent_requests_per_instance", "max_queue_wait_ms", "request_timeout_ms"})
PROBE: Final = frozenset({"failure_threshold", "initial_delay", "period", "success_threshold", "timeout"})
CODE_CONFIGURATION: Final = frozenset({"code", "scoring_script"})
_MODELS: Final = frozenset({"custom_model", "mlflow_model", "triton_model"})
# `path` is an older name of uri_folder, which only components have.
DATA_TYPES: Final = _MODELS | {"mltable", "path", "uri_file", "uri_folder"}
_GROUP: Final = "group"
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


# What the fields hold, wherever they are: one value, or entries of their own.
SCALARS: Final = frozenset(
    {"app_insights_enabled", "auth_mode", "code", "command", "compute", "default_compute", "default_datastore"}
    | {"description", "display_name", "endpoint_name", "entry_script", "experiment_name", "image", "instance_count"}
    | {"instance_type", "name", "path", "program_arguments", "type", "version"}
)
MAPPINGS: Final = frozenset(
    {"build", "code_configuration", "data_collector", "environment_variables", "inputs", "jobs", "outputs"}
    | {"properties", "request_settings", "resources", "retry_settings", "search_space", "settings", "tags", "task"}
)


# Text alone: the SDK refuses a number, a boolean and an empty value.
TEXTS: Final = frozenset({"description", "display_name", "experiment_name", "name"})
FLAGS: Final = frozenset({"app_insights_enabled", "continue_on_step_failure", "force_rerun", "is_deterministic"})
DISTRIBUTIONS: Final = frozenset({"mpi", "pytorch", "ray", "tensorflow"})
# How a job gets at data, and how it leaves them.
_MODES_OF_INPUTS: Final = frozenset({"direct", "download", "eval_download", "eval_mount", "ro_mount"})
_MODES_OF_OUTPUTS: Final = frozenset({"direct", "mount", "rw_mount", "upload"})
# The SDK takes any other field here, and drops it without a word.
_IGNORING: Final = frozenset(
    {COMMAND_COMPONENT, PARALLEL_COMPONENT, PIPELINE_COMPONENT, PIPELINE_SETTINGS, SPARK_COMPONENT}
)
# Their tags and properties are text; elsewhere the SDK turns numbers into text.
_OF_JOBS: Final = _IGNORING | {PIPELINE, COMMAND_STEP, SWEEP_STEP, PIPELINE_STEP, PARALLEL_STEP, SPARK_STEP}
_LABELS: Final = frozenset({"properties", "tags"})
_QUOTES: Final = "put it in quotes"


def unknown_fields(document: Document, node: Node, known: frozenset[str], where: str) -> Iterator[Problem]:
    """Yield a problem for every field of `node` that is not in `known`, or holds a value of another kind."""
    for name, child in node.entries.items():
        if name not in known | ANYWHERE:
            expected = ", ".join(sorted(known))
            rule = "ignored-field" if known in _IGNORING else AZURE
            yield document.problem(child, f"unknown field `{name}` in {where}", f"known fields: {expected}", rule)
        elif name in SCALARS and isinstance(child.value, dict | list):
            yield document.problem(child, f"`{name}` of {where} is {child.shown}", "write one value")
        elif name in TEXTS and child.text is None:
            yield document.problem(child, f"`{name}` of {where} is {child.shown}, not text", _QUOTES)
        elif name in MAPPINGS and not isinstance(child.value, dict | None):
            yield document.problem(
                child, f"`{name}` of {where} is not a mapping", "write `key: value` entries below it"
            )
        elif name in _LABELS:
            strict = known in (_OF_JOBS if name == "tags" else _OF_JOBS - _IGNORING)
            yield from _wrong_labels(document, child, f"`{name}` of {where}", strict=strict)
        elif name in FLAGS and not _is_flag(child):
            yield document.problem(child, f"`{name}` of {where} is {child.shown}", "write true or false")
        elif name == "distribution" and (kind := child.get("type")) and kind.text not in DISTRIBUTIONS | {None}:
            listed = ", ".join(sorted(DISTRIBUTIONS))
            yield document.problem(kind, f"`distribution` of {where} has the unknown type {kind.shown}", listed)


def _is_flag(node: Node) -> bool:
    return isinstance(node.value, bool) or (node.text or "").startswith("${{")


def _wrong_labels(document: Document, node: Node, where: str, *, strict: bool) -> Iterator[Problem]:
    if node.value is None:
        yield document.problem(node, f"{where} are empty", "remove the line, or add an entry")
    for key, child in node.entries.items() if strict else ():
        if child.text is None and child.value is not None:
            yield document.problem(child, f"`{key}` in {where} is {child.shown}, not text", _QUOTES)


def of_declared_input(node: Node) -> frozenset[str]:
    """The fields of an input of a component, by its type."""
    kind = node.get("type")
    if kind is not None and kind.text == _GROUP:
        return frozenset(node.entries)
    if kind is None or kind.text in DATA_TYPES:
        return DECLARED_DATA
    return DECLARED_LITERAL if kind.text in LITERALS else DECLARED_DATA | DECLARED_LITERAL


def _wrong_mode(document: Document, node: Node, modes: frozenset[str], where: str) -> Iterator[Problem]:
    mode = node.get("mode")
    if mode is not None and mode.text not in modes and not (mode.text or "").startswith("${{"):
        yield document.problem(mode, f"{where} has the mode {mode.shown}", f"use one of {', '.join(sorted(modes))}")


def check_given_output(document: Document, node: Node, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the fields of an output of a job or a step."""
    yield from unknown_fields(document, node, GIVEN_OUTPUT, where)
    yield from _wrong_mode(document, node, _MODES_OF_OUTPUTS, where)
    version = node.get("version")
    if version is not None and node.get("name") is None:
        yield document.problem(version, f"{where} has a version and no name", "add the name of the asset")


def check_given_input(document: Document, node: Node, where: str) -> Iterator[Problem]:
    """Yield what is wrong with an input of a job or a step: its fields if it is a mapping."""
    if node.value is None or isinstance(node.value, list):
        yield document.problem(node, f"{where} is {node.shown}", "write one value, or data with a `path`")
        return
    kind = node.get("type")
    if kind is not None and kind.text == _GROUP:
        return
    if node.get("value") is not None or (kind is not None and kind.text in LITERALS):
        others = [f"`{name}`" for name in node.entries if name not in GIVEN_LITERAL]
        if others:
            message = f"{where} is a literal with {', '.join(others)}, which only components declare"
            yield document.problem(node, message, "write the value alone, as in `rows: 3`")
        return
    known = GIVEN_MODEL if kind is not None and kind.text in _MODELS else GIVEN_DATA
    yield from unknown_fields(document, node, known, where)
    yield from _wrong_mode(document, node, _MODES_OF_INPUTS, where)

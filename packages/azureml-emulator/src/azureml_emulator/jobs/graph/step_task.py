"""What a step runs: a command, an entry script over mini-batches, a Spark program, a copy. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from azureml_emulator.jobs.definitions.distribution import Distribution
from azureml_emulator.jobs.definitions.spark import SparkSettings
from azureml_emulator.jobs.definitions.steps import ParallelSettings
from azureml_emulator.jobs.definitions.wire import arm_id, field_of, refuse
from azureml_emulator.jobs.graph.bindings import PARALLEL
from azureml_emulator.jobs.graph.data_transfer import DATA_TRANSFER, copy_command
from azureml_emulator.jobs.graph.distribution import read_distribution
from azureml_emulator.jobs.graph.not_run import reason_not_to_run
from azureml_emulator.jobs.graph.parallel_settings import driver_command, read_settings, read_task
from azureml_emulator.jobs.graph.spark import SPARK, read_spark, submit_command


@dataclass(frozen=True)
class StepTask:
    """What a step runs, and where its code and its environment are. The command has unresolved references."""

    command: str
    code: str | None
    environment: str | None
    parallel: ParallelSettings | None = None
    distribution: Distribution | None = None
    spark: SparkSettings | None = None
    not_run: str | None = None


def task_of_job(name: str, properties: dict[str, Any]) -> StepTask:
    """The task of a command job or of a Spark job. Raises BadRequest."""
    code, environment = arm_id(properties.get("codeId")), arm_id(properties.get("environmentId"))
    if str(properties.get("jobType")).lower() == SPARK:
        spark = read_spark(properties, name)
        return StepTask(submit_command(spark, properties.get("args"), name), code, environment, spark=spark)
    if environment is None:
        raise refuse("A command job needs an environment.", "environmentId")
    distribution = read_distribution(properties, name)
    return StepTask(_command(properties, name), code, environment, distribution=distribution)


def task_of_node(node: dict[str, Any], specification: dict[str, Any], where: str) -> StepTask:
    """The task of a node, whose component has the specification. Raises BadRequest."""
    reason = reason_not_to_run(node, where)
    if reason is not None:
        return StepTask("", None, None, not_run=reason)
    kinds = {str(node.get("type")).lower(), specification.get("type")}
    if specification.get("type") == DATA_TRANSFER:
        return StepTask(copy_command(specification, node.get("inputs") or {}, where), None, None)
    code = arm_id(specification.get("code"))
    environment = arm_id(node.get("environment") or specification.get("environment"))
    if SPARK in kinds:
        spark = read_spark(node, where, specification)
        args = field_of(node, "args") or specification.get("args")
        return StepTask(submit_command(spark, args, where), code, environment, spark=spark)
    if PARALLEL not in kinds:
        distribution = read_distribution(node, where, specification)
        return StepTask(_command(specification, where), code, environment, distribution=distribution)
    task = read_task(node, specification, where)
    settings = read_settings(node, specification, where)
    return StepTask(driver_command(task), arm_id(task.get("code")), arm_id(task.get("environment")), settings)


def _command(specification: dict[str, Any], where: str) -> str:
    command = str(specification.get("command") or "").strip()
    if not command:
        raise refuse(f"'{where}' has no command.", "command")
    return command

"""The settings of a parallel step, from its node and its component, with Azure's defaults. Pure: no I/O.

The process of the step gets them in a JSON file, with paths instead of references: `jobs/parallel/plan.py`.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from azureml_emulator.jobs.definitions.steps import UNLIMITED, ParallelSettings
from azureml_emulator.jobs.definitions.wire import arm_id, field_of, refuse, seconds, whole_number

_DRIVER = "azureml_emulator.jobs.parallel"
_MODEL_TASK = "model"
_TABLE_TYPES = frozenset({"mltable"})
_DEFAULT_RETRIES = 2
_DEFAULT_TIMEOUT = 60.0
_MAX_TIMEOUT = 259200
_MAX_WORKERS = 64
_EVERY_PERCENT = 100
_INPUT = re.compile(r"^\$\{\{\s*inputs\.([\w.-]+?)\s*\}\}$")
_OUTPUT = re.compile(r"^\$\{\{\s*outputs\.([\w.-]+?)\s*\}\}$")
_SIZE = re.compile(r"^(\d+)\s*([kmg]b)?$", re.IGNORECASE)
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "WARN", "ERROR"})
# Arguments of the driver itself, among those for the entry script.
_ERROR_ARGUMENT = "--error_threshold"
_PERCENT_ARGUMENT = "--allowed_failed_percent"


def read_task(node: dict[str, Any], specification: dict[str, Any], where: str) -> dict[str, Any]:
    """The `task` of a node of the type `parallel` over that of its component. Raises BadRequest for a text."""
    given = [each.get("task") or {} for each in (specification, node)]
    if not all(isinstance(each, dict) for each in given):
        raise refuse(f"'{where}': the task of a parallel step must be an object.", "task")
    component, own = given
    return {**component, **own}


def read_settings(node: dict[str, Any], specification: dict[str, Any], where: str) -> ParallelSettings:
    """The settings of a node of the type `parallel`; the node's own override those of its component.

    Raises BadRequest for what the service refuses.
    """
    given = {**specification, **{name: value for name, value in node.items() if value is not None}}
    task = read_task(node, specification, where)
    source = _named(_INPUT, given.get("input_data"), where, "input_data")
    declared = (specification.get("inputs") or {}).get(source)
    if declared is None:
        raise refuse(f"'{where}' splits the input '{source}', which its component does not have.", "input_data")
    if not task.get("entry_script") and task.get("type") != _MODEL_TASK:
        raise refuse(f"'{where}' has no entry script.", "task.entry_script")
    table = str(declared.get("type", "")).lower() in _TABLE_TYPES
    keys = _keys(given.get("partition_keys"), where)
    if keys and not table:
        raise refuse(f"'{where}' has partition keys, so its input '{source}' must be an mltable.", "partition_keys")
    arguments = _words(task, where)
    retry = given.get("retry_settings") or {}
    outputs = specification.get("outputs") or {}
    append_to = _named(_OUTPUT, task["append_row_to"], where, "append_row_to") if task.get("append_row_to") else None
    if append_to is not None and append_to not in outputs:
        raise refuse(f"'{where}' appends to the output '{append_to}', which its component does not have.", "task")
    return ParallelSettings(
        entry_script=str(task["entry_script"]) if task.get("entry_script") else None,
        input_name=source,
        is_table=table,
        partition_keys=keys,
        mini_batch_size=_size(given.get("mini_batch_size"), where),
        workers=_workers(given, where),
        retries=whole_number(field_of(retry, "maxRetries"), _DEFAULT_RETRIES, f"{where}.retry_settings.max_retries", 0),
        timeout=_timeout(retry.get("timeout"), where),
        max_failed_batches=_threshold(given.get("mini_batch_error_threshold"), where),
        max_failed_items=_threshold(_argument(arguments, _ERROR_ARGUMENT) or given.get("error_threshold"), where),
        max_failed_percent=whole_number(_argument(arguments, _PERCENT_ARGUMENT), _EVERY_PERCENT, where, 0),
        append_to=append_to,
        append_name=str(task.get("append_file_name") or "parallel_run_step.txt"),
        logging_level=_level(given.get("logging_level"), where),
        model=arm_id(task.get("model")),
        score_output=next(iter(outputs), None) if task.get("type") == _MODEL_TASK else None,
    )


def driver_command(task: dict[str, Any]) -> str:
    """The command line of a task, with unresolved references."""
    return f"python -m {_DRIVER} {_program_arguments(task)}".strip()


def _program_arguments(task: dict[str, Any]) -> str:
    return str(task.get("program_arguments") or task.get("args") or "").strip()


def _named(pattern: re.Pattern[str], text: Any, where: str, what: str) -> str:
    match = pattern.match(str(text or "").strip())
    if match is None:
        side = "inputs" if pattern is _INPUT else "outputs"
        raise refuse(f"'{where}': {what} is '{text}'; it must be ${{{{{side}.NAME}}}}.", what)
    return match[1]


def _keys(value: Any, where: str) -> tuple[str, ...]:
    """The keys, which the SDK sends as JSON."""
    try:
        keys = json.loads(value) if isinstance(value, str) else value or []
    except ValueError as error:
        raise refuse(f"'{where}': partition_keys are not JSON: {error}.", "partition_keys") from error
    return tuple(map(str, keys))


def _size(value: Any, where: str) -> int | None:
    if value is None:
        return None
    match = _SIZE.match(str(value).strip())
    size = int(match[1]) * _UNITS[(match[2] or "").lower()] if match else 0
    if size < 1:
        raise refuse(
            f"'{where}': mini_batch_size is '{value}'; it must be a number of files, or a size such as 10kb.", where
        )
    return size


def _workers(given: dict[str, Any], where: str) -> int:
    resources = given.get("resources") or {}
    instances = whole_number(field_of(resources, "instanceCount"), 1, f"{where}.resources.instance_count", 1)
    each = whole_number(given.get("max_concurrency_per_instance"), 1, f"{where}.max_concurrency_per_instance", 1)
    return min(_MAX_WORKERS, instances * each)


def _timeout(value: Any, where: str) -> float:
    if value is None:
        return _DEFAULT_TIMEOUT
    duration = seconds(int(value) if str(value).isdigit() else value, f"{where}.retry_settings.timeout")
    if duration is None or not 0 < duration <= _MAX_TIMEOUT:
        raise refuse(f"'{where}': the timeout of a mini-batch is '{value}'; it must be at most 259200 seconds.", where)
    return duration


def _threshold(value: Any, where: str) -> int:
    return whole_number(value, UNLIMITED, where, UNLIMITED)


def _level(value: Any, where: str) -> str:
    level = str(value or "INFO").upper()
    if level not in _LEVELS:
        raise refuse(f"'{where}': logging_level is '{value}'; it must be INFO, WARNING or DEBUG.", where)
    return level


def _words(task: dict[str, Any], where: str) -> list[str]:
    try:
        return shlex.split(_program_arguments(task))
    except ValueError as error:
        raise refuse(f"'{where}': its program_arguments cannot be read: {error}.", "program_arguments") from error


def _argument(words: list[str], name: str) -> str | None:
    for position, word in enumerate(words):
        if word == name and position + 1 < len(words):
            return words[position + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None

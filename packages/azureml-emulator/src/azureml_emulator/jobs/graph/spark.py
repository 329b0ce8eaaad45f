"""Reads Spark jobs and steps, with the rules of the service and of its SDK. Pure: no I/O.

What Sail cannot run is refused by name: there is no Java, hence no class, no jars. Archives are not unpacked.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from azureml_emulator.jobs.definitions.command_line import shell_words
from azureml_emulator.jobs.definitions.spark import INSTANCE_TYPES, SparkSettings
from azureml_emulator.jobs.definitions.steps import DATA_TYPES, DIRECT, Step
from azureml_emulator.jobs.definitions.wire import as_text, bool_of, field_of, number, refuse, whole_number
from azureml_emulator.kernel.errors import NotModelled

SPARK = "spark"
_DATA = frozenset({"uri_file", "uri_folder"})
_NOT_MODELLED = {
    "jars": "Java libraries, which need Spark on Java",
    "archives": "archives, which it does not unpack; put their files into the code folder, or into a zip of py_files",
}
_NEEDED = ("spark.driver.cores", "spark.driver.memory", "spark.executor.cores", "spark.executor.memory")
_INSTANCES = "spark.executor.instances"
_DYNAMIC = "spark.dynamicAllocation.enabled"
_LEAST, _MOST = "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors"


def read_spark(given: Mapping[str, Any], where: str, component: Mapping[str, Any] | None = None) -> SparkSettings:
    """The settings of a Spark job, or of a node with those of its component where it has none of its own.

    Raises BadRequest for what the service refuses, NotModelled for what Sail cannot run.
    """
    declared = component or {}

    def setting(name: str) -> Any:
        return field_of(dict(given), name) or field_of(dict(declared), name)

    for name, what in _NOT_MODELLED.items():
        if setting(name):
            raise NotModelled(f"'{where}' has {name}: the emulator runs Spark steps on Sail, without {what}.")
    _check_machines(setting("resources") or {}, given.get("computeId") or given.get("compute"), where)
    conf = {**(declared.get("conf") or {}), **(given.get("conf") or {})}
    _check_conf(conf, where)
    return SparkSettings(
        entry=_entry(setting("entry"), where),
        py_files=_paths(setting("pyFiles"), "py_files", where),
        files=_paths(setting("files"), "files", where),
        conf={str(name): as_text(value) for name, value in conf.items() if value is not None},
    )


def submit_command(settings: SparkSettings, args: Any, where: str) -> str:
    """The command line of an entry, with unresolved references. Raises BadRequest for quotes that do not end."""
    text = str(args or "").strip()
    try:
        shell_words(text)
    except ValueError as error:
        raise refuse(f"'{where}': its args cannot be read: {error}.", "args") from error
    return f"spark-submit {shlex.quote(settings.entry)} {text}".strip()


def check_data(step: Step, declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise BadRequest for data that Spark cannot open, and for another mode than direct.

    `declared` and `given` are the outputs of a component and of its node, or of a job.
    """
    for name, step_input in step.inputs.items():
        if step_input.type in DATA_TYPES:
            _check_data(step.name, f"input '{name}'", step_input.type, step_input.mode)
    for name, output in step.outputs.items():
        mode = _mode(given.get(name)) or _mode(declared.get(name))
        _check_data(step.name, f"output '{name}'", output.type, mode)


def _check_data(step: str, what: str, kind: str, mode: str) -> None:
    if kind not in _DATA:
        raise refuse(
            f"The {what} of the Spark step '{step}' is of type {kind}; it must be uri_file or uri_folder.", "type"
        )
    if mode != DIRECT:
        raise refuse(
            f"The {what} of the Spark step '{step}' has {f'the mode {mode}' if mode else 'no mode'}; "
            "Spark opens data by itself, so its mode must be direct.",
            "mode",
        )


def _mode(data: Any) -> str:
    return str(data.get("mode") or "").lower() if isinstance(data, Mapping) else ""


def _entry(entry: Any, where: str) -> str:
    named = entry if isinstance(entry, Mapping) else {"file": entry}
    if field_of(dict(named), "className"):
        raise NotModelled(
            f"'{where}' starts a class: the emulator runs Spark steps on Sail, without Java. Name a Python file, "
            "entry: {file: step.py}."
        )
    return _relative(named.get("file"), "entry.file", where)


def _paths(given: Any, what: str, where: str) -> tuple[str, ...]:
    paths = tuple(_relative(path, what, where) for path in given or ())
    if len(set(paths)) < len(paths):
        raise refuse(f"'{where}': {what} names a file twice.", what)
    return paths


def _relative(path: Any, what: str, where: str) -> str:
    """A path inside the code folder. Raises BadRequest for any other."""
    text = str(path or "")
    if not text or text.startswith("/") or "://" in text or ".." in text.split("/"):
        raise refuse(f"'{where}': {what} is '{text}'; it must be a path inside the code folder.", what)
    return text.removeprefix("./")


def _check_machines(resources: Mapping[str, Any], compute: Any, where: str) -> None:
    if bool(resources) == bool(compute):
        which = "both resources and compute" if compute else "neither resources nor compute"
        raise refuse(f"The Spark step '{where}' has {which}; it needs one of them.", "resources")
    if compute:
        return
    instance = str(field_of(dict(resources), "instanceType") or "")
    if instance.lower() not in INSTANCE_TYPES:
        known = ", ".join(INSTANCE_TYPES)
        raise refuse(f"'{where}': the instance type is '{instance}'; it must be one of {known}.", "resources")


def _check_conf(conf: Mapping[str, Any], where: str) -> None:
    is_dynamic = bool_of(conf.get(_DYNAMIC), default=False)
    needed = (*_NEEDED, _LEAST, _MOST) if is_dynamic else (*_NEEDED, _INSTANCES)
    missing = [name for name in needed if conf.get(name) is None]
    if missing:
        raise refuse(f"'{where}': its conf has no {', '.join(missing)}.", "conf")
    for name in ("spark.driver.cores", "spark.executor.cores"):
        whole_number(conf[name], 1, f"{where}.conf.{name}")
    if not is_dynamic:
        if conf.get(_LEAST) is not None or conf.get(_MOST) is not None:
            raise refuse(f"'{where}': {_LEAST} and {_MOST} need {_DYNAMIC}.", "conf")
        whole_number(conf[_INSTANCES], 1, f"{where}.conf.{_INSTANCES}")
        return
    least = number(conf[_LEAST], 1, f"{where}.conf.{_LEAST}")
    most = number(conf[_MOST], 1, f"{where}.conf.{_MOST}")
    instances = number(conf.get(_INSTANCES), least, f"{where}.conf.{_INSTANCES}")
    if not 0 < least <= instances <= most:
        raise refuse(f"'{where}': its conf must have 0 < {_LEAST} ≤ {_INSTANCES} ≤ {_MOST}.", "conf")
